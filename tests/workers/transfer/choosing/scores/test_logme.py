"""LogME against the exact evidence of a Gaussian, which an optimiser finds the largest of."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from tests.workers.transfer.choosing.scores.features import CASES, case
from workers.transfer.choosing.scores.logme import evidence, logme


def log_density(eigenvalues, along, alpha: float, beta: float) -> float:
    """log N(y; 0, I/β + FFᵀ/α), of y along the eigenvectors of FFᵀ."""
    variances = 1 / beta + eigenvalues / alpha
    return -0.5 * float((np.log(2 * np.pi * variances) + along**2 / variances).sum())


def largest(features, y) -> float:
    """The most that it comes to over n, by a search from several starts."""
    eigenvalues, vectors = np.linalg.eigh(features @ features.T)
    eigenvalues, along = np.maximum(eigenvalues, 0), vectors.T @ y
    exact = multivariate_normal(np.zeros(len(y)), np.eye(len(y)) / 2 + features @ features.T / 3)
    assert log_density(eigenvalues, along, 3, 2) == pytest.approx(exact.logpdf(y), abs=1e-6)
    starts = [(a, b) for a in (-4.0, 0.0, 4.0) for b in (0.0, 3.0)]
    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 2000}
    found = [
        minimize(
            lambda logs: -log_density(eigenvalues, along, *np.exp(np.clip(logs, -25, 25))),
            start,
            method="Nelder-Mead",
            options=options,
        ).fun
        for start in starts
    ]
    return -min(found) / len(y)


def standardised(x):
    deviations = x.std(axis=0)
    usual = np.sqrt((deviations**2).mean())
    z = (x - x.mean(axis=0)) / np.maximum(deviations, usual) / np.sqrt(x.shape[1])
    return np.concatenate([z, np.ones((len(x), 1))], axis=1)


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_mean_of_the_largest_evidence_of_each_class_that_has_rows(name: str) -> None:
    one = CASES[name]
    features = standardised(one.x)
    exact = np.mean([largest(features, (one.y == k).astype(float)) for k in np.unique(one.y)])
    task = "binary" if one.classes == 2 else "multiclass"
    assert logme(one.x, one.y, task, one.classes) == pytest.approx(exact, abs=1e-6)


def test_of_numbers_and_of_labels_it_is_theirs() -> None:
    one = case(50, 8, 2)
    y = one.x[:, 0] + np.random.default_rng(1).normal(size=50)
    assert logme(one.x, y, "regression", 0) == pytest.approx(largest(standardised(one.x), y), abs=1e-6)
    labels = np.stack([one.y, one.y[::-1]], axis=1)
    each = [logme(one.x, labels[:, place], "binary", 2) for place in range(2)]
    assert logme(one.x, labels, "multilabel", 2) == pytest.approx(np.mean(each), abs=1e-6)


@pytest.mark.parametrize(("rows", "width"), [(200, 20), (50, 200)])
def test_the_rank_counts_and_not_the_number_of_features(rows: int, width: int) -> None:
    """Where there are more features than rows, the published code is far above the evidence."""
    rng = np.random.default_rng(0)
    f = rng.normal(size=(rows, width))
    y = f[:, 0] + rng.normal(size=rows)
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    assert evidence(u, s, y) == pytest.approx(largest(f, y), abs=1e-6)


def test_labels_that_are_explained_wholly_have_a_bounded_evidence() -> None:
    x = np.repeat(np.eye(3), 5, axis=0)
    assert np.isfinite(logme(x, np.repeat(np.arange(3), 5), "multiclass", 3))
