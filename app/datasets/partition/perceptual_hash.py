"""Do two pictures look the same? A perceptual hash: the lowest spatial frequencies of a thumbnail.

pHash (Zauner, Implementation and benchmarking of perceptual image hash functions, 2010) keeps the signs of
the 8 x 8 lowest coefficients of the cosine transform. Here each is kept in eight bits, and two pictures are
compared by their correlation: by signs alone, strokes on black are taken for one another.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from app.datasets.partition.keys import mix
from app.datasets.partition.shingles import Bytes
from app.datasets.reading.levels import eight_bits, is_deep

MOST_APART = 0.0015
"""1 − the correlation of the coefficients."""

_MOST_BRIGHTER, _MOST_CONTRAST, _MOST_SHAPE, _MOST_COLOUR = 32, 6, 2, 16
_SIDE, _LOWEST = 16, 8
_AREA = _SIDE * _SIDE
_AT_ONCE = 1024  # pictures
_REDUCED_TO = 3.0
"""Times the thumbnail's side: to this a large picture is reduced by whole numbers, which is quick."""

_FLATTEST = 2.0
"""The standard deviation in levels of grey below which a picture has no outlines to tell it by."""

_COEFFICIENTS = slice(0, _LOWEST * _LOWEST - 1)  # all but the mean
_MEAN, _CONTRAST, _SHAPE = 63, 64, 65
_COLOURS = slice(66, 78)
SIZE = 78
"""Bytes of a signature."""

_BANDS, _SIGNS = 16, 40
"""At `MOST_APART`, all 40 signs of a band agree with p = 0.49; one of 16 bands does with 0.9999."""

_FREQUENCIES, _PLACES = np.arange(_LOWEST)[:, None], np.arange(_SIDE)
_COSINES = np.cos(np.pi / _SIDE * _FREQUENCIES * (_PLACES + 0.5)) * np.where(_FREQUENCIES, 2**0.5, 1) / 4
_WAVES = np.kron(_COSINES, _COSINES)[1:].T
"""The cosine transform (DCT-II, orthonormal) of 256 pixels, of which 63 coefficients are kept."""
_DRAWN = mix(np.arange(63 * _BANDS * _SIGNS, dtype=np.uint64)).reshape(63, -1) >> np.uint64(63)
_PLANES = 2 * _DRAWN.astype(np.float32) - 1
_GREY = np.array([0.299, 0.587, 0.114])


def thumbnail(image: Image.Image) -> bytes:
    """16 x 16 pixels of grey or RGB, and a byte for the shape: what a signature is made of.

    Args:
        image: decoded, upright and opaque.
    """
    if is_deep(image):
        low, high = image.convert("I").getextrema()
        image = eight_bits(image, (int(low), int(high)))  # type: ignore[arg-type]  # of one band
    if image.mode not in ("L", "RGB"):
        image = image.convert("L" if image.mode == "1" else "RGB")
    small = image.resize((_SIDE, _SIDE), Image.Resampling.BICUBIC, reducing_gap=_REDUCED_TO).tobytes()
    return small + bytes([_of_shape(image.width / image.height)])


def _of_shape(ratio: float) -> int:
    """Width to height, in 256 steps of 3 %."""
    return min(max(128 + round(33 * log(ratio)), 0), 255)


def signatures(thumbnails: Sequence[bytes]) -> tuple[Bytes, NDArray[np.bool_]]:
    """A signature of each (n, 78), and which pictures have one: those that are not nearly blank (n,)."""
    found, telling = np.empty((len(thumbnails), SIZE), np.uint8), np.empty(len(thumbnails), np.bool_)
    for low in range(0, len(thumbnails), _AT_ONCE):
        part = slice(low, low + _AT_ONCE)
        found[part], telling[part] = _signatures(thumbnails[part])
    return found, telling


def _signatures(thumbnails: Sequence[bytes]) -> tuple[Bytes, NDArray[np.bool_]]:
    pixels = np.empty((len(thumbnails), _AREA, 3), np.uint8)
    for row, small in enumerate(thumbnails):
        pixels[row] = np.frombuffer(small, np.uint8, len(small) - 1).reshape(_AREA, -1)
    grey = pixels @ _GREY
    deviation = grey.std(axis=1)
    found = np.empty((len(pixels), SIZE), np.uint8)
    found[:, _COEFFICIENTS] = _spectrum(grey) + 128
    found[:, _MEAN] = np.rint(grey.mean(axis=1))
    found[:, _CONTRAST] = np.rint(16 * np.log2(deviation + 1))
    found[:, _SHAPE] = [small[-1] for small in thumbnails]
    found[:, _COLOURS] = _colours(pixels)
    return found, deviation >= _FLATTEST


def _spectrum(grey: NDArray[np.float64]) -> NDArray[np.float64]:
    """The coefficients but the mean, made a vector of length 127, rounded: (n, 256) to (n, 63)."""
    waves = grey @ _WAVES
    length = np.sqrt(np.square(waves).sum(axis=1, keepdims=True))
    scaled: NDArray[np.float64] = np.rint(waves * 127 / np.maximum(length, 1e-9))
    return scaled


def _colours(pixels: Bytes) -> NDArray[np.float64]:
    """Colours of 2 x 2 fields without their brightness, by which a picture and its grey copy differ."""
    half = _SIDE // 2
    means = pixels.reshape(-1, 2, half, 2, half, 3).mean(axis=(2, 4))
    means -= means.mean(axis=3, keepdims=True)
    colours: NDArray[np.float64] = np.rint(means).clip(-128, 127).reshape(-1, 12) + 128
    return colours


def are_near(one: Bytes, other: Bytes) -> NDArray[np.bool_]:
    """Whether pictures look the same, by their signatures: two times (n, 78) to (n,)."""
    apart = np.abs(one[:, _MEAN:].astype(np.int16) - other[:, _MEAN:])
    bounds = [_MOST_BRIGHTER, _MOST_CONTRAST, _MOST_SHAPE, *[_MOST_COLOUR] * 12]
    a, b = (_centred(of[:, _COEFFICIENTS]) for of in (one, other))
    product = np.einsum("np,np->n", a, b)
    lengths = np.sqrt(np.einsum("np,np->n", a, a) * np.einsum("np,np->n", b, b))
    near: NDArray[np.bool_] = (product >= (1 - MOST_APART) * lengths) & (apart <= bounds).all(axis=1)
    return near


def bands(found: Bytes) -> NDArray[np.uint32]:
    """Words of which near pictures share at least one, as a rule: (n, 78) to (16, n).

    Each is the hash of the signs of 40 random projections (Charikar, Similarity estimation techniques from
    rounding algorithms, 2002). All are sums of whole numbers, exact in float32: the same on every machine.
    """
    words = np.empty((_BANDS, len(found)), np.uint32)
    for low in range(0, len(found), _AT_ONCE):
        signs = _centred(found[low : low + _AT_ONCE, _COEFFICIENTS]) @ _PLANES > 0
        packed = np.zeros((len(signs), _BANDS, 8), np.uint8)
        packed[:, :, : _SIGNS // 8] = np.packbits(signs.reshape(-1, _BANDS, _SIGNS), axis=2)
        words[:, low : low + _AT_ONCE] = (
            mix(packed.view("<u8")[:, :, 0].astype(np.uint64)) >> np.uint64(32)
        ).T
    return words


def _centred(coefficients: Bytes) -> NDArray[np.float32]:
    return coefficients.astype(np.float32) - np.float32(128)
