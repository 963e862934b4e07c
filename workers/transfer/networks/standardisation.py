"""How numbers are centred and scaled by the train rows, and which of them are not read at all.

A column stands still where its train rows hold one value, or differ by no more than rounding to float32 does;
nothing can be learnt of it. It is rare where hardly a row differs from one value: its deviation says little
then, so it is scaled by its largest difference from that value instead, and later values are held within it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from keras import layers

from workers.transfer.data import Array

ROUNDING_STEPS = 4
"""Steps of float32 at a column's size up to which a deviation is taken for rounding."""

RARE_SHARE, RARE_ROWS, RARE_AT_MOST = 0.01, 3, 0.1
"""A column is rare where at most 1 % of the train rows, or 3 of 30 and more, differ from one value."""

_SAMPLE = 1001
_TINY = 1e-6
"""Normalization takes no scale below 1e-7: smaller ones are multiplied by a power of two first."""


@dataclass(frozen=True)
class Scales:
    """Of each column: what is taken off, the square of what it is divided by, and what it is multiplied by
    before either; whether it varies, and whether it is rare. Arrays (d,).
    """

    mean: Array
    variance: Array
    factor: Array
    varies: Array
    rare: Array

    def take(self, places: Sequence[int], other: "Scales", of: Sequence[int]) -> None:
        """Put another's scales in place of some; what varies stays as it is."""
        for name in ("mean", "variance", "factor", "rare"):
            getattr(self, name)[list(places)] = getattr(other, name)[list(of)]

    def at(self, places: Sequence[int]) -> "Scales":
        """Those of some columns."""
        chosen = list(places)
        of = (self.mean, self.variance, self.factor, self.varies, self.rare)
        return Scales(*(values[chosen] for values in of))


def scales(matrix: Array, unit: float | None = None) -> Scales:
    """Of the columns of a float32 matrix (n, d), NaN left out.

    `unit` is a difference that means something in these columns, such as a month: no rare column is scaled by
    less, and none is multiplied.
    """
    size, low, high = _ends(matrix)
    plain = _moments(matrix)
    rounding = ROUNDING_STEPS * np.spacing(size.astype(np.float32)).astype(np.float64)
    varies = (high > low) & (np.sqrt(plain.variance) >= rounding)
    usual, rare = _rare(matrix)
    rare &= varies
    reach = np.maximum(np.maximum(high - usual, usual - low), unit or 0.0)
    scale = np.where(rare, reach, np.sqrt(plain.variance))
    factor = np.where(varies & (scale < _TINY), _power(scale), 1.0) if unit is None else plain.factor
    variance = np.where(rare | (factor > 1), (scale * factor) ** 2, plain.variance)
    return Scales(
        mean=np.where(rare, usual, plain.mean) * factor,
        variance=np.where(varies, variance, 1.0),
        factor=factor,
        varies=varies,
        rare=rare,
    )


def layer_of(name: str, known: Scales, rows: int) -> layers.Normalization:
    """The layer that takes the means off and divides."""
    layer = layers.Normalization(name=name)
    layer.build((None, len(known.mean)))
    layer.set_weights([known.mean.astype(np.float32), known.variance.astype(np.float32), np.array(rows)])
    layer.finalize_state()
    return layer


def mask(name: str, is_read: Sequence[bool]) -> layers.Normalization:
    """A layer that passes features on, (n, d), and makes 0 of those that are not read."""
    kept = np.array(is_read, bool)
    one = np.ones(len(kept))
    known = Scales(0 * one, np.where(kept, 1.0, np.inf), one, kept, ~kept)
    return layer_of(name, known, 0)


def _moments(matrix: Array) -> Scales:
    present = ~np.isnan(matrix)
    values = np.where(present, matrix, 0).astype(np.float64)
    count = np.maximum(present.sum(axis=0), 1)
    mean = values.sum(axis=0) / count
    variance = (np.where(present, matrix - mean, 0) ** 2).sum(axis=0) / count
    one = np.ones(matrix.shape[1])
    return Scales(mean, variance, one, one > 0, one < 0)


def _ends(matrix: Array) -> tuple[Array, Array, Array]:
    """The largest size, the least and the largest value of each column, float64; 0 of one without a value."""
    empty = np.isnan(matrix).all(axis=0)
    known = np.where(empty, 0, matrix)
    low, high = (end(known, axis=0).astype(np.float64) for end in (np.fmin.reduce, np.fmax.reduce))
    return np.maximum(np.abs(low), np.abs(high)), low, high


def _rare(matrix: Array) -> tuple[Array, Array]:
    """The usual value of each column, and whether hardly a row differs from it."""
    rows = np.unique(np.linspace(0, max(len(matrix) - 1, 0), min(len(matrix), _SAMPLE)).astype(np.int64))
    ordered = np.sort(matrix[rows], axis=0)  # NaN last
    count = (~np.isnan(ordered)).sum(axis=0)
    usual = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    usual = np.where(count > 0, usual, 0)
    present = ~np.isnan(matrix)
    known, differing = present.sum(axis=0), (present & (matrix != usual)).sum(axis=0)
    few = np.minimum(np.maximum(RARE_SHARE * known, RARE_ROWS), RARE_AT_MOST * known)
    return usual.astype(np.float64), differing <= few


def _power(scale: Array) -> Array:
    """The power of two that takes a scale to about 1; no larger than a float32 holds."""
    safe = np.where(scale > 0, scale, 1.0)
    powers: Array = 2.0 ** np.clip(-np.floor(np.log2(safe)), 0, 126)
    return powers
