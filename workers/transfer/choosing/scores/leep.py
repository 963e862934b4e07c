"""LEEP, the log expected empirical prediction (Nguyen et al. 2020)."""

import numpy as np

from workers.transfer.data import Array


def leep(p: Array, y: Array, classes: int) -> float:
    """The mean over rows of ln Σ_z P(y|z) p_z(x), at most 0: how well the source's classes tell the target's.

    P(y|z) is counted on the same rows, each with its probabilities p (n, z). A source's class that has no
    probability in any row says nothing.

    Args:
        y: the target's classes (n,).
    """
    p = p.astype(np.float64)
    joint = np.zeros((classes, p.shape[1]))
    np.add.at(joint, y, p)
    of_source = joint.sum(axis=0)
    conditional = np.divide(joint, of_source, out=np.zeros_like(joint), where=of_source > 0)
    return float(np.log((conditional[y] * p).sum(axis=1)).mean())
