"""What does a training read: the inputs of its first part, the targets and the weights of its rows?"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Rows
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.inputs import module_of
from workers.transfer.networks.network import Network, Part
from workers.transfer.training.features import FeatureStore, outputs

Features = Array | Mapping[str, Array]
"""What a part reads, (n, …); of a part with several inputs by their names."""


@dataclass(frozen=True, eq=False)
class Fed:
    """What the rows of a training are made into, n of them.

    x: features of the first part that is trained. y: targets (n, …), of a regression in the unit that it is
    trained in, of sequences the ids (n, length). weight: of each row's loss, (n,), float32; of sequences of
    each token's, (n, length), 0 for padding.
    """

    x: Features
    y: Array
    weight: Array
    sizes: Array | None = None
    """Of spans how many windows each row's context fills, (n,)."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    def lengths(self) -> Array | None:
        """Of sequences how many tokens each row has, (n,): rows of like length go through a step together."""
        if self.sizes is not None:
            return self.sizes
        return (self.weight > 0).sum(axis=1) if self.weight.ndim > 1 else None

    def count(self, rows: Array | None = None) -> float:
        """What the mean loss of these rows is the mean of: rows, of sequences the tokens by their weights."""
        weight = self.weight if rows is None else self.weight[rows]
        # Of answers that all stand behind what is read, nothing is learnt.
        return max(float(weight.sum()), 1e-6) if weight.ndim > 1 else len(weight)


def fed(
    network: Network,
    frozen: Sequence[Part],
    rows: Rows,
    weight: Array | None = None,
    store: FeatureStore | None = None,
) -> Fed:
    """What a training of the parts behind the frozen ones reads of rows; `weight` (n,) is 1 by default."""
    weight = np.ones(len(rows), np.float32) if weight is None else weight
    task = network.signature.task
    if task in tasks.OF_TEXTS:
        x, y, own = module_of(network.signature).fed(network, rows)
        weight = own * weight.reshape(-1, *[1] * (own.ndim - 1))
        if "backbone" in frozen and task == "seq2seq":
            x = forward(network.backbone, map_structure(lambda one: one.astype(np.int32), x))
        return Fed(x, y, weight, module_of(network.signature).windows(x) if task == "span" else None)
    y = rows.targets
    y = tasks.unit_of(network.head).standardised(y) if task == "regression" else y
    return Fed(outputs(network, frozen, rows.inputs, store), y, weight)


def map_structure(function: Callable[..., Any], *structures: Any) -> Any:
    """A function of one tensor, or of each of several by name."""
    return keras.tree.map_structure(function, *structures)


def taken(x: Features, rows: Any) -> Any:
    """The rows of features, in memory."""
    return map_structure(lambda one: np.asarray(one[rows]), x)
