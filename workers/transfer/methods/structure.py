"""Structure transfer: the source's structure, with parameters of the target's own."""

from collections.abc import Mapping
from typing import Any, Literal

from workers.transfer.data import Data
from workers.transfer.methods.parts.receipt import Origin, Transferred, weight_values, write_receipt
from workers.transfer.methods.parts.untrained import started_afresh
from workers.transfer.networks.network import Network
from workers.transfer.training.fitting import Fit


def structure(
    source: Network,
    options: Mapping[str, Any],
    data: Data,
    fit: Fit,
    *,
    strategy: Literal["search", "reuse"] = "search",
    tuner: Literal["bayesian", "hyperband", "random"] = "bayesian",
    trials: int = 10,
    epochs_per_trial: int | None = None,
    space: dict[str, list[Any]] | None = None,
) -> Transferred:
    """Train the source's structure on the target from a fresh start; the source's parameters are not used.

    Where the structure comes from is the source's affair: `searching.search` finds it with these options
    before, or a version has it. The preprocessing is learnt on the target, and the weights drawn from the
    training's seed. The first layer takes the target's features, however many there are.
    """
    network = started_afresh(source, data, fit.training.seed)
    start = weight_values(network)
    history = fit(network, data)
    origins = {
        "preprocessing": Origin("new", "means and vocabularies are the target's"),
        "backbone": Origin("reinitialised", "the source's structure is kept, its parameters are not"),
        "head": Origin("new", "the head follows from the target's task and classes"),
    }
    return Transferred(network, write_receipt(network, start, origins), history, {}, start)
