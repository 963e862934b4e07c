"""The rows of a target that candidates are judged by, and the fold in which each is held out."""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np

from workers.transfer.baselines.readings import spread
from workers.transfer.data import Array, Data, Rows, Task
from workers.transfer.methods.parts.fold_numbers import fold_numbers
from workers.transfer.tasks import LabelUnit

MOST_ROWS = 2000
"""Train rows that candidates are judged by, at most; of more some are taken, spread over the targets."""

FOLDS = 5

TASKS = ("binary", "multiclass", "multilabel", "regression")


class NotRankable(ValueError):
    """Nothing can be ranked for this target; the message says why and what to do."""


@dataclass(frozen=True, eq=False)
class Target:
    """What is the same for every candidate.

    data: its train rows are those that are judged by; it has no others.
    fold: (n,), the fold in which each row is held out, from 0; -1 of a row that is held out in none.
    units: (n,), from 0; rows that belong together have one number, and are in one fold.
    of_rows: the train rows there are.
    """

    data: Data
    fold: Array
    units: Array
    of_rows: int

    @classmethod
    def of(cls, data: Data, seed: int = 0, most: int = MOST_ROWS) -> Self:
        """At most so many labelled train rows of the data, dealt into folds in an order drawn from the seed.

        Raises:
            NotRankable: a task whose answers are no classes, labels or numbers; one class, or rows that leave
                nothing to hold out.
        """
        task, rows = data.signature.task, data.train
        if task not in TASKS:
            raise NotRankable(
                f"Expected a target whose task is one of {', '.join(TASKS)}. Received: {task}. "
                "Start a job for each source instead."
            )
        taken = rows.take(spread(rows.targets, most)) if len(rows) > most else rows
        data = replace(data, train=taken, validation=None, test=None, unlabelled=None)
        numbers = np.arange(len(taken)) if data.units is None else data.units[taken.numbers]
        units = np.unique(numbers, return_inverse=True)[1].reshape(-1)
        target = cls(data, fold_numbers(data, FOLDS, seed), units, len(rows))
        target._check()
        return target

    def _check(self) -> None:
        """Each fold has rows to hold out, and more than one answer to learn from."""
        y = self.targets
        held = y[self.is_held_out]
        if not len(held) or (self.task != "multilabel" and len(np.unique(held)) < 2):
            wanted = "two different numbers" if self.task == "regression" else "two classes of two rows each"
            raise NotRankable(
                f"Expected at least {wanted}, in two groups, among the target's train rows, so that rows can "
                f"be held out. Received: {len(y)} rows with {len(np.unique(y))} different labels. "
                "Label more rows."
            )

    @property
    def rows(self) -> Rows:
        """The rows, all of them; features of a candidate are in their order."""
        return self.data.train

    @property
    def task(self) -> Task:
        """The target's task."""
        return self.data.signature.task

    @property
    def classes(self) -> int:
        """How many classes, or labels; 0 of a number."""
        return len(self.data.signature.classes)

    @property
    def targets(self) -> Array:
        """As in `Rows`, but of one class or number a row (n,); numbers are in units of their deviation."""
        y = self.rows.targets
        if self.task == "regression":
            return LabelUnit.of(y).standardised(y).reshape(-1).astype(np.float64)
        return y.astype(np.int64) if self.task == "multilabel" else y.reshape(-1).astype(np.int64)

    @property
    def is_held_out(self) -> Array:
        """Whether a row is held out in some fold, (n,)."""
        held: Array = self.fold >= 0
        return held
