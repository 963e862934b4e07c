"""One seed for each layer, from the job's seed and the layer's name: no global state."""

import hashlib


def layer_seed(seed: int, name: str) -> int:
    """A seed in [0, 2³¹) that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1


def beside_source(seed: int) -> int:
    """The seed of new parts that join a source's, which may have been trained from `seed` itself.

    Drawn from the same seed, a new head would start as the source's own head did: the features, trained
    together with that one, make it sure of wrong classes from the first step.
    """
    return layer_seed(seed, "beside the source")
