"""What a user types: `model-transfer datasets`, `jobs`, `models`, `predict`, `rankings`."""

from app.client.commands.datasets import datasets
from app.client.commands.jobs import jobs
from app.client.commands.models import models
from app.client.commands.predicting import predict
from app.client.commands.rankings import rankings

__all__ = ["datasets", "jobs", "models", "predict", "rankings"]
