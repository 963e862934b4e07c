"""Learning-rate schedules: what the learning rate is multiplied by at each step of a training."""

from typing import Literal

import numpy as np

from workers.transfer.data import Array

Schedule = Literal["constant", "cosine", "exponential", "slanted_triangular"]

CUT, RATIO = 0.1, 32.0
"""Slanted triangular: the share of steps that rise, and highest over lowest rate (ULMFiT)."""


def scales(schedule: Schedule, steps: int) -> Array:
    """Factors on the learning rate, (steps,), float32.

    cosine: ½(1 + cos πt/T), from 1 to nearly 0 (Loshchilov & Hutter 2017, without restarts).
    exponential: 0.01^(t/T), from 1 to nearly 1 %.
    slanted_triangular: a short rise and a long fall, of steps t = 1 … T, to the lowest rate at the last
    (Howard & Ruder 2018, equation 3; there the fall has cut·(1/0.1 - 1) steps, which is T - cut where T is a
    multiple of 10, and ends early elsewhere).

    Raises:
        ValueError: an unknown schedule.
    """
    t = np.arange(steps, dtype=np.float64)
    if schedule == "constant":
        factors = np.ones(steps)
    elif schedule == "cosine":
        factors = (1 + np.cos(np.pi * t / max(steps, 1))) / 2
    elif schedule == "exponential":
        factors = 0.01 ** (t / max(steps, 1))
    elif schedule == "slanted_triangular":
        cut = max(1.0, np.floor(steps * CUT))
        p = np.where(t + 1 <= cut, (t + 1) / cut, 1 - (t + 1 - cut) / max(steps - cut, 1))
        factors = (1 + p * (RATIO - 1)) / RATIO
    else:
        raise ValueError(
            f"Expected constant, cosine, exponential or slanted_triangular. Received: {schedule!r}."
        )
    return factors.astype(np.float32)
