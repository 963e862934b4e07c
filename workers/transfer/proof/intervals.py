"""How far may a measured gain be from the true one? An interval from the variances of all that was drawn.

Three things are drawn: the test rows, each training's seed, and the source. The rows' part comes from a
paired bootstrap of the mean over the seeds; the seeds' parts from the metrics of each arm's trainings, over
their number. All seeds of a transfer share one source, so that its draw is in every one of them and does not
average out: as much as the control varies from seed to seed counts once more, undivided. The quantile is
Student's with Satterthwaite's degrees of freedom (Satterthwaite 1946), less one, since the shares of the
parts are estimates themselves, and never with fewer than the seeds have.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.stats import t as student

from workers.transfer.data import Array


class Spread(NamedTuple):
    """A part of the variance of a mean, and the degrees of freedom that it was estimated with."""

    variance: float
    freedom: float


def of_rows(draws: Array, units: int) -> Spread:
    """From the gains (draws,) on resampled rows; NaN where undefined. `units` were resampled: rows or groups.

    A bootstrap's variance is too small by (units - 1) / units.
    """
    defined = draws[~np.isnan(draws)]
    variance = float(np.var(defined)) if len(defined) else math.nan
    return Spread(variance * units / max(units - 1, 1), max(units - 1, 1))


def of_seeds(transfer: Sequence[float], control: Sequence[float], *, shared_source: bool) -> list[Spread]:
    """From the metric of each seed of both arms; an arm of one training has no part."""
    parts = []
    for values, times in ((transfer, 0.0), (control, 1.0 if shared_source else 0.0)):
        count = len(values)
        if count > 1:
            parts.append(Spread(float(np.var(values, ddof=1)) * (1 / count + times), count - 1))
    return parts


def interval(value: float, parts: Sequence[Spread], confidence: float) -> tuple[float, float]:
    """The bounds of the gain, symmetric about the measured one."""
    variance = sum(part.variance for part in parts)
    if not variance > 0:
        return value, value
    reach = float(student.ppf((1 + confidence) / 2, freedom_of(parts))) * math.sqrt(variance)
    return value - reach, value + reach


def p_value(value: float, parts: Sequence[Spread]) -> float:
    """How often a gain as far from 0 is measured where there is none: below 1 - confidence where 0 lies
    outside of the interval."""
    variance = sum(part.variance for part in parts)
    if not variance > 0:
        return 0.0 if value else 1.0
    return 2 * float(student.sf(abs(value) / math.sqrt(variance), freedom_of(parts)))


def freedom_of(parts: Sequence[Spread]) -> float:
    """Degrees of freedom of the parts together, one of which varies."""
    variance = sum(part.variance for part in parts)
    # In shares, since variances of labels' units may have squares beyond a float.
    shares = [part.variance / variance for part in parts]
    freedom = 1 / sum(share**2 / part.freedom for share, part in zip(shares, parts, strict=True))
    # Simulated with 3 seeds and a shared source, the interval holds .922 without the one less, .932 with it.
    return max(math.floor(freedom) - 1, min(part.freedom for part in parts))
