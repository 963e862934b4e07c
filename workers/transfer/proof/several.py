"""What remains of several comparisons at once? Each more is a chance to find something where nothing is.

Holm's step-down correction (Holm 1979): the chance to call any of them different where none is stays that of
one comparison, and it finds at least what Bonferroni's does.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.transfer.proof.comparison import Gain


@dataclass(frozen=True)
class Corrected:
    """A gain among `comparisons`: its bounds and p-value with them in mind; 0 is outside where it says so."""

    gain: Gain
    low: float
    high: float
    p_value: float
    comparisons: int

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        bounds = {"low": self.low, "high": self.high}
        told = {"p_value": self.p_value, "comparisons": self.comparisons}
        return {**self.gain.to_dict(), **bounds, **told}


def holm(p_values: Sequence[float]) -> list[float]:
    """The corrected p-values, in the order given: the i-th smallest of m times m - i + 1, and never less than
    one before it."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1))
    corrected = np.empty(len(p))
    corrected[order] = np.minimum(stepped, 1.0)
    return [float(value) for value in corrected]


def corrected(gains: Mapping[str, Gain]) -> dict[str, Corrected]:
    """Gains of one family of comparisons, all of one confidence, by name.

    The i-th smallest p-value is looked at with the error 1 - confidence over m - i + 1, and so is its
    interval. Where the first of them contains 0, all that follow have its error and contain 0 as well. So an
    interval excludes 0 where the corrected p-value lies below 1 - confidence.

    Raises:
        ValueError: the variances of a gain are not known.
    """
    lacking = [name for name, gain in gains.items() if not gain.parts]
    if lacking:
        raise ValueError(f"Expected gains with the parts of their variance. Received: none of {lacking[0]}.")
    names = sorted(gains, key=lambda name: gains[name].p_value)  # stable: equal ones in their order
    p_values = dict(zip(names, holm([gains[name].p_value for name in names]), strict=True))
    found: dict[str, Corrected] = {}
    left = len(names)
    for name in names:
        gain = gains[name]
        low, high = gain.at(1 - (1 - gain.confidence) / max(left, 1))
        found[name] = Corrected(gain, low, high, p_values[name], len(names))
        left -= low > 0 or high < 0
    return {name: found[name] for name in gains}


def said(found: Mapping[str, Corrected], what: str) -> str:
    """Sentences on the family: how many comparisons there were, and which of them tell the arms apart.

    `what` calls one of them, such as "ablation".
    """

    def listed(some: Sequence[str]) -> str:
        return ", ".join(name.replace("_", " ") for name in some) or "none"

    count = len(found)
    better = listed([name for name, one in found.items() if one.low > 0])
    worse = listed([name for name, one in found.items() if one.high < 0])
    many = "s" if count > 1 else ""
    corrected_for = f" Intervals and p-values are corrected for {count} comparisons (Holm)." if many else ""
    return (
        f"Of {count} {what}{many}, the transfer is shown to be better than: {better}; worse than: {worse}."
        f"{corrected_for}"
    )
