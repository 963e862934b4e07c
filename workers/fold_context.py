"""A fold of a job's target as its stages see it: other rows, one seed, its own names for what it keeps."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, fields, replace
from functools import cached_property

import numpy as np

from workers.job_context import JobContext
from workers.job_rows import DatasetFacts
from workers.trainings import Trainings
from workers.transfer.data import Array, Data, Rows, Unlabelled
from workers.transfer.proof.dealing import ALWAYS_TRAINS, deal
from workers.transfer.seeds import layer_seed


@dataclass(frozen=True, eq=False)
class LabelledRows:
    """All labelled rows of a target, in the file's order, and what belongs together.

    kept_whole: (n,), rows with the same number are in one fold: a group, a cluster, equal inputs. units: the
    same where equal rows of a table are no copies of one another: what counts as one. seen: (n,) bool, what
    something in the transfer was trained or validated on. unlabelled_whole: as `kept_whole`, of the rows
    without a label.
    """

    rows: Rows
    kept_whole: Array
    units: Array
    seen: Array
    unlabelled_whole: Array


@dataclass(frozen=True, eq=False)
class Dealt:
    """One fold: its data, whose test rows are those held out, and their places among all labelled rows."""

    repeat: int
    number: int
    seed: int
    data: Data
    held_out: Array


@dataclass
class FoldContext(JobContext):
    """The job's context with the fold's rows and seed; what it keeps has the fold's name before its own."""

    fold: Dealt = field(kw_only=True)
    whole: JobContext = field(kw_only=True)
    known_data: dict[str, Data] = field(kw_only=True)

    @classmethod
    def of(cls, whole: JobContext, fold: Dealt, known_data: dict[str, Data]) -> FoldContext:
        """The fold's, beside that of the job; `known_data` are data sets that were read before."""
        given = {one.name: getattr(whole, one.name) for one in fields(whole)}
        # What diverges in a fold is told of the folds, and not of the job's own arms.
        return cls(**given | {"diverged": {}}, fold=fold, whole=whole, known_data=known_data)

    @property
    def prefix(self) -> str:
        return f"folds/{self.fold.repeat}/{self.fold.number}/"

    @cached_property
    def target(self) -> Data:
        return self.fold.data

    @cached_property
    def seeds(self) -> range:
        return range(self.fold.seed, self.fold.seed + 1)

    @cached_property
    def trainings(self) -> Trainings:
        return replace(self.whole.trainings, prefix=self.prefix)

    def data(self, dataset: DatasetFacts) -> Data:
        if dataset.ref not in self.known_data:
            self.known_data[dataset.ref] = super().data(dataset)
        return self.known_data[dataset.ref]


def labelled_rows(context: JobContext) -> LabelledRows:
    """Those of the job's target; rows that were seen are looked for in the train part as well."""
    data, seen = context.whole_target, context.seen
    parts = [part for part in (data.train, data.validation, data.test) if part is not None]
    known = context.rows.seen_in(
        context.trained_on, context.job.target, context.known_rows, data.train.numbers
    )
    marks = [known, *([] if data.validation is None else [seen.validation]), seen.test]
    rows = Rows(
        {name: np.concatenate([part.inputs[name] for part in parts]) for name in data.train.inputs},
        np.concatenate([part.targets for part in parts]),
        np.concatenate([part.numbers for part in parts]),
    )
    order = np.argsort(rows.numbers)
    rows = rows.take(order)
    facts = context.row_facts(context.job.target)
    together = facts.groups if facts.groups is not None else facts.clusters
    whole = facts.keys[:, 0] if together is None else together
    blank = np.zeros(0, np.int64) if data.unlabelled is None else data.unlabelled.numbers
    return LabelledRows(
        rows,
        kept_whole=whole[rows.numbers],
        units=np.arange(len(rows)) if together is None else _numbered(together[rows.numbers]),
        seen=np.concatenate(marks)[order],
        unlabelled_whole=whole[blank],
    )


def dealt(context: JobContext, labelled: LabelledRows) -> Iterator[Dealt]:
    """The job's folds, one after another; none if the rows are too few to be dealt out."""
    asked, data = context.job.spec.evaluation, context.whole_target
    task, seed = data.signature.task, context.job.spec.training.seed
    free = np.flatnonzero(~labelled.seen)
    for repeat in range(asked.repeats or 0):
        fold_of = np.full(len(labelled.rows), ALWAYS_TRAINS)
        if len(free):
            of_repeat = layer_seed(seed, f"folds {repeat}")
            targets, units = labelled.rows.targets[free], labelled.kept_whole[free]
            fold_of[free] = deal(task, targets, units, asked.folds or 0, of_repeat)
        for number in range(int(fold_of.max(initial=ALWAYS_TRAINS)) + 1):
            of_fold = seed + repeat * (asked.folds or 0) + number
            yield Dealt(
                repeat,
                number,
                of_fold,
                beside(data, labelled, fold_of == number, layer_seed(seed, f"folds {repeat} {number}")),
                np.flatnonzero(fold_of == number),
            )


def beside(data: Data, labelled: LabelledRows, held_out: Array, seed: int) -> Data:
    """The data with those rows as test rows, and validation rows drawn from the others.

    Rows that were seen, but belong to held-out rows, are left out; unless a class had no other.
    """
    rows, whole, task = labelled.rows, labelled.kept_whole, data.signature.task
    rest = ~np.isin(whole, whole[held_out])
    validates = np.zeros(len(rows), bool)
    share = 0 if data.validation is None else len(data.validation) / (len(data.train) + len(data.validation))
    choosing = np.flatnonzero(rest & ~labelled.seen)
    if share and len(choosing):
        parts = max(2, round(1 / share))
        validates[choosing] = deal(task, rows.targets[choosing], whole[choosing], parts, seed) == 0
    trains = rest & ~np.isin(whole, whole[validates])
    trains |= _classes_without(trains, labelled, task) & labelled.seen
    apart = np.union1d(whole[held_out], whole[validates])
    return replace(
        data,
        train=rows.take(trains),
        validation=rows.take(validates) if validates.any() else None,
        test=rows.take(held_out),
        unlabelled=_kept(data.unlabelled, ~np.isin(labelled.unlabelled_whole, apart)),
    )


def _classes_without(trains: Array, labelled: LabelledRows, task: str) -> Array:
    """Which rows are of a class that has none to train on, (n,) bool."""
    if task not in ("binary", "multiclass"):
        return np.zeros(len(trains), bool)
    classes = labelled.rows.targets.reshape(-1)
    return ~np.isin(classes, classes[trains])


def _kept(unlabelled: Unlabelled | None, kept: Array) -> Unlabelled | None:
    if unlabelled is None or not kept.any():
        return None
    inputs = {name: values[kept] for name, values in unlabelled.inputs.items()}
    return Unlabelled(inputs, unlabelled.numbers[kept])


def _numbered(keys: Array) -> Array:
    _, numbers = np.unique(keys, return_inverse=True)
    numbered: Array = numbers.reshape(-1)
    return numbered
