"""The service from Python, over HTTP: `from app.client import Client`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from app.client.client import Client
    from app.client.configuration import ConfigurationError
    from app.client.problems import ApiError, JobDidNotSucceed, NotReachable
    from app.client.views import Artifact, Dataset, Event, Gain, Job, Notice, Version

__all__ = [
    "ApiError",
    "Artifact",
    "Client",
    "ConfigurationError",
    "Dataset",
    "Event",
    "Gain",
    "Job",
    "JobDidNotSucceed",
    "NotReachable",
    "Notice",
    "Version",
]

_PLACES = {
    "Client": "client",
    "ConfigurationError": "configuration",
    "ApiError": "problems",
    "JobDidNotSucceed": "problems",
    "NotReachable": "problems",
}


def __getattr__(name: str) -> Any:
    """Imported when asked for: the commands live here, too, and those of a server need no HTTP client."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"app.client.{_PLACES.get(name, 'views')}"), name)
