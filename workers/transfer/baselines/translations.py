"""What answers pairs without a language: the source as it is, and the target of the nearest train pair."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from workers.transfer.data import Array

_AT_ONCE = 256


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
        blocks = [
            (asked[start : start + _AT_ONCE] @ self._known.T).toarray().argmax(axis=1)
            for start in range(0, asked.shape[0], _AT_ONCE)
        ]
        return np.concatenate(blocks)
