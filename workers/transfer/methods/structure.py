"""Structure transfer: the source's structure, with parameters of the target's own."""

from collections.abc import Mapping
from typing import Any, Literal

from workers.transfer import tasks
from workers.transfer.data import Data
from workers.transfer.methods.parts.receipt import Origin, Transferred, weight_values, write_receipt
from workers.transfer.networks import inputs
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.network import Network, join
from workers.transfer.networks.structures import reinitialised
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
    old, module = source.options, inputs.module_of(data.signature)
    first = module.first(data.signature.columns, data.train.inputs, old)
    input_spec = InputSpec(tuple(first.output_shape[1:]), module.tokens(first))
    backbone = reinitialised(source.backbone, fit.training.seed, input_spec)
    unit = tasks.label_unit(old, data)
    head = tasks.head(data.signature, backbone.output_shape[-1], fit.training.seed, unit)
    network = join(first, backbone, head, data.signature, old)
    start = weight_values(network)
    history = fit(network, data)
    origins = {
        "preprocessing": Origin("new", "means and vocabularies are the target's"),
        "backbone": Origin("reinitialised", "the source's structure is kept, its parameters are not"),
        "head": Origin("new", "the head follows from the target's task and classes"),
    }
    return Transferred(network, write_receipt(network, start, origins), history, {}, start)
