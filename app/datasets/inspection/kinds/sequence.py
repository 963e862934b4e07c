"""Biological sequences: DNA, RNA and protein in the letters of IUPAC, ambiguity codes included."""

from __future__ import annotations

from collections import Counter
from typing import Any, Literal

import pyarrow as pa

from app.datasets.inspection.kinds.examples import Measure, RefusedExample
from app.datasets.partition.input_keys import keys_of_sequences
from app.datasets.partition.keys import Keys
from app.datasets.partition.near_duplicates import sequence_signatures
from app.datasets.partition.shingles import Bytes
from app.datasets.reading.cells import sequences
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.letters import EXPECTED, NUCLEOTIDE, PROTEIN
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import ColumnProfile, Notice, ValueCount
from app.datasets.reading.words import ColumnType, Role

Alphabet = Literal["dna", "rna", "protein"]

CERTAIN: dict[Alphabet, str] = {"dna": "ACGT", "rna": "ACGU", "protein": "ACDEFGHIKLMNPQRSTVWY"}
READ, MOST_READ = 4096, 16_384
"""Letters of a sequence that the usual network reads by default, and at most where it is told to."""
_NUCLEOTIDES_AT_LEAST = 0.5
_CODES_AT_MOST = 1 / 3
"""Of letters that stand for two or three bases; proteins of few letters have more."""
_ALMOST_ALL = 0.98
_DOUBTFUL = 0.02
_PREVIEW_LETTERS = 1000


class SequenceScan:
    """The statistics of a column of sequences as its batches go by; its type follows from all of them."""

    def __init__(
        self, name: str, limits: Limits, declared: ColumnType | None = None, said: ColumnType | None = None
    ) -> None:
        """`declared` settles the alphabet; `said`, by a file's ending, does where the letters allow it."""
        self.name = name
        self.missing = 0
        self.rows = 0
        self._declared = "protein" if said == "protein" and declared is None else declared
        self._said = said
        self._limit = limits.example_bytes
        self._lengths = Measure()
        self._letters: Counter[str] = Counter()
        self._first: dict[str, int] = {}  # the row in which each letter first stands
        self._with_u = self._with_t = 0  # rows

    def add(self, cells: pa.Array) -> tuple[pa.Array, Bytes, Keys]:
        """The sequences, and the signature and the key of each.

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
        if "U" in counted:
            self._with_u += sum("U" in value for value in listed)
        if "T" in counted:
            self._with_t += sum("T" in value for value in listed)
        self._lengths.add(map(len, listed))
        self.rows += len(listed)
        return values, sequence_signatures(listed), keys_of_sequences(values)

    @property
    def alphabet(self) -> Alphabet:
        """The declared alphabet, or the one that the letters are of.

        Raises:
            DatasetError: letters of none.
        """
        alphabet = self._found()
        allowed = PROTEIN if alphabet == "protein" else NUCLEOTIDE
        wrong = [letter for letter in self._letters if letter not in allowed]
        if wrong:
            raise self._wrong(alphabet, wrong)
        return alphabet

    def _wrong(self, alphabet: Alphabet, wrong: list[str]) -> DatasetError:
        first = min(wrong, key=lambda letter: self._first[letter])
        row, expected = self._first[first], EXPECTED["protein" if alphabet == "protein" else "nucleotide"]
        received = f"{first!r}" + (f" and {len(wrong) - 1} other letters" if len(wrong) > 1 else "")
        error = {"row": row, "column": self.name, "expected": expected, "received": received}
        message = f"Expected {expected}, in column {self.name}. Received: {received}, first in row {row}."
        if first == ".":
            hint = "Write a gap as -."
        elif first.isdigit():
            hint = "Remove the line numbers, or correct the sequences."
        else:
            other = "nucleotide" if alphabet == "protein" else "protein"
            hint = f'Correct them, or declare types as {{"{self.name}": "{other}"}} if they are {other}.'
        return DatasetError("wrong_letters", message, hint, [error])

    def _found(self) -> Alphabet:
        if self._declared == "protein":
            return "protein"
        counts = self._letters
        nucleic: Alphabet = "rna" if counts["U"] > counts["T"] else "dna"
        signs = set(counts)
        if self._declared == "nucleotide" or (self._said == "nucleotide" and signs <= set(NUCLEOTIDE)):
            return nucleic
        letters = sum(count for letter, count in counts.items() if letter.isalpha())
        certain = sum(counts[letter] for letter in "ACGTU")
        if signs <= set(NUCLEOTIDE):
            known = certain + counts["N"]
            others = letters - known
            is_nucleic = known >= _NUCLEOTIDES_AT_LEAST * letters and others <= _CODES_AT_MOST * letters
            return nucleic if is_nucleic else "protein"
        # DNA with a letter that is none, rather than a protein of four letters
        return nucleic if certain + counts["N"] >= _ALMOST_ALL * letters > 0 else "protein"

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
        """Letters that stand for several, both U and T, an alphabet that may be another, what is not read."""
        return self._ambiguous() + self._both() + self._doubtful() + self._long()

    def _long(self) -> list[Notice]:
        long = self._lengths.beyond(READ)
        if not long:
            return []
        longest = max(self._lengths.values)
        length = min(longest, MOST_READ)
        message = (
            f"{long} of {self.rows} sequences have more than {READ} letters (up to {longest}), of which a "
            "job reads the first by default. Send `network` as "
            f'{{"kind": "sequence_convnet", "length": {length}}} '
            f"to read {length} of each{', or cut them into parts' if longest > length else ''}."
        )
        return [Notice(code="long_sequences", column=self.name, message=message)]

    def _ambiguous(self) -> list[Notice]:
        total = sum(self._letters.values())
        sure = CERTAIN[self.alphabet] + ("" if self.alphabet == "protein" else "TU")
        certain = sum(self._letters[letter] for letter in set(sure))
        if certain == total:
            return []
        others = ", ".join(sorted(set(self._letters) - set(sure)))
        message = (
            f"{total - certain} of {total} letters stand for several ({others}); each counts as the mean of "
            "those it stands for, and a gap as none."
        )
        return [Notice(code="ambiguous_letters", column=self.name, message=message)]

    def _both(self) -> list[Notice]:
        if self.alphabet == "protein" or not (self._with_u and self._with_t):
            return []
        message = f"{self._with_u} rows have U and {self._with_t} have T; U reads as T."
        return [Notice(code="mixed_letters", column=self.name, message=message)]

    def _doubtful(self) -> list[Notice]:
        """The alphabet was found by the letters, which might be another's."""
        if self._declared is not None and self._said is None:
            return []
        if self._declared is None and self._said == "nucleotide" and self.alphabet == "protein":
            message = (
                "The sequences were read as protein, though the file's ending says DNA or RNA: other letters "
                f'stand in them. Declare types as {{"{self.name}": "nucleotide"}} to see the first of them.'
            )
            return [Notice(code="alphabet_guessed", column=self.name, message=message)]
        letters = sum(count for letter, count in self._letters.items() if letter.isalpha())
        codes = letters - sum(self._letters[letter] for letter in "ACGTUN")
        if not set(self._letters) <= set(NUCLEOTIDE) or (self._said is None and codes <= _DOUBTFUL * letters):
            return []
        if self._said == "nucleotide" or (self._said == "protein" and codes > _DOUBTFUL * letters):
            return []  # as the ending says, and nothing speaks against it
        found, other = ("protein", "nucleotide") if self.alphabet == "protein" else ("nucleotide", "protein")
        message = (
            f"The sequences were read as {found}; all of their letters are of DNA or RNA and of proteins "
            f"({codes} of {letters} would be codes for several bases). Declare types as "
            f'{{"{self.name}": "{other}"}} if they are {other}.'
        )
        return [Notice(code="alphabet_guessed", column=self.name, message=message)]


def shown(values: pa.Array) -> list[Any]:
    """Sequences for a preview, long ones cut."""
    return [
        value[:_PREVIEW_LETTERS] + "…" if value is not None and len(value) > _PREVIEW_LETTERS else value
        for value in sequences(values).to_pylist()
    ]
