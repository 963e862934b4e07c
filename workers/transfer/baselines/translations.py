"""What answers pairs without a language: the source as it is, and the target of the nearest train pair."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from workers.transfer import text_metrics
from workers.transfer.data import Array, Data, Rows

JUDGED = 300
"""Validation rows that the candidates are judged on at most, the first ones: as many as networks are."""

_AT_ONCE, _MOST_VALUES = 256, 1 << 25
"""Texts that are compared with all known ones at once, at most, and the similarities kept meanwhile."""


@dataclass(frozen=True, eq=False)
class Translated:
    """The candidate that was chosen, and what it answers to the test rows.

    by: default where no row could be held out; then the first is taken. scores: by candidate the mean of the
    sentences' chrF on held-out rows, 0 to 1. texts: (n,) str. statistics: (n, S), see `text_metrics`, without
    a log loss: they tell no probabilities.
    """

    chosen: str
    by: Literal["validation", "default"]
    scores: dict[str, float]
    texts: list[str]
    statistics: Array


def choose(data: Data) -> Translated:
    """The better of both on the validation rows, of equal ones the first.

    Everything follows from the data.
    """
    assert data.test is not None  # checked before the job was accepted
    candidates = ("copy_source", "nearest_target")
    scores: dict[str, float] = {}
    if data.validation is not None:
        rows = data.validation.take(np.arange(min(JUDGED, len(data.validation))))
        for name in candidates:
            _, statistics = _answered(name, data.train, rows)
            scores[name] = float(text_metrics.metrics("seq2seq", statistics)["chrf"].mean())
    chosen = max(candidates, key=lambda name: scores.get(name, 0.0))
    texts, statistics = _answered(chosen, data.train, data.test)
    return Translated(chosen, "validation" if scores else "default", scores, texts, statistics)


def _answered(name: str, train: Rows, rows: Rows) -> tuple[list[str], Array]:
    """Answers and their statistics."""
    sources = rows.inputs["source"].tolist()
    if name == "copy_source":
        texts = copy_source(sources)
    else:
        texts = nearest_target(train.inputs["source"].tolist(), train.targets.tolist(), sources)
    return texts, text_metrics.statistics("seq2seq", rows.targets, texts)


def copy_source(sources: Sequence[str]) -> list[str]:
    """Each source as its own translation: names and numbers are right then."""
    return [str(source) for source in sources]


def nearest_target(
    train_sources: Sequence[str], train_targets: Sequence[str], sources: Sequence[str]
) -> list[str]:
    """The translation of the train source that is most alike: tf-idf of 2 to 4 letters within words, cosine.

    Of equally near ones the first; of a source with nothing in common the first train row's.
    """
    vectors = _Vectors(train_sources)
    return [str(train_targets[place]) for place in vectors.nearest(sources)]


class _Vectors:
    """Texts by what letters are in them, of unit length."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._vectorizer = TfidfVectorizer(
            analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, dtype=np.float32
        )
        self._known: Any = normalize(self._vectorizer.fit_transform([str(text) or " " for text in texts]))

    def nearest(self, texts: Sequence[str]) -> Array:
        """The place of the nearest known text of each, (n,)."""
        if not len(texts):
            return np.zeros(0, np.int64)
        asked = self._vectorizer.transform([str(text) for text in texts])
        step = max(1, min(_AT_ONCE, _MOST_VALUES // self._known.shape[0]))
        blocks = [
            (asked[start : start + step] @ self._known.T).toarray().argmax(axis=1)
            for start in range(0, asked.shape[0], step)
        ]
        return np.concatenate(blocks)
