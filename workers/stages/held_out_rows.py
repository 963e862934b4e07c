"""Rows with answers of models that were not trained on them: which are wrong, which labels may be?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from app.jobs.states import Stage
from workers.job_context import Arms, JobContext
from workers.stages.baseline import Fitted, readings
from workers.stages.folds import Folds
from workers.transfer.baselines.choosing import out_of_fold
from workers.transfer.baselines.readings import spread
from workers.transfer.data import Array, Rows
from workers.transfer.methods.parts.fold_numbers import fold_numbers
from workers.transfer.networks.network import Network
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.proof.label_issues import LabelIssues, label_issues
from workers.transfer.proof.row_losses import TASKS, row_losses
from workers.transfer.training.features import stopwatch

MOST_ROWS = 20_000
"""Train rows whose labels are looked at; of more some, spread over the targets."""

FOLDS = 5

RUN = "doubtful_labels"


@dataclass(frozen=True, eq=False)
class Answered:
    """Labelled rows and by arm what answers for them, (n, k); in folds the mean over the repeats."""

    rows: Rows
    answers: Mapping[str, Array]
    in_folds: bool


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Labelled rows, each answered by models that were trained without it, and by whose: an arm's."""

    task: str
    rows: Rows
    answers: Array
    arm: str
    candidate: str | None = None

    @cached_property
    def issues(self) -> LabelIssues | None:
        """Which of their labels are likely wrong."""
        return label_issues(self.task, self.rows.targets, self.answers)  # type: ignore[arg-type]


def answered(context: JobContext, arms: Arms, folds: Folds | None) -> Answered | None:
    """The target's test rows and the answers of the first seed's models, or the rows of all folds.

    None where answers are no numbers by row.
    """
    if context.target.signature.task not in TASKS:
        return None
    if folds is not None and folds.trained:
        return _of_folds(folds)
    test = context.target.test
    assert test is not None  # checked before the job was accepted
    return Answered(test, {arm: of[0].test for arm, of in arms.items()}, False)


def held_out(
    context: JobContext, source: Sequence[Network], fitted: Fitted | None, folds: Folds | None
) -> HeldOut | None:
    """The answers by which labels are doubted, of the arm whose loss on held-out rows is the least.

    Without folds of all arms the baseline's candidate is fitted beside each of five folds of the train rows.
    None where there is neither.
    """
    task = context.target.signature.task
    if task not in TASKS:
        return None
    if folds is not None and folds.trained:
        known = _of_folds(folds)
        losses = {
            arm: float(row_losses(task, known.rows.targets, p).mean())
            for arm, p in known.answers.items()
            if arm != "constant"
        }
        best = min(losses, key=lambda arm: losses[arm])
        if not np.isfinite(losses[best]):
            return None
        return HeldOut(task, known.rows, known.answers[best], best)
    return None if fitted is None else _by_the_baseline(context, source, fitted)


def _of_folds(folds: Folds) -> Answered:
    """Means over the repeats, of rows that are held out in each."""
    repeats = folds.repeats()
    held = np.all([repeat.fold >= 0 for repeat in repeats], axis=0)
    rows = folds.labelled.rows.take(held)
    arms = [arm for arm in repeats[0].answers if all(arm in repeat.answers for repeat in repeats)]
    means = {arm: np.mean([repeat.answers[arm][held] for repeat in repeats], axis=0) for arm in arms}
    return Answered(rows, means, True)


def _by_the_baseline(context: JobContext, source: Sequence[Network], fitted: Fitted) -> HeldOut | None:
    seed, run, data = context.seeds[0], f"{RUN}/{context.seeds[0]}", context.target
    data = replace(data, train=data.train.take(spread(data.train.targets, MOST_ROWS)), validation=None)
    fold = fold_numbers(data, FOLDS, seed)
    held = fold >= 0
    if not held.any():
        return None
    chosen = fitted.told["chosen"]

    def compute() -> Outcome:
        fit = context.trainings.fit(Stage.CONTROL, run, context.training, seed=seed)
        seconds = stopwatch(fit.hooks.features)
        models = readings(context, source, fit.hooks.features)
        others = {name for reading in models for name in reading.learners} - {chosen}
        ((_, p),) = out_of_fold(models, data, fit.training, fold, fit.hooks, left_out=others)
        fit.cost.add(0, seconds())
        return Outcome(seed, p, None, [])

    p = context.trainings.computed(Stage.CONTROL, run, compute).test[held]
    if not np.isfinite(p).all():
        return None
    return HeldOut(data.signature.task, data.train.take(held), p, "baseline", chosen)
