"""How many of their levels pictures use: what is left of 16 bits once they are 8."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

from PIL import Image

from app.datasets.reading.levels import WHOLE, Levels, is_deep
from app.datasets.reading.profile import Notice

_USED = 0.5
"""Of 65,536 levels: data sets that use more are scaled as a whole."""
_TAIL = 0.005
"""Of the pixels at either end: so few count for nothing where they are far from all others."""
_FAR = 4
_LOOKED_AT = 64
_NEARLY_ALL = 0.98
_TIMES = 2
"""Values that become one level, where so few are left that it matters."""
_FEW = 32
_COLOURS_OF_16_BITS = (2, 6)


class Depth:
    """Values of the pictures of 16 bits as they go by, by a sample of their pixels."""

    def __init__(self) -> None:
        self._counts: array[int] = array("Q")
        self._low, self._high = WHOLE[1], 0
        self._brightest = 0
        self._of_colours = 0

    def add(self, image: Image.Image, data: Any) -> None:
        """Take in a decoded picture, and its file."""
        if is_deep(image):
            self._add_deep(image.convert("I"))
        elif bytes(data[:4]) == b"\x89PNG" and data[24] == 16 and data[25] in _COLOURS_OF_16_BITS:
            self._of_colours += 1
            ends = image.convert("RGB").getextrema()
            self._brightest = max(self._brightest, *(int(high) for _, high in ends))  # type: ignore[misc]

    def _add_deep(self, image: Image.Image) -> None:
        self._counts = self._counts or array("Q", bytes(8 * (WHOLE[1] + 1)))
        low, high = image.getextrema()  # of one band
        self._low = min(self._low, max(int(low), 0))  # type: ignore[arg-type]
        self._high = max(self._high, min(int(high), WHOLE[1]))  # type: ignore[arg-type]
        size = (min(image.width, _LOOKED_AT), min(image.height, _LOOKED_AT))
        some = image.resize(size, Image.Resampling.NEAREST).tobytes()
        for value in memoryview(some).cast("i"):
            self._counts[min(max(value, 0), WHOLE[1])] += 1

    @property
    def levels(self) -> Levels | None:
        """The values that become 0 and 255; None where the whole of 16 bits does."""
        if not self._counts or self._high <= self._low:
            return None
        low, high = self._low, self._high
        inner = self._inner()
        width = max(inner[1] - inner[0], 1)
        if high - low > _FAR * width:  # a few pixels are far from all others, as broken ones are
            low, high = max(low, inner[0] - width // 2), min(high, inner[1] + width // 2)
        return (low, high) if high - low < _USED * WHOLE[1] and high > low else None

    def _inner(self) -> Levels:
        """The values that all but the tails lie between."""
        total, seen = sum(self._counts), 0
        ends: list[int] = []
        for value, count in enumerate(self._counts):
            seen += count
            if (not ends and seen > _TAIL * total) or (ends and seen >= (1 - _TAIL) * total):
                ends.append(value)
                if len(ends) > 1:
                    break
        return ends[0], ends[-1]

    def _told(self, low: int, high: int) -> tuple[int, int]:
        """How many values nearly all pixels have, and how many levels of 256 these become."""
        levels = [0] * 256
        for value, count in enumerate(self._counts):
            if count:
                levels[min(max((value - low) * 255 // (high - low), 0), 255)] += count
        return _most(self._counts), _most(levels)

    def notices(self, column: str) -> list[Notice]:
        """What becomes of the values, and where little is left of them."""
        found = []
        if self._counts and self._high > self._low:
            levels = self.levels
            low, high = levels or WHOLE
            if levels:
                message = (
                    f"The images of 16 bits use values from {self._low} to {self._high}: {low} becomes black "
                    f"and {high} white, in training and in every prediction."
                )
                found.append(Notice(code="levels_scaled", column=column, message=message))
            told, left = self._told(low, high)
            if left < _FEW and told >= _TIMES * left:
                found.append(self._few(column, left))
        if self._of_colours and self._brightest < _FEW:
            found.append(self._few(column, self._brightest + 1))
        return found

    @staticmethod
    def _few(column: str, left: int) -> Notice:
        message = (
            f"Of 256 levels, nearly all pixels of the images of 16 bits keep {max(left, 1)} once they have 8 "
            "bits. Scale them to 8 bits before the upload, so that what matters uses all levels."
        )
        return Notice(code="few_levels", column=column, message=message)


def _most(counts: Sequence[int]) -> int:
    """The least number of them that nearly all is in."""
    total, seen, number = sum(counts), 0, 0
    for count in sorted(counts, reverse=True):
        seen, number = seen + count, number + 1
        if seen >= _NEARLY_ALL * total:
            break
    return number
