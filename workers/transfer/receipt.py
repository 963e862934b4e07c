"""What happened to each layer: where its weights came from, whether they were trained, how far they moved."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import keras
import numpy as np

from workers.transfer.data import Array
from workers.transfer.fitting import History
from workers.transfer.network import PARTS, Network, Part


@dataclass(frozen=True)
class Origin:
    """Where a part's weights come from, and why.

    copied: they are the source's; new: the source has nothing in their place; reinitialised: the source
    has weights of that shape there, which were not kept.
    """

    origin: Literal["copied", "new", "reinitialised"]
    why: str


@dataclass(frozen=True, eq=False)
class Transferred:
    """What a method hands back. The receipt is plain JSON values, see `write_receipt`."""

    network: Network
    receipt: dict[str, Any]
    history: History


def weight_values(network: Network) -> list[Array]:
    """Copies of all weights, in order: the start that `write_receipt` compares with."""
    weights = [weight for part in PARTS for layer in _layers(network.part(part)) for weight in layer.weights]
    return [np.array(weight.numpy()) for weight in weights]


def write_receipt(
    network: Network, start: Sequence[Array], origins: Mapping[Part, Origin], trained: Sequence[Part]
) -> dict[str, Any]:
    """The receipt of a trained network.

    `layers`: part, layer, kind, origin, training (trained | frozen), why, and `weights` with name, shape,
    parameters, origin, training and `moved`, ‖w_end - w_start‖ / ‖w_start‖ (None if w_start is 0 and
    w_end is not). `totals`: parameters of backbone and head by origin and training, and `coverage`, the
    copied share of them; the preprocessing's statistics are not counted.
    """
    values = iter(start)
    layers = [
        _layer(part, layer, [next(values) for _ in layer.weights], origins[part], part in trained)
        for part in PARTS
        for layer in _layers(network.part(part))
    ]
    return {"layers": layers, "totals": _totals(layers)}


def _layers(part: keras.Model) -> list[keras.layers.Layer]:
    return [layer for layer in part.layers if not isinstance(layer, keras.layers.InputLayer)]


def _layer(
    part: Part, layer: keras.layers.Layer, start: Sequence[Array], origin: Origin, is_trained: bool
) -> dict[str, Any]:
    weights = [
        {
            "name": weight.name,
            "shape": list(weight.shape),
            "parameters": int(np.prod(weight.shape)),
            "origin": origin.origin,
            "training": "trained" if is_trained and weight.trainable else "frozen",
            "moved": _moved(before, weight.numpy()),
        }
        for weight, before in zip(layer.weights, start, strict=True)
    ]
    return {
        "part": part,
        "layer": layer.name,
        "kind": type(layer).__name__,
        "origin": origin.origin,
        "training": "trained" if is_trained else "frozen",
        "why": origin.why,
        "weights": weights,
    }


def _moved(start: Array, end: Array) -> float | None:
    before = float(np.linalg.norm(start.astype(np.float64)))
    distance = float(np.linalg.norm(end.astype(np.float64) - start))
    if before == 0:
        return 0.0 if distance == 0 else None
    return distance / before


def _totals(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    weights = [weight for layer in layers if layer["part"] != "preprocessing" for weight in layer["weights"]]
    total = sum(weight["parameters"] for weight in weights)

    def count(key: str, value: str) -> int:
        return sum(weight["parameters"] for weight in weights if weight[key] == value)

    by_origin = {origin: count("origin", origin) for origin in ("copied", "new", "reinitialised")}
    by_training = {training: count("training", training) for training in ("trained", "frozen")}
    return {"parameters": total, **by_origin, **by_training, "coverage": by_origin["copied"] / total}
