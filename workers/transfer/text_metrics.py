"""Metrics of answers that are texts, worked out from statistics of each row that add up over rows.

So the metric of rows that are drawn again and again is that of `weights @ statistics`: paired bootstrap of
a corpus metric (Koehn 2004), exactly. All lie between 0 and 1, but for the log loss.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

METRICS: Mapping[Any, tuple[str, ...]] = {
    "seq2seq": ("chrf", "bleu", "exact_match", "log_loss"),
}
"""Of each task whose answers are texts; the first is the usual one."""

BLEU_ORDER, CHRF_ORDER, CHRF_BETA = 4, 6, 2.0

_PUNCTUATION = set("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~")


def statistics(
    task: str, references: Iterable[Any], answers: Sequence[str], losses: Array | None = None
) -> Array:
    """What each row adds to the metrics, (n, S) float64.

    losses: (n, 2), the sum of -ln p over the row's tokens and their number, of what tells probabilities.
    """
    losses = np.zeros((len(answers), 2)) if losses is None else np.asarray(losses, np.float64)
    rows = [_row(reference, answer) for reference, answer in zip(references, answers, strict=True)]
    counted = np.array(rows, np.float64).reshape(len(rows), _WIDTH - 2)
    return np.concatenate([losses, counted], axis=1)


def metrics(task: str, sums: Array) -> dict[str, Array]:
    """Each metric of sums of statistics (..., S); NaN where it is not defined."""
    losses, rows = sums[..., :2], sums[..., 2:4]
    bleu, chrf = sums[..., 4 : 4 + _BLEU], sums[..., 4 + _BLEU :]
    return {
        "chrf": _chrf(chrf),
        "bleu": _bleu(bleu),
        "exact_match": _ratio(rows[..., 1], rows[..., 0], np.nan),
        "log_loss": _ratio(losses[..., 0], losses[..., 1], np.nan),
    }


def values(task: str, sums: Array) -> dict[str, float | None]:
    """The metrics of one sum (S,); None where one is not defined."""
    found = {name: float(value) for name, value in metrics(task, sums).items()}
    return {name: value if np.isfinite(value) else None for name, value in found.items()}


def most_frequent(task: str, references: Iterable[Any]) -> str:
    """The answer that most of these rows have, of equal ones the first."""
    return str(Counter(references).most_common(1)[0][0])


_BLEU = 2 + 2 * BLEU_ORDER
_WIDTH = 4 + _BLEU + 3 * CHRF_ORDER


def _row(reference: str, answer: str) -> list[float]:
    same = float(answer.strip() == reference.strip())
    return [1.0, same, *_of_words(reference, answer), *_of_letters(reference, answer)]


def _of_words(reference: str, answer: str) -> list[float]:
    """Lengths of answer and reference; of 1 to 4 words the sequences that are right, and all."""
    theirs, ours = _words(reference), _words(answer)
    right, all_of_them = [], []
    for order in range(1, BLEU_ORDER + 1):
        counts = _sequences(ours, order)
        right.append(float((counts & _sequences(theirs, order)).total()))
        all_of_them.append(float(counts.total()))
    return [len(ours), len(theirs), *right, *all_of_them]


def _bleu(sums: Array) -> Array:
    """Papineni et al. 2002, with exponential smoothing of orders without a match."""
    ours, theirs = sums[..., 0], sums[..., 1]
    right, total = sums[..., 2 : 2 + BLEU_ORDER], sums[..., 2 + BLEU_ORDER :]
    none = (right == 0) & (total > 0)
    smooth = 0.5 ** np.cumsum(none, axis=-1)
    precision = np.where(none, smooth, right) / np.maximum(total, 1)
    logs = np.log(np.maximum(precision, 1e-300)).mean(axis=-1)
    short = np.where(ours < theirs, 1 - theirs / np.maximum(ours, 1e-300), 0.0)
    found: Array = np.where((total > 0).all(axis=-1) & (right[..., 0] > 0), np.exp(logs + short), 0.0)
    return found


def _of_letters(reference: str, answer: str) -> list[float]:
    theirs, ours = "".join(reference.split()), "".join(answer.split())
    found: list[float] = []
    for order in range(1, CHRF_ORDER + 1):
        one, other = _sequences(ours, order), _sequences(theirs, order)
        found += [one.total(), other.total(), (one & other).total()]
    return found


def _chrf(sums: Array) -> Array:
    """Popović 2015: F₂ of sequences of 1 to 6 letters, the mean over the orders that both have."""
    ours, theirs, right = (sums[..., start::3] for start in range(3))
    there = (ours > 0) & (theirs > 0)
    count = np.maximum(there.sum(axis=-1), 1)
    precision = np.where(there, right / np.maximum(ours, 1), 0).sum(axis=-1) / count
    recall = np.where(there, right / np.maximum(theirs, 1), 0).sum(axis=-1) / count
    factor = CHRF_BETA**2
    return _ratio((1 + factor) * precision * recall, factor * precision + recall, 0.0)


def _ratio(one: Array, other: Array, undefined: float) -> Array:
    there = np.asarray(other) > 0
    found: Array = np.where(there, one / np.where(there, other, 1), undefined)
    return found


@lru_cache(1 << 16)
def _words(text: str) -> tuple[str, ...]:
    apart = "".join(f" {sign} " if sign in _PUNCTUATION else sign for sign in text)
    return tuple(apart.split())


def _sequences(values: Sequence[str], order: int) -> Counter[Any]:
    return Counter(tuple(values[start : start + order]) for start in range(len(values) - order + 1))
