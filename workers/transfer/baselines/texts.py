"""Texts: tf-idf of words and pairs of them, or of the characters in words."""

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from sklearn.feature_extraction.text import TfidfVectorizer

from workers.transfer.baselines.linear import linear
from workers.transfer.baselines.readings import MOST_ROWS, Inputs, Reading
from workers.transfer.data import Array, Data, Rows

MOST_FEATURES = 50_000
"""The most frequent words and pairs, or characters in a row, that are features."""

MOST_CHARACTERS = 4_000_000
"""Of all train rows together: a longer text is read up to ten times the share of a row."""

_WORDS = {"analyzer": "word", "ngram_range": (1, 2), "token_pattern": r"(?u)\b\w+\b"}
_CHARACTERS = {"analyzer": "char_wb", "ngram_range": (2, 5)}


def readings(data: Data, pool: Rows | None = None) -> list[Reading]:
    """Words and pairs; runs of 2 to 5 characters in words; with a pool also beside the source's rows."""
    found = []
    for prefix, rows in (("", None), ("pooled_", pool)):
        if prefix and rows is None:
            continue
        values = data.train.inputs["text"] if rows is None else rows.inputs["text"]
        length = sum(map(len, values.tolist())) / max(len(values), 1)
        most = int(np.clip(MOST_CHARACTERS / max(length, 1), 100, MOST_ROWS))
        for name, options in (("tfidf_words", _WORDS), ("tfidf_characters", _CHARACTERS)):
            learn = partial(_learn, options, 10 * MOST_CHARACTERS // most)
            learners = {f"{prefix}{name}": linear}
            found.append(Reading(learners, learn, most_rows=most, pool=rows, about=lambda terms: terms.about))
    return found


def _learn(options: dict[str, Any], length: int, train: Inputs) -> "Terms":
    """Term counts as 1 + ln, times the inverse document frequency, of unit length a row; sparse (n, d)."""
    vectorizer = TfidfVectorizer(**options, sublinear_tf=True, max_features=MOST_FEATURES)
    try:
        vectorizer.fit(_cut(train["text"], length))
    except ValueError as error:
        if "empty vocabulary" not in str(error):
            raise
        return Terms(None, options, length)
    return Terms(vectorizer, options, length)


@dataclass(frozen=True, eq=False)
class Terms:
    """What makes features of texts cut to a length; without a term there is one feature, 0."""

    vectorizer: TfidfVectorizer | None
    options: dict[str, Any]
    length: int

    def __call__(self, inputs: Inputs) -> Any:
        if self.vectorizer is None:
            return scipy.sparse.csr_matrix((len(inputs["text"]), 1))
        return self.vectorizer.transform(_cut(inputs["text"], self.length))

    @property
    def about(self) -> dict[str, Any]:
        """As in `bundled_model`."""
        known = self.vectorizer
        return {
            "kind": "tfidf",
            "analyzer": self.options["analyzer"],
            "ngrams": list(self.options["ngram_range"]),
            "length": self.length,
            "terms": [] if known is None else known.get_feature_names_out().tolist(),
            "idf": [] if known is None else known.idf_.tolist(),
        }


def _cut(values: Array, length: int) -> list[str]:
    return [value[:length] for value in values.tolist()]
