"""Which classes are taken for which, and how well each is found."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn import metrics as sk

from workers.transfer.data import Array


def matrix(classes: Sequence[str], y: Array, decided: Array) -> list[list[int]]:
    """Rows by true class and decided class: entry (i, j) are those of class i taken for class j."""
    counts = sk.confusion_matrix(y, decided, labels=np.arange(len(classes)))
    return [[int(count) for count in row] for row in counts]


def by_class(classes: Sequence[str], y: Array, decided: Array) -> list[dict[str, Any]]:
    """Precision, recall and F1 of each class, 0 where undefined, and its test rows as `support`.

    y and decided are class numbers (n,), or 0 and 1 for each label (n, k).
    """
    labels = np.arange(len(classes))
    scores = sk.precision_recall_fscore_support(y, decided, labels=labels, zero_division=0.0)
    return [
        {
            "class": name,
            "precision": float(precision),
            "recall": float(recall),
            "f1": float(f1),
            "support": int(support),
        }
        for name, precision, recall, f1, support in zip(classes, *scores, strict=True)
    ]
