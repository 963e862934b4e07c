"""What a user types: `model-transfer datasets`, `jobs`, `models`, `predict`."""

from app.client.commands.datasets import datasets
from app.client.commands.jobs import jobs
from app.client.commands.models import models
from app.client.commands.predicting import predict

__all__ = ["datasets", "jobs", "models", "predict"]
