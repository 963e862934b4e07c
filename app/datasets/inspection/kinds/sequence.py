"""Biological sequences: DNA, RNA and protein in the letters of IUPAC, ambiguity codes included."""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any, Literal

import pyarrow as pa

from app.datasets.inspection.kinds.examples import Measure, RefusedExample
from app.datasets.reading.cells import sequences
from app.datasets.reading.schema import (
    ColumnProfile,
    ColumnType,
    DatasetError,
    Limits,
    Notice,
    Role,
    ValueCount,
)

Alphabet = Literal["dna", "rna", "protein"]

LETTERS: dict[Alphabet, str] = {
    "dna": "ACGTRYSWKMBDHVN-",
    "rna": "ACGURYSWKMBDHVN-",
    "protein": "ACDEFGHIKLMNPQRSTVWYBJOUXZ*-",
}
"""IUPAC's letters, unambiguous ones first; `-` is a gap, `*` a stop."""

CERTAIN: dict[Alphabet, str] = {"dna": "ACGT", "rna": "ACGU", "protein": "ACDEFGHIKLMNPQRSTVWY"}
_COMPLEMENT = str.maketrans("ACGTURYSWKMBDHVN", "TGCAAYRSWMKVHDBN")
_NUCLEOTIDES_AT_LEAST = 0.5
_PREVIEW_LETTERS = 1000


class SequenceScan:
    """The statistics of a column of sequences as its batches go by; its type follows from all of them."""

    def __init__(self, name: str, limits: Limits, alphabet: Alphabet | None = None) -> None:
        self.name = name
        self.missing = 0
        self.rows = 0
        self._alphabet = alphabet
        self._limit = limits.example_bytes
        self._lengths = Measure()
        self._letters: Counter[str] = Counter()
        self._first: dict[str, int] = {}  # the row in which each letter first stands

    def add(self, cells: pa.Array) -> tuple[pa.Array, list[Any]]:
        """The sequences, and of each a key that it shares with its reverse complement.

        Raises:
            RefusedExample: a cell without a sequence, or one that is too long.
        """
        values = sequences(cells)
        listed = values.to_pylist()
        for index, value in enumerate(listed):
            if value is None:
                raise RefusedExample(index, "empty_sequence", "a sequence", "nothing", "Leave the row out.")
            if len(value) > self._limit:
                expected = f"sequences of at most {self._limit} letters"
                raise RefusedExample(index, "example_too_large", expected, f"{len(value)}", "Cut it.")
        counted = Counter("".join(listed))
        for letter in counted.keys() - self._letters.keys():
            self._first[letter] = self.rows + next(i for i, value in enumerate(listed, 1) if letter in value)
        self._letters += counted
        self._lengths.add(map(len, listed))
        self.rows += len(listed)
        return values, [_key(value) for value in listed]

    @property
    def alphabet(self) -> Alphabet:
        """The declared alphabet, or the one that the letters are of.

        Raises:
            DatasetError: letters of none.
        """
        alphabet = self._alphabet or self._found()
        wrong = [letter for letter in self._letters if letter not in LETTERS[alphabet]]
        if wrong:
            first = min(wrong, key=lambda letter: self._first[letter])
            row, expected = self._first[first], f"letters of {alphabet}: {LETTERS[alphabet]}"
            received = f"{first!r}" + (f" and {len(wrong) - 1} other letters" if len(wrong) > 1 else "")
            error = {"row": row, "column": self.name, "expected": expected, "received": received}
            message = f"Expected {expected}, in column {self.name}. Received: {received}, first in row {row}."
            hint = "Mend the sequences, or declare another type for the column: nucleotide or protein."
            raise DatasetError("wrong_letters", message, hint, [error])
        return alphabet

    def _found(self) -> Alphabet:
        total = sum(self._letters.values())
        for alphabet in ("dna", "rna"):
            certain = sum(self._letters[letter] for letter in CERTAIN[alphabet] + "N")
            if certain >= _NUCLEOTIDES_AT_LEAST * total and not set(self._letters) - set(LETTERS[alphabet]):
                return alphabet
        nucleotides = sum(self._letters[letter] for letter in "ACGTUN")
        if (
            nucleotides >= 0.98 * total
        ):  # DNA with a letter that is none, rather than a protein of four letters
            return "rna" if self._letters["U"] > self._letters["T"] else "dna"
        return "protein"

    @property
    def type(self) -> ColumnType:
        """nucleotide or protein."""
        return "protein" if self.alphabet == "protein" else "nucleotide"

    def profile(self, role: Role) -> ColumnProfile:
        """Lengths and how often each letter stands."""
        spread = self._lengths.spread()
        return ColumnProfile(
            name=self.name,
            type=self.type,
            role=role,
            missing=0,
            distinct=len(self._letters),
            top=[ValueCount(value=letter, count=count) for letter, count in self._letters.most_common()],
            measures={} if spread is None else {"letters": spread},
            alphabet=self.alphabet,
        )

    def notices(self) -> list[Notice]:
        """Letters that stand for several."""
        total = sum(self._letters.values())
        certain = sum(self._letters[letter] for letter in CERTAIN[self.alphabet])
        if certain == total:
            return []
        others = ", ".join(sorted(set(self._letters) - set(CERTAIN[self.alphabet])))
        message = (
            f"{total - certain} of {total} letters stand for several ({others}); each counts as the mean of "
            "those it stands for, and a gap as none."
        )
        return [Notice(code="ambiguous_letters", column=self.name, message=message)]


def shown(values: pa.Array) -> list[Any]:
    """Sequences for a preview, long ones cut."""
    return [
        value[:_PREVIEW_LETTERS] + "…" if value is not None and len(value) > _PREVIEW_LETTERS else value
        for value in sequences(values).to_pylist()
    ]


def _key(value: str) -> bytes:
    other = value.translate(_COMPLEMENT)[::-1] if not set(value) - set(LETTERS["dna"] + "U") else value
    return hashlib.blake2b(min(value, other).encode(), digest_size=12).digest()
