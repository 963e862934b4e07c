"""Parameter transfer: start the same network on the target from the parameters learnt on the source."""

from collections.abc import Sequence
from typing import Literal

import keras

from workers.transfer.data import Data, Signature
from workers.transfer.fitting import Fit
from workers.transfer.network import Network, build_after, join
from workers.transfer.receipt import Origin, Transferred, weight_values, write_receipt
from workers.transfer.steps import Rates


def parameter(
    source: Network,
    data: Data,
    fit: Fit,
    *,
    strategy: Literal["full", "linear_probe"] = "full",
    backbone_learning_rate_factor: float = 0.1,
) -> Transferred:
    """Minimise the target's loss L_t from the source's parameters θ; the source is left as it is.

    The preprocessing travels with its state, since θ was learnt on its output. The head is copied if task
    and classes are the source's, and new otherwise, as the control's. `full` trains the backbone at the
    learning rate times `backbone_learning_rate_factor` and the head at the learning rate; `linear_probe`
    trains the head alone.

    Raises:
        ValueError: the feature columns differ from the source's, or the strategy is unknown.
    """
    _check_columns(source.signature, data.signature)
    rates = _rates(strategy, backbone_learning_rate_factor)
    network, head = _start(source, data, fit.training.seed)
    start = weight_values(network)
    history = fit(network, data, rates=rates)
    origins = {
        "preprocessing": Origin("copied", "the source's parameters were learnt on its output"),
        "backbone": Origin("copied", "the same layers on the same columns"),
        "head": head,
    }
    return Transferred(network, write_receipt(network, start, origins, rates), history)


def _rates(strategy: str, backbone: float) -> Rates:
    if strategy == "full":
        return {"backbone": backbone}
    if strategy == "linear_probe":
        return {"backbone": 0.0}
    raise ValueError(f"Expected the strategy 'full' or 'linear_probe'. Received: {strategy!r}.")


def _start(source: Network, data: Data, seed: int) -> tuple[Network, Origin]:
    network = build_after(source.preprocessing, source.options, data, seed)
    network.backbone.set_weights(source.backbone.get_weights())
    origin = _head_origin(source, network)
    if origin.origin != "copied":
        return network, origin
    head = keras.Sequential.from_config(source.head.get_config())
    head.set_weights(source.head.get_weights())
    return join(network.preprocessing, network.backbone, head, data.signature, source.options), origin


def _head_origin(source: Network, target: Network) -> Origin:
    before, after = source.signature, target.signature
    if (before.task, before.classes) == (after.task, after.classes):
        return Origin("copied", "the target has the source's task and classes")
    if before.task != after.task:
        why = f"the target has another task: source {before.task}, target {after.task}"
    else:
        why = f"the target has other classes: source {_listed(before)}, target {_listed(after)}"
    same_shapes = [w.shape for w in source.head.weights] == [w.shape for w in target.head.weights]
    return Origin("reinitialised" if same_shapes else "new", why)


def _listed(signature: Signature) -> str:
    shown = ",".join(signature.classes[:20])
    return shown if len(signature.classes) <= 20 else f"{shown},… ({len(signature.classes)} classes)"


def _check_columns(source: Signature, target: Signature) -> None:
    if source.columns != target.columns:
        raise ValueError(
            f"Expected the source's feature columns in their order: {_columns(source)}. "
            f"Received: {_columns(target)}. Rename, reorder or leave out columns of the target."
        )


def _columns(signature: Signature) -> str:
    described: Sequence[str] = [f"{column.name} ({column.type})" for column in signature.columns]
    return ", ".join(described)
