"""How far may a gain by cross-validation be from the true one? The corrected resampled t interval.

The folds' differences are no independent draws: the train rows of any two folds overlap, so that their plain
variance over J is far too small. Nadeau & Bengio (Inference for the generalization error, Machine Learning
52, 2003) put 1/J + n_test/n_train in place of 1/J; the quantile is Student's with J - 1 degrees of freedom.
"""

import numpy as np

from workers.transfer.data import Array
from workers.transfer.proof.intervals import Spread


def spread(differences: Array, ratio: float, least_variance: float = 0.0) -> Spread:
    """The variance of the mean of the differences (J,), one a fold, and its degrees of freedom.

    `ratio` is n_test/n_train, of rows or of what is held out whole. `least_variance`: of the mean, taken
    where all folds have the same difference, whose spread then tells nothing.

    Raises:
        ValueError: there are fewer than two folds.
    """
    count = len(differences)
    if count < 2:
        raise ValueError(f"Expected the differences of at least two folds. Received: {count}.")
    variance = float(np.var(differences, ddof=1)) * (1 / count + ratio)
    if np.ptp(differences) <= 1e-12 * max(1.0, abs(float(np.mean(differences)))):
        variance = least_variance
    return Spread(variance, count - 1)
