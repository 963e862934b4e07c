"""A metric on test rows that are drawn again and again, with replacement; what belongs together goes whole.

Paired bootstrap (Efron & Tibshirani 1993, §8): a draw has the same rows for all arms and seeds.
"""

from collections.abc import Iterator, Sequence

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Task
from workers.transfer.proof.weighted_metrics import weighted_metric

_BLOCK_VALUES = 2**18
"""Row weights held at a time."""

_OF_DECISIONS = frozenset({"accuracy", "balanced_accuracy", "exact_match", "f1", "micro_f1", "macro_f1"})


def drawn_means(
    task: Task,
    metric: str,
    y: Array,
    arms: Sequence[Sequence[Array]],
    units: Array,
    draws: int,
    seed: int,
) -> Array:
    """Of each arm the mean over its trainings of the metric on the drawn rows, (arms, draws).

    `arms` holds the predictions of each training; `units`, (n,), numbers of what is drawn whole: equal ones
    belong together. NaN where a draw leaves the metric undefined.
    """
    blocks = []
    rows, weights = _weights(task, metric, y, [p for arm in arms for p in arm], units, draws, seed)
    for block in weights:
        of_arms = [[weighted_metric(task, metric, y[rows], p[rows], block) for p in arm] for arm in arms]
        blocks.append(np.stack([np.mean(of_arm, axis=0) for of_arm in of_arms]))
    return np.concatenate(blocks, axis=1)


def _weights(
    task: Task, metric: str, y: Array, predictions: Sequence[Array], units: Array, draws: int, seed: int
) -> tuple[Array, Iterator[Array]]:
    """Rows, and blocks of how often each is drawn, (draws, rows)."""
    rng = np.random.Generator(np.random.Philox(seed))
    _, unit_of = np.unique(units, return_inverse=True)
    count = int(unit_of.max()) + 1
    if count == len(y):  # each row by itself: rows that are the same to the metric are drawn together
        rows, sizes = _kinds_of_rows(task, y, predictions, metric)
        return rows, (_drawn(rng, sizes, size) for size in _blocks(draws, len(rows)))
    each = np.ones(count, np.int64)
    return np.arange(len(y)), (_drawn(rng, each, size)[:, unit_of] for size in _blocks(draws, len(y)))


def _blocks(draws: int, values: int) -> Iterator[int]:
    block = max(1, _BLOCK_VALUES // values)
    for start in range(0, draws, block):
        yield min(block, draws - start)


def _kinds_of_rows(task: Task, y: Array, predictions: Sequence[Array], metric: str) -> tuple[Array, Array]:
    """One row of each kind and the kinds' sizes; rows of a kind are the same to the metric.

    A metric of decisions knows few kinds: the class, and what each arm and seed decided.
    """
    if metric not in _OF_DECISIONS or task in tasks.OF_TEXTS:
        return np.arange(len(y)), np.ones(len(y), np.int64)
    decided = [tasks.decide(task, p) for p in predictions]
    kinds = np.concatenate([part.reshape(len(y), -1).astype(np.int64) for part in (y, *decided)], axis=1)
    _, rows, counts = np.unique(kinds, axis=0, return_index=True, return_counts=True)
    return rows, counts


def _drawn(rng: np.random.Generator, counts: Array, draws: int) -> Array:
    """How often each kind is drawn in Σcounts draws with replacement: Multinomial, (draws, kinds)."""
    total, kinds = int(counts.sum()), len(counts)
    if kinds < total:
        return rng.multinomial(total, counts / total, size=draws).astype(np.float64)
    cells = rng.integers(0, kinds, size=(draws, total), dtype=np.int64) + kinds * np.arange(draws)[:, None]
    return np.bincount(cells.reshape(-1), minlength=draws * kinds).reshape(draws, kinds).astype(np.float64)
