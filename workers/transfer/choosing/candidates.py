"""What a candidate makes of a target's rows: its frozen features, and what its own head says of them."""

from dataclasses import dataclass

import keras
import numpy as np

from workers.transfer.choosing.target import Target
from workers.transfer.data import Array
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.network import Network
from workers.transfer.training.features import FeatureStore, outputs


class Unusable(ValueError):
    """A candidate's features say nothing; the message says why."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """One source on the target's rows, in their order.

    features: (n, D), finite.
    source_probabilities: (n, z), of its own classes; None of a source of numbers or several labels, or of one
        without a head of its own.
    """

    name: str
    features: Array
    source_probabilities: Array | None = None


def candidate_of(
    name: str,
    network: Network,
    target: Target,
    store: FeatureStore | None = None,
    source_head: keras.Model | None = None,
) -> Candidate:
    """The candidate of a network that reads the target's rows, by its preprocessing and its backbone.

    Args:
        store: where features are kept for later rankings and trainings.
        source_head: the head that was trained with this backbone; it answers probabilities, (n, 1) of the
            second of two classes or (n, z).

    Raises:
        Unusable: features that are not finite.
    """
    made = outputs(network, ["preprocessing", "backbone"], target.rows.inputs, store)
    features = np.asarray(made).reshape(len(target.rows), -1)
    if not np.isfinite(features).all():
        raise Unusable(
            f"Expected finite features of {name}. Received: numbers that are not. "
            "Its training may have diverged; leave it out."
        )
    if source_head is None:
        return Candidate(name, features)
    p = forward(source_head, np.asarray(made)).astype(np.float64)
    return Candidate(name, features, np.concatenate([1 - p, p], axis=1) if p.shape[1] == 1 else p)
