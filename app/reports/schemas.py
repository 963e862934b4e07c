"""What comes out of `/v1/jobs/{job}/report`."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, Field

from app.jobs.schemas import JobRequest, JobView
from app.models.receipt import Receipt
from app.models.schemas import ArtifactView, Lineage
from app.reports.proof import Evaluated


class ReportView(BaseModel):
    """Everything about a job that succeeded: the evaluation, the receipt, and how to repeat it."""

    job: JobView
    evaluation: Evaluated = Field(
        description="Metrics, gain and verdict; by arm and seed; McNemar's test, calibration, classes, "
        "confusion, learning curves and few-shot points, if the task and the job have them."
    )
    receipt: Receipt
    lineage: Lineage
    version: str = Field(description="The version's id.")
    weights_sha256: str
    artifacts: list[ArtifactView] = Field(description="The downloadable files of all arms.")
    published_at: datetime
    request: JobRequest = Field(
        description="POST this to /v1/jobs and the same weights come out, on the same kind of machine."
    )
