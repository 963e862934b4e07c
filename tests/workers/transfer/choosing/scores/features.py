"""Features and labels for the tests of scores: more rows than features, fewer, and a class without rows."""

from typing import NamedTuple

import numpy as np

from workers.transfer.data import Array


class Case(NamedTuple):
    x: Array
    y: Array
    classes: int
    fold: Array


def case(rows: int, width: int, classes: int = 3, present: int | None = None, seed: int = 0) -> Case:
    """Class numbers below `present` that the first features tell, with noise; five folds."""
    rng = np.random.default_rng(seed)
    present = present or classes
    x = rng.normal(1, rng.uniform(0.5, 2, width), (rows, width))
    score = x[:, 0] - x[:, 1] + rng.normal(size=rows)
    y = np.digitize(score, np.quantile(score, np.arange(1, present) / present)).astype(np.int64)
    return Case(x, y, classes, np.arange(rows) % 5)


CASES = {
    "more rows": case(90, 6),
    "more features": case(40, 100),
    "two classes": case(60, 10, 2),
    "a class without rows": case(60, 10, 4, present=3),
    "two of three classes": case(60, 80, 3, present=2),
}
