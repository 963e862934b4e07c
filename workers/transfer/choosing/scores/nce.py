"""NCE, the negative conditional entropy of the target's labels given the source's (Tran et al. 2019)."""

import numpy as np

from workers.transfer.data import Array


def nce(p: Array, y: Array, classes: int) -> float:
    """-H(Y|Z) in nats, at most 0; Z is the likeliest of the source's classes in probabilities p (n, z).

    Args:
        y: the target's classes (n,).
    """
    counts = np.zeros((classes, p.shape[1]))
    np.add.at(counts, (y, p.argmax(axis=1)), 1)
    of_source = np.broadcast_to(counts.sum(axis=0), counts.shape)
    some = counts > 0
    return float((counts[some] * np.log(counts[some] / of_source[some])).sum() / len(y))
