"""A job's attempt: its inputs, where its outputs go, and what its stages share."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.partition.rows_file import RowFacts, read_rows_file
from app.datasets.reading.description import Description
from app.datasets.reading.table import read
from app.jobs.budgets import chooses_strength, most_updates
from app.jobs.folds import validation_rows
from app.jobs.recipes import Method, ParameterTransfer, StructureTransfer
from app.jobs.states import Stage
from app.jobs.training import DEFAULT_LEARNING_RATE, FURTHER_RATES
from app.jobs.training import Training as TrainingOptions
from app.storage import Storage
from workers.job_rows import DatasetFacts, JobFacts, RowsFile, VersionFacts
from workers.journal import Journal
from workers.process_cache import ProcessCache
from workers.progress import Progress
from workers.rows_seen import SOURCE, TARGET, JobRows, Seen, uses_unlabelled
from workers.trained_rows import DatasetRows
from workers.trainings import Trainings
from workers.transfer.data import Data, Signature, from_table
from workers.transfer.delivery import export
from workers.transfer.methods.parts.regularisers import strengths_to_try
from workers.transfer.networks import network
from workers.transfer.networks.network import Network
from workers.transfer.out_of_memory import is_out_of_memory
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.proof.known_rows import KnownRows
from workers.transfer.training.features import FeatureStore
from workers.transfer.training.options import Stopped

Arms = dict[str, list[Outcome]]
"""What each seed of each arm came to."""


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """The target's network, the file it is kept in, and what its method tells of it."""

    network: Network
    digest: str
    receipt: dict[str, Any]
    findings: dict[str, Any]


class FileDamaged(Exception):
    """A file of the storage is not what was written; says which."""


def versions() -> dict[str, str]:
    """The software that decides what comes out."""
    return {"model-transfer": version_of("model-transfer"), **export.versions()}


@dataclass
class JobContext:
    """One attempt at a job, as its stages see it."""

    job: JobFacts
    journal: Journal
    storage: Storage
    should_stop: Callable[[], str | None]
    checkpoint_seconds: float
    features: FeatureStore
    cache: ProcessCache
    preset_dir: Path
    devices: int = 1
    candidates: frozenset[str] | None = None
    """Of the control, by name; None for all, as every job of the service has them."""
    diverged: dict[str, str] = field(default_factory=dict)
    """By arm, what a training of it said that diverged without ending the job."""

    def data(self, dataset: DatasetFacts) -> Data:
        """The rows of a data set, split."""
        return self._read(dataset)[0]

    def _read(self, dataset: DatasetFacts) -> tuple[Data, DatasetRows]:
        """The same, and what tells the rows of the file apart."""
        description = dataset.description
        with self.storage.workspace() as folder, self._opened(dataset.digest, f"data set {dataset.ref}"):
            table = read(self.storage.require(dataset.digest), description, folder)
        facts, signature = self.row_facts(dataset), signature_of(description)
        features = [column.name for column in signature.columns] if description.kind == "tabular" else []
        data = replace(from_table(table, signature, facts.parts), units=_units(facts))
        return data, DatasetRows(table, facts, features)

    def row_facts(self, dataset: DatasetFacts) -> RowFacts:
        """What is kept of each row of a data set: its part, keys, group, cluster.

        Raises:
            FileDamaged: the file is not what was written.
        """
        with self._opened(dataset.rows_digest, f"rows of data set {dataset.ref}"):
            return read_rows_file(self.storage.require(dataset.rows_digest))

    @cached_property
    def target(self) -> Data:
        """The target's rows, without the validation rows that were seen before, which choose nothing.

        Test rows that were seen are there, see `seen`.
        """
        data, seen = self._target
        if data.validation is None or not seen.validation.any():
            return data
        kept = data.validation.take(~seen.validation)
        return replace(data, validation=kept if len(kept) else None)

    @property
    def prefix(self) -> str:
        """Stands before the names of what is trained and kept: none but in a fold."""
        return ""

    @property
    def whole_target(self) -> Data:
        """The target's rows as they are split, those that were seen before included."""
        return self._target[0]

    @property
    def seen(self) -> Seen:
        """Which of the target's rows something in the transfer was trained or validated on."""
        return self._target[1]

    @cached_property
    def _target(self) -> tuple[Data, Seen]:
        data, rows = self._read(self.job.target)
        used = data.unlabelled if uses_unlabelled(self.job) else None
        if self.rows.kept(TARGET) is None:
            self.rows.keep(TARGET, self.job.target, rows, data.train, data.validation, used)
        known, files = rows.known(), self.trained_on
        with ExitStack() as opened:
            for file in files:
                opened.enter_context(self._opened(file.digest, f"rows of data set {file.dataset}"))
            unlabelled = None if used is None else known.of(used.numbers)
            return data, self.rows.find(self.job, data, known, files, unlabelled)

    @cached_property
    def known_rows(self) -> KnownRows:
        """What tells all rows of the target's data set apart."""
        return self._read(self.job.target)[1].known()

    @cached_property
    def test_units(self) -> npt.NDArray[np.int64]:
        """Numbers of the test rows; those of a group, or that are nearly equal, have the same.

        Equal rows of a table are no copies of one another: few columns have few values.
        """
        assert self.target.test is not None  # checked before the job was accepted
        keys = self.target.units
        if keys is None:
            return np.arange(len(self.target.test))
        _, units = np.unique(keys[self.target.test.numbers], return_inverse=True)
        return units.reshape(-1)

    @cached_property
    def rows(self) -> JobRows:
        """The rows that the job's networks are trained on."""
        return JobRows(self.journal, self.storage)

    @cached_property
    def trained_on(self) -> list[RowsFile]:
        """The rows that the sources, and all before them, were trained or validated on."""
        files = []
        for source in self.job.sources:
            if isinstance(source, DatasetFacts):
                files.append(self.rows.kept(SOURCE) or self.source_data()[1])
            elif isinstance(source, VersionFacts):
                files += source.trained_on
        return list(dict.fromkeys(files))

    def source_data(self) -> tuple[Data, RowsFile]:
        """The rows of the source's data set, and the file that keeps which of them it is trained on."""
        assert isinstance(self.job.source, DatasetFacts)
        data, rows = self._read(self.job.source)
        return data, self.rows.keep(SOURCE, self.job.source, rows, data.train, data.validation)

    @property
    def version_trained_on(self) -> list[RowsFile]:
        """The rows that the new version, and all before it, were trained or validated on."""
        own = self.rows.kept(TARGET)
        assert own is not None  # the target was read before
        return list(dict.fromkeys([*self.trained_on, own]))

    @cached_property
    def training(self) -> TrainingOptions:
        """How the arms are trained: without early stopping where no unseen validation row is left for it."""
        asked = self.job.spec.training
        return asked if self.target.validation is not None else asked.model_copy(update={"patience": None})

    @cached_property
    def rates(self) -> list[float]:
        """The learning rates that each arm chooses from."""
        return self.training.learning_rates or [self.training.learning_rate or DEFAULT_LEARNING_RATE]

    @cached_property
    def strengths(self) -> list[float]:
        """The strengths that an arm with the job's regulariser chooses from; none if there is no choice."""
        method = self.job.spec.method
        if not chooses_strength(method, self.training):
            return []
        assert isinstance(method, ParameterTransfer)
        assert method.regulariser is not None
        return strengths_to_try(method.regulariser)

    @property
    def rates_without_strength(self) -> list[float]:
        """Those of an arm without the regulariser: as many more as the others try strengths."""
        return [*self.rates, *(FURTHER_RATES if self.strengths else [])]

    @property
    def trials_of_an_arm(self) -> int:
        """The trainings of an arm with its first seed, at most: one a trial, or one a fold and another."""
        return self._trials(0 if self.target.validation is None else len(self.target.validation))

    def _trials(self, validation_rows: int) -> int:
        budget, tried = self.training.budget, len(self.rates_without_strength)
        if (
            budget is None
            or tried == 1
            or (validation_rows and validation_rows >= budget.least_validation_rows)
        ):
            return tried
        return tried * budget.search_folds + 1

    @cached_property
    def method(self) -> Method:
        """How knowledge moves: without what validation rows would choose where none is left."""
        asked = self.job.spec.method
        if self.target.validation is None and isinstance(asked, ParameterTransfer):
            return asked.model_copy(update={"wise_ft": False})
        return asked

    @cached_property
    def options(self) -> dict[str, Any]:
        """The options of the target's network."""
        return {**self.job.spec.network.model_dump(mode="json"), **self.preset_location}

    @property
    def preset_location(self) -> dict[str, Any]:
        """Where on this machine a pretrained network finds its preset."""
        kinds = (self.job.spec.network.kind, self.job.spec.source_network.kind)
        return {"folder": str(self.preset_dir)} if "pretrained" in kinds else {}

    @cached_property
    def seeds(self) -> range:
        """The seed of each training of an arm; the first makes the model."""
        first = self.job.spec.training.seed
        return range(first, first + self.job.spec.evaluation.seed_count)

    @cached_property
    def trainings(self) -> Trainings:
        """What the job's trainings share."""
        spec, asked = self.job.spec, self.job.spec.evaluation
        of_target = _steps(spec.training, self.job.target.description)
        steps = {Stage.TRANSFER: of_target, Stage.CONTROL: of_target}
        if isinstance(self.job.source, DatasetFacts) and spec.source_training is not None:
            steps[Stage.SOURCE] = _steps(spec.source_training, self.job.source.description)
        one = self.trials_of_an_arm + asked.seed_count - 1
        arms = (asked.control + len(asked.arms)) * one + asked.control * self.trials_of_an_arm
        few_shot = len(asked.few_shot) * (1 + asked.control) * asked.seed_count
        beside_a_fold = validation_rows(self.job.target.description, asked.folds or 1)
        folds = asked.fold_count * (1 + 2 * asked.control) * self._trials(beside_a_fold)
        trainings = {Stage.TRANSFER: one, Stage.CONTROL: arms + few_shot + folds}
        if asked.retrain_source:
            trainings[Stage.SOURCE] = asked.seed_count
        if isinstance(spec.method, StructureTransfer) and self.searches:
            trainings[Stage.SOURCE] = spec.method.trials
            trainings[Stage.CONTROL] += spec.method.trials * asked.control * (1 + asked.fold_count)
        asked_for = (spec.training, spec.source_training)
        may_end_early = any(one is not None and one.epochs is None for one in asked_for)
        reached = self.journal.fraction()
        progress = Progress(steps, trainings, may_end_early=may_end_early, reached=reached)
        return Trainings(
            self.journal,
            self.storage,
            self.should_stop,
            self.checkpoint_seconds,
            progress,
            self.features,
            self.devices,
            dict(self.cache.graphs),
        )

    @cached_property
    def searches(self) -> bool:
        """Whether the job looks for a structure."""
        method = self.job.spec.method
        return isinstance(method, StructureTransfer) and method.strategy == "search"

    def begin_stage(self, stage: Stage) -> None:
        """Mark a stage as running, unless the job is to stop.

        Raises:
            Stopped: it is.
        """
        reason = self.should_stop()
        if reason is not None:
            raise Stopped(reason)
        self.journal.started(stage, self.trainings.progress.at(stage))

    def store_network(self, made: Network) -> str:
        """Write a network to storage; its digest."""
        with self.storage.workspace() as folder:
            path = folder / "network.keras"
            made.save(path)
            return self.storage.put(path)

    def load_network(
        self, digest: str, signature: Signature, options: Mapping[str, Any], what: str = "network it kept"
    ) -> Network:
        """The network that `store_network` wrote; `what` it is, in words.

        Raises:
            FileDamaged: its file is not what was written.
        """
        with self.storage.workspace() as folder, self._opened(digest, what):
            path = folder / "network.keras"
            path.symlink_to(self.storage.require(digest))
            return network.load(path, signature, options)

    @contextmanager
    def _opened(self, digest: str, what: str) -> Iterator[None]:
        """What a damaged file makes any reader raise becomes a FileDamaged."""
        try:
            yield
        except Exception as error:
            if is_out_of_memory(error) or not self.storage.exists(digest) or self.storage.is_intact(digest):
                raise
            raise FileDamaged(
                f"Expected the file of the {what} as it was written. Received: other bytes "
                f"({type(error).__name__} while it was read)."
            ) from error


def signature_of(description: Description) -> Signature:
    """What a network trained on this data reads and answers."""
    columns = [
        {"name": column.input, "type": column.type}
        for column in description.columns
        if column.role == "feature"
    ]
    return Signature.from_dict(
        {
            "columns": columns,
            "label": description.label,
            "task": description.task,
            "classes": description.classes,
        }
    )


def _units(facts: RowFacts) -> npt.NDArray[np.uint64] | None:
    """What rows belong together by, if anything."""
    return facts.groups if facts.groups is not None else facts.clusters


def _steps(training: TrainingOptions, description: Description) -> int:
    return most_updates(training, description.split.rows["train"])
