"""What a user types: `model-transfer datasets`, `jobs`, `models`."""

from app.client.commands.datasets import datasets
from app.client.commands.jobs import jobs
from app.client.commands.models import models

__all__ = ["datasets", "jobs", "models"]
