"""What happened to each layer: where its weights came from, whether they were trained, how far they moved."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import keras
import numpy as np

from workers.transfer.data import Array
from workers.transfer.networks.network import PARTS, Network, leaves
from workers.transfer.training.optimizer import Rates, rate_of
from workers.transfer.training.options import History

Whence = Literal["copied", "partly copied", "new", "reinitialised"]
NEARLY_ZERO = 1e-3
"""Root mean square of weights below which a distance is no share of them: a step of Adam goes as far."""

ORIGINS: tuple[Whence, ...] = ("copied", "partly copied", "new", "reinitialised")


@dataclass(frozen=True)
class Origin:
    """Where a layer's weights come from, and why.

    copied: they are the source's; partly copied: those named in `copied` are, the ones in `new` are not
    (rows of a kernel by input, columns by class); new: the source has nothing in their place;
    reinitialised: the source has weights of that shape there, which were not kept. `share` is the copied
    part of the layer's parameters, for `partly copied`.
    """

    origin: Whence
    why: str
    copied: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    share: float = 0.0


@dataclass(frozen=True, eq=False)
class Transferred:
    """What a method hands back. The receipt is plain JSON values, see `write_receipt`.

    findings: plain JSON values that the method has to tell besides, such as the shares of its branches.
    start: the weights by path before the training.
    is_deterministic: no seed entered, so that another seed gives the same network.
    """

    network: Network
    receipt: dict[str, Any]
    history: History
    findings: dict[str, Any] = field(default_factory=dict)
    start: Mapping[str, Array] = field(default_factory=dict)
    is_deterministic: bool = False


def weight_values(network: Network) -> dict[str, Array]:
    """Copies of all weights by path: the start that `write_receipt` compares with."""
    return {path: np.array(weight.numpy()) for _, path, _, weight in _weights(network)}


def write_receipt(
    network: Network,
    start: Mapping[str, Array],
    origins: Mapping[str, Origin],
    rates: Rates | None = None,
    adapted: Iterable[str] = (),
) -> dict[str, Any]:
    """The receipt of a trained network.

    `origins` holds an entry for each part, or for paths of layers or weights in it (`backbone/dense_1`,
    `backbone/dense_1/kernel`): the longest counts. `rates` are those of the training; a layer whose rate is
    0 is frozen. `adapted` are paths of layers whose weights were moved by a product of low rank, or another
    thing merged into them, and not by training them themselves.

    `layers`: part, layer (its path in the part), kind, origin, training (trained | frozen | adapted), why,
    and `weights` with name, shape, parameters, origin, training, `distance`, ‖w_end - w_start‖ (None if
    w_start was not there), and `moved`, distance / ‖w_start‖ (None if w_start is nearly 0, see `NEARLY_ZERO`,
    and w_end differs); `copied` and `new` name the rows or columns of partly copied weights. What a trained
    batch normalisation counts is trained. `totals`: all parameters by origin and training, those of the
    preprocessing, which are frozen, too, and `coverage`, the copied share of them.
    """
    changed = tuple(adapted)
    layers = []
    for part in PARTS:
        for path, layer in leaves(network.part(part)):
            where = f"{part}/{path}"
            training = _training(where, rates or {}, changed)
            origin = _of_path(origins, where)
            weights = [
                _weight(
                    layer,
                    weight,
                    start.get(place),
                    _of_path(origins, place),
                    _training(place, rates or {}, changed),
                )
                for weight in layer.weights
                for place in (f"{where}/{weight.name}",)
            ]
            layers.append(
                {
                    "part": part,
                    "layer": path,
                    "kind": type(layer).__name__,
                    "origin": origin.origin,
                    "training": training,
                    "why": origin.why,
                    "weights": weights,
                }
            )
    return {"layers": layers, "totals": _totals(layers)}


def is_backbone_frozen(receipt: Mapping[str, Any]) -> bool:
    """Whether no weight of the backbone was trained or adapted."""
    of_backbone = [layer for layer in receipt["layers"] if layer["part"] == "backbone"]
    return all(weight["training"] == "frozen" for layer in of_backbone for weight in layer["weights"])


def moved_since(receipt: dict[str, Any], network: Network, start: Mapping[str, Array]) -> dict[str, Any]:
    """The receipt after a further training of the network: the distances are new, all else stays."""
    values = {path: weight.numpy() for _, path, _, weight in _weights(network)}
    layers = []
    for layer in receipt["layers"]:
        where = f"{layer['part']}/{layer['layer']}"
        weights = [
            {**weight, **_moved(start[place], values[place])} if place in start else weight
            for weight in layer["weights"]
            for place in (f"{where}/{weight['name']}",)
        ]
        layers.append({**layer, "weights": weights})
    return {**receipt, "layers": layers}


def _weights(network: Network) -> Iterable[tuple[str, str, keras.layers.Layer, keras.Variable]]:
    for part in PARTS:
        for path, layer in leaves(network.part(part)):
            for weight in layer.weights:
                yield part, f"{part}/{path}/{weight.name}", layer, weight


def _of_path(origins: Mapping[str, Origin], path: str) -> Origin:
    places = path.split("/")
    return next(
        origins["/".join(places[:end])]
        for end in range(len(places), 0, -1)
        if "/".join(places[:end]) in origins
    )


def _training(path: str, rates: Rates, adapted: Sequence[str]) -> str:
    """Of a layer or a weight; a layer is adapted if a weight of it is."""
    if any(f"{path}/".startswith(f"{known}/") or known.startswith(f"{path}/") for known in adapted):
        return "adapted"
    return "trained" if rate_of(rates, path) > 0 else "frozen"


def _weight(
    layer: keras.layers.Layer, weight: keras.Variable, start: Array | None, origin: Origin, training: str
) -> dict[str, Any]:
    learns = weight.trainable or isinstance(layer, keras.layers.BatchNormalization)  # moving statistics
    is_changed = training == "adapted" or (training == "trained" and learns)
    described = {
        "name": weight.name,
        "shape": list(weight.shape),
        "parameters": int(np.prod(weight.shape)),
        "origin": origin.origin,
        "training": training if is_changed else "frozen",
        **({"moved": None, "distance": None} if start is None else _moved(start, weight.numpy())),
    }
    if origin.origin != "partly copied":
        return described
    return {**described, "copied": list(origin.copied), "new": list(origin.new), "share": origin.share}


def _moved(start: Array, end: Array) -> dict[str, float | None]:
    if np.array_equal(start, end):  # most weights, where a large backbone is frozen
        return {"moved": 0.0, "distance": 0.0}
    before = float(np.linalg.norm(start.astype(np.float64)))
    distance = float(np.linalg.norm(end.astype(np.float64) - start))
    is_small = before < NEARLY_ZERO * np.sqrt(start.size)
    return {"moved": None if is_small else distance / before, "distance": distance}


def _totals(layers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    weights = [weight for layer in layers for weight in layer["weights"]]
    total = sum(weight["parameters"] for weight in weights)

    def count(key: str, value: str) -> int:
        return sum(weight["parameters"] for weight in weights if weight[key] == value)

    by_origin = {str(origin): count("origin", origin) for origin in ORIGINS}
    by_training = {training: count("training", training) for training in ("trained", "frozen", "adapted")}
    partly = sum(weight["parameters"] * weight["share"] for weight in weights if "share" in weight)
    coverage = (by_origin["copied"] + partly) / total
    return {"parameters": total, **by_origin, **by_training, "coverage": coverage}
