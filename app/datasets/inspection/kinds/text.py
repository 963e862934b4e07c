"""Texts: any Unicode, as it stands; the empty one is missing."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any, Literal

import pyarrow as pa

from app.datasets.inspection.kinds.examples import Measure, RefusedExample
from app.datasets.inspection.kinds.writing import LETTERS_A_WORD, WITHOUT_BLANKS, letters
from app.datasets.partition.input_keys import keys_of_texts
from app.datasets.partition.keys import Keys
from app.datasets.partition.near_duplicates import text_signatures
from app.datasets.partition.shingles import Bytes
from app.datasets.reading.cells import texts
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import ColumnProfile, Notice, ValueCount
from app.datasets.reading.words import Role

DISTINCT_WORDS = 200_000
READ, MOST_READ = 2048, 16_384
"""Tokens of a text that the usual network reads by default, and at most where it is told to."""
_TOP = 20
_PREVIEW_CHARACTERS = 1000
_WORD = re.compile(r"\w+")


class TextScan:
    """The statistics of a column of texts as its batches go by."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name, self.type = name, "text"
        self.missing = 0
        self._limit = limits.example_bytes
        self._characters, self._words = Measure(), Measure()
        self._vocabulary: Counter[str] = Counter()
        self._exact = True
        self._letters = self._without_blanks = self._runs = 0

    def add(self, cells: pa.Array) -> tuple[pa.Array, Bytes, Keys]:
        """The texts, null where missing, and the signature and the key of each.

        Raises:
            RefusedExample: a text is too long.
        """
        values = texts(cells)
        self.missing += values.null_count
        sizes: list[int] = []
        counts: list[int] = []
        listed = values.to_pylist()
        for index, text in enumerate(listed):
            if text is None:
                continue
            if len(text.encode("utf-8", "surrogatepass")) > self._limit:
                expected = f"texts of at most {self._limit} bytes"
                raise RefusedExample(
                    index, "example_too_large", expected, f"one of {len(text)} characters", "Cut it."
                )
            words = _WORD.findall(text.casefold())
            self._count(words)
            total, without = letters(text)
            self._letters += total
            self._without_blanks += without
            self._runs += len(text.split())
            sizes.append(len(text))
            counts.append(len(words))
        self._characters.add(sizes)
        self._words.add(counts)
        return values, text_signatures(listed), keys_of_texts(values)

    def _count(self, words: list[str]) -> None:
        if len(self._vocabulary) < DISTINCT_WORDS:
            self._vocabulary.update(words)
            return
        self._exact = False
        for word in words:
            if word in self._vocabulary:
                self._vocabulary[word] += 1

    def beyond(self, words: int) -> int:
        """How many texts have more words."""
        return self._words.beyond(words)

    @property
    def tokens(self) -> Literal["words", "characters"]:
        """What texts in this writing are cut into: words, unless nothing stands between them."""
        long = self._characters.total() > LETTERS_A_WORD * max(self._runs, 1)
        without = self._without_blanks >= WITHOUT_BLANKS * max(self._letters, 1)
        return "characters" if long or without else "words"

    def profile(self, role: Role) -> ColumnProfile:
        """Lengths and the most frequent words."""
        spreads = {"characters": self._characters.spread(), "words": self._words.spread()}
        return ColumnProfile(
            name=self.name,
            type="text",
            role=role,
            missing=self.missing,
            distinct=len(self._vocabulary),
            distinct_is_exact=self._exact,
            top=[ValueCount(value=word, count=count) for word, count in self._vocabulary.most_common(_TOP)],
            measures={name: spread for name, spread in spreads.items() if spread is not None},
            tokens=self.tokens,
        )

    def notices(self) -> list[Notice]:
        """Texts that are not there, or longer than what is read of them."""
        found = []
        if self.missing:
            message = (
                f"{self.missing} rows have no text in the column {self.name}; they are learnt from as empty."
            )
            found.append(Notice(code="empty_texts", column=self.name, message=message))
        measure = self._words if self.tokens == "words" else self._characters
        long = measure.beyond(READ)
        if long:
            longest = max(measure.values)
            length = min(longest, MOST_READ)
            message = (
                f"{long} of {len(measure.values)} texts have more than {READ} {self.tokens} (up to "
                f"{longest}), of which a job reads the first by default. Send `network` as "
                f'{{"kind": "text_convnet", "length": {length}}} to read {length} of each'
                f"{', or cut the texts into parts' if longest > length else ''}."
            )
            found.append(Notice(code="long_texts", column=self.name, message=message))
        return found


def shown(values: pa.Array) -> list[Any]:
    """Texts for a preview, long ones cut."""
    return [
        text[:_PREVIEW_CHARACTERS] + "…" if text is not None and len(text) > _PREVIEW_CHARACTERS else text
        for text in texts(values).to_pylist()
    ]
