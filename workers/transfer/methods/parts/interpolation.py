"""WiSE-FT: between the weights before fine-tuning and those after it (Wortsman et al. 2022)."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from workers.transfer.data import Array, Data
from workers.transfer.methods.parts.held_out import held_out
from workers.transfer.networks.network import Network

SHARES = tuple(round(0.1 * step, 1) for step in range(11))
"""The shares of the fine-tuned weights that are tried."""


def wise_ft(network: Network, start: Sequence[Array], data: Data) -> dict[str, Any]:
    """Set the weights to (1 - a)θ₀ + aθ with the a of the lowest validation loss; what was tried.

    `start` are the model's weights before fine-tuning, in the order of `get_weights`; θ are those it has.

    Raises:
        ValueError: there are no validation rows to choose by.
    """
    if data.validation is None:
        raise ValueError("Expected validation rows to choose the mix by. Received: none. Leave wise_ft out.")
    tuned = [np.array(weight) for weight in network.model.get_weights()]
    losses = {}
    for share in SHARES:
        mix(network, start, tuned, share)
        losses[share] = held_out(network, data.validation).score.loss
    best = min(reversed(SHARES), key=lambda share: losses[share])  # of equal ones, the most fine-tuned
    mix(network, start, tuned, best)
    return {"a": best, "validation_loss": {str(share): loss for share, loss in losses.items()}}


def mix(network: Network, start: Sequence[Array], tuned: Sequence[Array], share: float) -> None:
    """Set the weights to (1 - share)·start + share·tuned; what is no floating-point number stays tuned.

    The sum is taken in double precision, so that weights that did not move keep their bits.
    """
    network.model.set_weights(
        [
            ((1 - share) * before.astype(np.float64) + share * after.astype(np.float64)).astype(after.dtype)
            if np.issubdtype(after.dtype, np.floating)
            else after
            for before, after in zip(start, tuned, strict=True)
        ]
    )
