"""How are cells written?"""

from __future__ import annotations

import math
from typing import Literal, Self

from pydantic import Field

from .words import Format, Model

MISSING = ("", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "<NA>", "#N/A")
"""What means missing where a format has text alone, unless something else is declared."""


def _is_number(word: str) -> bool:
    try:
        return not math.isnan(float(word))
    except ValueError:
        return False


class Conventions(Model):
    """How written cells become values: what the uploader meant by them, whatever the format.

    Blanks of ASCII around a cell never count. What a format brings along typed is taken as it is.
    """

    missing: list[str] = Field(
        default_factory=lambda: [""], description="The exact words that mean missing; the empty text is one."
    )
    numbers: bool = Field(
        False, description="Whether text may turn out to be numbers; where they are declared, it always is."
    )
    decimal: Literal[".", ","] = Field(".", description="The decimal sign of numbers.")
    thousands: str | None = Field(None, description="What stands between groups of three digits.")
    unit: str | None = Field(
        None, description="What may stand before or after a number, such as $ or %, and is left out."
    )
    date_format: str | None = Field(None, description="Of dates that are not written as ISO 8601.")
    levels: tuple[int, int] | None = Field(
        None, description="Of images with 16 bits of grey: the values that become 0 and 255 of 8 bits."
    )

    @property
    def plain_numbers(self) -> bool:
        """Whether numbers are digits and a decimal sign alone, as CSV readers know them, none for missing."""
        return self.thousands is None and self.unit is None and not any(map(_is_number, self.missing))

    @classmethod
    def of(cls, file_format: Format) -> Self:
        """Those of a format: words mean missing, and text numbers, where a format has text alone."""
        if file_format in ("parquet", "jsonl"):
            return cls()
        return cls(missing=list(MISSING), numbers=True)
