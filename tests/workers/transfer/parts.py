"""The parts of rows that a test splits by itself."""

from typing import Any

import numpy as np
import numpy.typing as npt


def parts_of(rows: int, seed: int = 0, validation: float = 0.2, test: float = 0.2) -> npt.NDArray[Any]:
    """These fractions of the rows validate and test, drawn by the seed: uint8 (n,)."""
    parts = np.zeros(rows, np.uint8)
    order = np.random.default_rng(seed).permutation(rows)
    parts[order[: round(rows * validation)]] = 1
    parts[order[len(order) - round(rows * test) :]] = 2
    return parts
