"""Ensembles of trees, as a practitioner takes them, in one thread."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
)

from workers.transfer.baselines.learners import Answers, Problem, Solved, solve
from workers.transfer.baselines.readings import spread
from workers.transfer.data import Array

TREES, LEAF_ROWS = 200, 2

MOST_LEAVES = 200_000
"""Rows times classes of randomised trees, at most: each keeps a share of every class for about every row."""

MOST_CLASSES = 20
"""Gradient boosting grows a tree a class in each round: with more of them it is left out."""


@dataclass(frozen=True, eq=False)
class Trees:
    """An ensemble's answers: probabilities of classes, or numbers."""

    model: Any

    def __call__(self, x: Any) -> Array:
        if hasattr(self.model, "predict_proba"):
            return np.asarray(self.model.predict_proba(x))
        return np.asarray(self.model.predict(x))


def extra_trees(x: Any, y: Array, weights: Array, problem: Problem) -> Solved:
    """Extremely randomised trees (Geurts, Ernst & Wehenkel 2006)."""
    places = spread(y, max(1000, MOST_LEAVES // max(problem.classes, 1)))
    return solve(x[places], y[places], weights[places], problem, _extra_classes, _extra_numbers)


def gradient_boosting(x: Any, y: Array, weights: Array, problem: Problem) -> Solved:
    """Gradient boosting of trees on binned features (Friedman 2001; Ke et al. 2017), by scikit-learn."""
    return solve(x, y, weights, problem, _boosted_classes, _boosted_numbers)


def _extra_classes(x: Array, y: Array, weights: Array, problem: Problem) -> Answers:
    model = ExtraTreesClassifier(TREES, min_samples_leaf=LEAF_ROWS, random_state=problem.seed, n_jobs=1)
    model.fit(x, y, sample_weight=weights)
    return Trees(model)


def _extra_numbers(x: Array, y: Array, weights: Array, problem: Problem) -> Answers:
    model = ExtraTreesRegressor(TREES, min_samples_leaf=LEAF_ROWS, random_state=problem.seed, n_jobs=1)
    model.fit(x, y, sample_weight=weights)
    return Trees(model)


def _boosted_classes(x: Array, y: Array, weights: Array, problem: Problem) -> Answers:
    # Above 10,000 rows scikit-learn would hold some out to stop early, and fails where a class has one.
    model = HistGradientBoostingClassifier(random_state=problem.seed, early_stopping=False)
    model.fit(x, y, sample_weight=weights)
    return Trees(model)


def _boosted_numbers(x: Array, y: Array, weights: Array, problem: Problem) -> Answers:
    model = HistGradientBoostingRegressor(random_state=problem.seed, early_stopping=False)
    model.fit(x, y, sample_weight=weights)
    return Trees(model)
