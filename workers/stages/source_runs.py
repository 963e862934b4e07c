"""One training of a source: by its key an equal one of an earlier job is found, which is as good."""

from __future__ import annotations

import hashlib
import json

from app.db.tables import SourceRun
from app.jobs.recipes import StructureTransfer
from app.jobs.states import Stage
from app.jobs.training import Training as TrainingOptions
from workers.job_context import JobContext, versions
from workers.job_rows import DatasetFacts
from workers.stages.source_losses import Losses, source_losses
from workers.transfer.data import Data
from workers.transfer.methods import scratch
from workers.transfer.networks.network import Network
from workers.transfer.networks.presets import manifests
from workers.transfer.training.rounds import rounds


def source_key(context: JobContext, source: DatasetFacts, training: TrainingOptions) -> str:
    """The hash of all that goes into a source that is trained, or searched for, on this data."""
    searched = isinstance(context.job.spec.method, StructureTransfer)
    preset = getattr(context.job.spec.source_network, "preset", None)
    parts = {
        "data": source.digest,
        "description": source.description.model_dump(mode="json"),
        "network": context.job.spec.source_network.model_dump(mode="json"),
        # A name may be fetched again in another version.
        "preset": manifests.read(manifests.path_of(context.preset_dir, preset)).get("origin")
        if preset
        else None,
        "training": training.model_dump(mode="json"),
        "search": context.job.spec.method.model_dump(mode="json") if searched else None,
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def known_run(context: JobContext, key: str) -> SourceRun | None:
    """The run of an earlier job with this key, if its files are whole; else it is forgotten."""
    known = context.journal.source_run(key)
    if known is None or all(map(context.storage.is_intact, (known.output_digest, known.rows_digest))):
        return known
    context.journal.forget_source_run(key)
    return None


def train_source(
    context: JobContext, training: TrainingOptions, run: str, data: Data
) -> tuple[Network, Losses]:
    """A network trained on the source's data, in a run of this name, and how its losses went."""
    options = {**context.job.spec.source_network.model_dump(mode="json"), **context.preset_location}
    fit = context.trainings.fit(Stage.SOURCE, run, training)
    made = scratch.scratch(options, data, fit)
    validation_rows = 0 if data.validation is None else len(data.validation)
    keeps_best = rounds(fit.training, len(data.train), validation_rows).keeps_best
    return made.network, source_losses(made.network, made.history.epochs, data, keeps_best=keeps_best)
