"""One seed for each layer, from the job's seed and the layer's name: no global state."""

import hashlib


def layer_seed(seed: int, name: str) -> int:
    """A seed in [0, 2³¹) that depends on nothing but its arguments."""
    digest = hashlib.sha256(f"{seed}:{name}".encode()).digest()
    return int.from_bytes(digest[:4], "big") >> 1
