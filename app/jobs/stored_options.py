"""Options of a job as the database has them, which an earlier version of the service may have written.

One that has come since has its default; one that is no more is left out. A worker reads them strictly.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BeforeValidator, TypeAdapter

from app.jobs.evaluation import Evaluation
from app.jobs.networks import Network
from app.jobs.recipes import Method
from app.jobs.training import Training


def _as_of_now(options: Any) -> BeforeValidator:
    known: TypeAdapter[Any] = TypeAdapter(options)
    return BeforeValidator(
        lambda stored: known.validate_python(stored, extra="ignore") if isinstance(stored, dict) else stored
    )


StoredMethod = Annotated[Method, _as_of_now(Method)]
StoredNetwork = Annotated[Network, _as_of_now(Network)]
StoredTraining = Annotated[Training, _as_of_now(Training)]
StoredEvaluation = Annotated[Evaluation, _as_of_now(Evaluation)]
