"""Which pictures are the same one, saved anew, in another size or with other colours of a few levels."""

from __future__ import annotations

from math import log

from PIL import Image

from app.datasets.reading.levels import eight_bits, is_deep

REMEMBERED = 100_000
"""Pictures, from the first, that later ones are compared with: about 40 MB."""

_BOX = Image.Resampling.BOX
_HASH, _EDGE, _EDGES = 8, 6, 8
_STARTS = [row * (_HASH + 1) + x for row in range(_HASH) for x in range(_HASH)]
_MOST_DIFFERENT = 5  # of 64 bits
_MEAN, _LARGEST = 4.0, 16  # levels of grey and of each colour
_SHAPES = 2
_GREY = bytes([128]) * 12
_A_BAND = 8


class Alike:
    """Pictures seen so far, each as 64 bits, where brightness rises, and as a thumbnail.

    Bits are of a grid of 8 x 8 (dHash, Krawetz 2013). A picture that is alike in most bits, of which those of
    a quarter are the same, is compared by its thumbnail: outlines alone make nothing the same.
    """

    def __init__(self) -> None:
        self._bits: list[int] = []
        self._thumbnails: list[bytes] = []
        self._bands: tuple[dict[int, list[int]], ...] = ({}, {}, {}, {})

    def key(self, image: Image.Image) -> int | None:
        """The number of the first picture that this one is; None of what has no outlines.

        Args:
            image: upright, see `input_keys.upright`.
        """
        upright = _of_eight_bits(image)
        grey = upright if upright.mode == "L" else upright.convert("L")
        small = grey.resize((_HASH + 1, _HASH), _BOX).tobytes()
        bits = _bits(small)
        if bits.bit_count() < _EDGES:
            return None
        thumbnail = small + _colours(upright) + bytes([_of_shape(upright)])
        bands = (bits & 0xFFFF, bits >> 16 & 0xFFFF, bits >> 32 & 0xFFFF, bits >> 48)
        for known, band in zip(self._bands, bands, strict=True):
            for number in known.get(band, ()):
                alike = (self._bits[number] ^ bits).bit_count() <= _MOST_DIFFERENT
                if alike and _are_same(self._thumbnails[number], thumbnail):
                    return number
        return self._remember(bits, bands, thumbnail)

    def _remember(self, bits: int, bands: tuple[int, ...], thumbnail: bytes) -> int:
        number = len(self._bits)
        if number >= REMEMBERED:
            return -1 - bits  # equal ones among those that are not remembered are told by the bits alone
        self._bits.append(bits)
        self._thumbnails.append(thumbnail)
        for known, band in zip(self._bands, bands, strict=True):
            held = known.setdefault(band, [])
            if len(held) < _A_BAND:
                held.append(number)
        return number


def _are_same(one: bytes, other: bytes) -> bool:
    if abs(one[-1] - other[-1]) > _SHAPES:
        return False
    total = 0
    for a, b in zip(one[:-1], other[:-1], strict=True):
        apart = a - b if a > b else b - a
        if apart > _LARGEST:
            return False
        total += apart
    return total <= _MEAN * (len(one) - 1)


def _of_shape(image: Image.Image) -> int:
    """Width to height, on a scale of 256 steps of 3 %."""
    return min(max(128 + round(33 * log(image.width / image.height)), 0), 255)


def _of_eight_bits(image: Image.Image) -> Image.Image:
    if not is_deep(image):
        return image
    low, high = image.convert("I").getextrema()
    return eight_bits(image, (int(low), int(high)))  # type: ignore[arg-type]  # of one band


def _bits(small: bytes) -> int:
    bits = 0
    for at in _STARTS:
        bits = bits << 1 | (small[at + 1] - small[at] > _EDGE)
    return bits


def _colours(image: Image.Image) -> bytes:
    """Colours on a grid of 2 x 2, without brightness: a picture and its grey copy differ by them alone."""
    if image.mode in ("1", "L"):
        return _GREY
    rgb = image if image.mode == "RGB" else image.convert("RGB")
    values = rgb.resize((2, 2), _BOX).tobytes()
    means = [sum(values[at : at + 3]) // 3 for at in (0, 3, 6, 9)]
    return bytes(min(255, max(0, value - means[at // 3] + 128)) for at, value in enumerate(values))
