"""How is an error of an attempt told to the job's owner? In plain words; the log has what libraries said."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass

from app.errors import is_unreachable
from app.jobs.states import Stage
from app.jobs.transitions import Lease
from workers.job_rows import JobFacts


@dataclass(frozen=True)
class Failure:
    """An error as a job shows it."""

    code: str
    message: str
    hint: str


def permanent(error: Exception, facts: JobFacts | None, stage: Stage | None) -> Failure | None:
    """An error that every further attempt would meet again; None of any other."""
    from workers.attempt import FileDamaged
    from workers.batch.rows import FileRefused
    from workers.transfer.choosing.target import NotRankable
    from workers.transfer.networks.presets.errors import PresetError
    from workers.transfer.out_of_memory import is_out_of_memory
    from workers.transfer.training.options import TrainingDiverged

    if isinstance(error, TrainingDiverged):
        hint = "Post the job again with a lower learning_rate or a larger batch_size."
        return Failure("training_diverged", str(error), hint)
    if isinstance(error, NotRankable):
        return Failure("not_rankable", str(error), "Upload the target again with more labelled rows.")
    if isinstance(error, FileRefused):
        return Failure(error.code, error.message, error.hint)
    if isinstance(error, PresetError):
        hint = (
            "Install the preset again: GET /v1/presets says where it comes from. Then POST "
            "/v1/jobs/{job}:retry."
        )
        return Failure("preset_unreadable", str(error), hint)
    if isinstance(error, FileDamaged):
        hint = (
            "Restore the file from a backup and POST /v1/jobs/{job}:retry, or post a new job with "
            "other inputs."
        )
        return Failure("file_damaged", str(error), hint)
    if is_out_of_memory(error):
        return out_of_memory(facts, stage)
    return None


def transient(error: Exception) -> str:
    """An error of a disk, a storage or a database, which the next attempt may not meet; it names no path."""
    from workers.transfer.networks.presets.errors import PresetMissing

    if is_unreachable(error):
        return "Expected the database to answer. Received: no answer."
    if isinstance(error, PresetMissing):
        return f"Expected the preset {error.preset}. Received: none in the worker's presets' folder."
    number = error.errno if isinstance(error, OSError) else None
    reason = type(error).__name__ if number is None else os.strerror(number)
    return f"Expected files that can be read and written. Received: {reason}."


def unexpected(error: Exception, lease: Lease, stage: Stage | None) -> Failure:
    """An error that nobody foresaw."""
    message = f"The worker met an unexpected error ({type(error).__name__}){_in(stage)}."
    hint = (
        "This is a defect of the service. The log of worker "
        f"{socket.gethostname()}/{os.getpid()} has the details after the line "
        f"`{lease.job_id} attempt {lease.attempt} failed`."
    )
    return Failure("internal_error", message, hint)


def out_of_memory(facts: JobFacts | None, stage: Stage | None) -> Failure:
    """Memory that ran out, and what the job was estimated to need of it."""
    message = f"Expected a job that fits into the worker's memory. Received: a job that filled it{_in(stage)}"
    estimate = None if facts is None else facts.spec.estimate
    if facts is not None and estimate is not None:
        mib, rows = estimate.memory_bytes / 2**20, facts.spec.training.batch_size
        message += (
            f", whose largest training has {estimate.parameters:,} weights and was estimated to need at "
            f"least {mib:,.0f} MiB with a batch_size of {rows}"
        )
    hint = "Start workers with more memory: POST /v1/jobs/{job}:retry then continues with what it has kept."
    if facts is not None:
        hint = (
            f"Lower `training.batch_size` or the size of the `network` ({facts.spec.network.kind}). Or start "
            "workers with more memory: POST /v1/jobs/{job}:retry then continues from the last finished stage."
        )
    return Failure("out_of_memory", f"{message}.", hint)


def _in(stage: Stage | None) -> str:
    return "" if stage is None else f" in the stage `{stage}`"
