"""Which letters a biological sequence may have: those of IUPAC, ambiguity codes included."""

from __future__ import annotations

import re

from .words import ColumnType

DNA = "ACGTRYSWKMBDHVN-"
RNA = "ACGURYSWKMBDHVN-"
PROTEIN = "ACDEFGHIKLMNPQRSTVWYBJOUXZ*-"
"""Unambiguous ones first; `-` is a gap, `*` a stop."""

NUCLEOTIDE = DNA + "U"
"""U reads as T, so the two may stand in one data set."""

_WRONG: dict[str, re.Pattern[str]] = {
    name: re.compile(f"[^{re.escape(letters)}]")
    for name, letters in (("nucleotide", NUCLEOTIDE), ("protein", PROTEIN))
}
EXPECTED: dict[ColumnType, str] = {
    "nucleotide": f"letters of DNA or RNA: {NUCLEOTIDE}",
    "protein": f"letters of proteins: {PROTEIN}",
}


def wrong_letter(sequence: str, column_type: ColumnType) -> str | None:
    """The first letter of a sequence in capitals that is none of its alphabet."""
    found = _WRONG[column_type].search(sequence)
    return found[0] if found else None
