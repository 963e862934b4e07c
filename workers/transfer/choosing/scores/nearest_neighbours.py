"""k nearest neighbours by cosine, cross-validated (Cover & Hart 1967; for ranking Puigcerver et al. 2021)."""

import numpy as np
from sklearn.neighbors import KNeighborsClassifier

from workers.transfer.data import Array

K = 5


def nearest_neighbours(x: Array, y: Array, fold: Array) -> float:
    """The share of right answers for rows that are held out, each by the five nearest rows of other folds.

    Args:
        x: features (n, D).
        y: classes (n,), or labels (n, k) of 0 and 1, of which single decisions are counted.
        fold: (n,), -1 of rows that are held out in none.
    """
    x = x.astype(np.float64)
    right = []
    for number in range(int(fold.max()) + 1):
        train, held = fold != number, fold == number
        model = KNeighborsClassifier(min(K, int(train.sum())), metric="cosine", algorithm="brute")
        answers = np.asarray(model.fit(x[train], y[train]).predict(x[held]))
        right.append((answers == y[held]).reshape(int(held.sum()), -1).mean(axis=1))
    return float(np.concatenate(right).mean())
