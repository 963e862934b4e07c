"""A transfer job's attempt: its inputs, and what its stages share."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version as version_of
from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.reading.description import Description
from app.jobs.budgets import chooses_strength, most_updates
from app.jobs.folds import validation_rows
from app.jobs.recipes import Method, ParameterTransfer, StructureTransfer
from app.jobs.states import Stage
from app.jobs.training import DEFAULT_LEARNING_RATE, FURTHER_RATES
from app.jobs.training import Training as TrainingOptions
from workers.attempt import Attempt
from workers.job_rows import DatasetFacts, JobFacts, RowsFile, VersionFacts
from workers.progress import Progress
from workers.rows_seen import SOURCE, TARGET, JobRows, Seen, uses_unlabelled
from workers.trainings import Trainings
from workers.transfer.data import Data
from workers.transfer.delivery import export
from workers.transfer.methods.parts.regularisers import strengths_to_try
from workers.transfer.networks.network import Network
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.proof.known_rows import KnownRows

Arms = dict[str, list[Outcome]]
"""What each seed of each arm came to."""


@dataclass(frozen=True, eq=False)
class StoredNetwork:
    """The target's network, the file it is kept in, and what its method tells of it."""

    network: Network
    digest: str
    receipt: dict[str, Any]
    findings: dict[str, Any]


def versions() -> dict[str, str]:
    """The software that decides what comes out."""
    return {"model-transfer": version_of("model-transfer"), **export.versions()}


@dataclass
class JobContext(Attempt):
    """One attempt at a transfer job, as its stages see it."""

    job: JobFacts = field(kw_only=True)
    candidates: frozenset[str] | None = None
    """Of the control, by name; None for all, as every job of the service has them."""
    diverged: dict[str, str] = field(default_factory=dict)
    """By arm, what a training of it said that diverged without ending the job."""

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
        data, rows = self.read(self.job.target)
        used = data.unlabelled if uses_unlabelled(self.job) else None
        if self.rows.kept(TARGET) is None:
            self.rows.keep(TARGET, self.job.target, rows, data.train, data.validation, used)
        known, files = rows.known(), self.trained_on
        with ExitStack() as opened:
            for file in files:
                opened.enter_context(self.opened(file.digest, f"rows of data set {file.dataset}"))
            unlabelled = None if used is None else known.of(used.numbers)
            return data, self.rows.find(self.job, data, known, files, unlabelled)

    @cached_property
    def known_rows(self) -> KnownRows:
        """What tells all rows of the target's data set apart."""
        return self.read(self.job.target)[1].known()

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
        data, rows = self.read(self.job.source)
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
        self.begin(stage, self.trainings.progress.at(stage))


def _steps(training: TrainingOptions, description: Description) -> int:
    return most_updates(training, description.split.rows["train"])
