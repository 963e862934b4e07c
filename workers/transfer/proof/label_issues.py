"""Which labels are likely wrong? By what models say that were not trained on the row."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.transfer.data import Array, Task

LEAST_ROWS = 10
"""Of fewer nothing is told."""

OUTLYING = 3.5
"""Modified z-scores beyond it are outliers: Iglewicz and Hoaglin, 1993, How to Detect and Handle Outliers."""


@dataclass(frozen=True, eq=False)
class LabelIssues:
    """Of each row, (n,): how good its label looks, from 0 to 1, and whether it is likely wrong."""

    quality: Array
    is_likely: Array

    @property
    def worst_first(self) -> Array:
        """The places of the rows that are likely wrong."""
        places = np.flatnonzero(self.is_likely)
        worst: Array = places[np.argsort(self.quality[places], kind="stable")]
        return worst


def label_issues(task: Task, y: Array, p: Array) -> LabelIssues | None:
    """By out-of-fold predictions (n, k), all finite; None of too few rows.

    Of classes by confident learning: a label is likely wrong where another class is more probable than that
    class is for its own rows on average, and than all others that are (the confident joint off its diagonal,
    Northcutt, Jiang and Chuang, 2021, https://doi.org/10.1613/jair.1.12125); of several labels for each.
    Of numbers by residuals that are outliers, whose quality is 1 / (1 + |modified z|).
    """
    if len(y) < LEAST_ROWS:
        return None
    p = p.astype(np.float64)
    if task == "regression":
        return _outliers(y.reshape(-1) - p[:, 0])
    if task == "multilabel":
        return _of_several(y, p)
    from cleanlab.filter import find_label_issues  # brings pandas, which nothing else here needs
    from cleanlab.rank import get_label_quality_scores

    classes = y.reshape(-1).astype(np.int64)
    wide = np.concatenate([1 - p, p], axis=1) if task == "binary" else p / p.sum(axis=1, keepdims=True)
    present = np.unique(classes)
    if len(present) < 2:
        return None
    found = _quiet(find_label_issues, classes, wide)
    return LabelIssues(np.asarray(get_label_quality_scores(classes, wide)), np.asarray(found, bool))


def _of_several(y: Array, p: Array) -> LabelIssues:
    from cleanlab.multilabel_classification import get_label_quality_scores
    from cleanlab.multilabel_classification.filter import find_label_issues

    marks = [list(map(int, np.flatnonzero(row > 0.5))) for row in y]
    found = _quiet(find_label_issues, marks, p)
    return LabelIssues(np.asarray(get_label_quality_scores(marks, p)), np.asarray(found, bool))


def _quiet(find: Callable[..., Array], given: Any, p: Array) -> Array:
    """Without its warnings of classes that have few rows."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        return find(given, p, filter_by="confident_learning", n_jobs=1)


def _outliers(residuals: Array) -> LabelIssues:
    middle = np.median(residuals)
    spread = np.median(np.abs(residuals - middle))
    z = 0.6745 * np.abs(residuals - middle) / spread if spread > 0 else np.zeros(len(residuals))
    return LabelIssues(1 / (1 + z), z > OUTLYING)
