"""Linear models of features against scikit-learn's own pipelines on the raw features."""

from typing import Any

import numpy as np
import pytest
from scipy.special import expit, softmax
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.pipeline import make_pipeline

from tests.workers.transfer.training.scaler import FlooredScaler
from workers.transfer.data import Array
from workers.transfer.training.linear_models import Fitted, Problem, Space

BINARY = Problem("binary", 2)
CLASSES = Problem("multiclass", 3)
NUMBERS = Problem("regression", 0)


def _features(rows: int, width: int, seed: int = 0) -> Array:
    """Of very unlike means and deviations."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, width)) * 10.0 ** rng.uniform(-3, 3, width) + rng.normal(size=width)
    return x.astype(np.float32).astype(np.float64)


def _fitted(problem: Problem, x: Array, y: Array, strength: float, weight: Array | None = None) -> Fitted:
    space, z = Space.of(x)
    weight = np.ones(len(x)) if weight is None else weight
    return space.back(problem.fit(z, y, weight, [strength], lambda: None)[0])


def _reference(width: int, strength: float) -> Any:
    """The same model on features that are not divided by √D."""
    regression = LogisticRegression(C=strength / width, tol=1e-7, max_iter=20_000)
    return make_pipeline(FlooredScaler(), regression)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize(("rows", "width"), [(60, 7), (30, 90)])
def test_classes_are_told_apart_as_by_scikit_learns_pipeline(rows: int, width: int, strength: float) -> None:
    x, new = _features(rows, width), _features(20, width, seed=1)
    for problem, y in ((BINARY, np.arange(rows) % 2.0), (CLASSES, np.arange(rows) % 3.0)):
        kernel, bias = _fitted(problem, x, y, strength)
        logits = new @ kernel + bias
        p = softmax(logits, axis=1) if problem is CLASSES else expit(np.hstack([-logits, logits]))
        wanted = _reference(width, strength).fit(x, y).predict_proba(new)
        np.testing.assert_allclose(p, wanted, atol=1e-4)


@pytest.mark.parametrize("strength", [0.01, 1.0, 100.0])
@pytest.mark.parametrize(("rows", "width"), [(60, 7), (30, 90)])
def test_numbers_are_answered_as_by_ridge_regression(rows: int, width: int, strength: float) -> None:
    x, new = _features(rows, width), _features(20, width, seed=1)
    y = np.random.default_rng(2).normal(size=rows) + x[:, 0] / x[:, 0].std()
    kernel, bias = _fitted(NUMBERS, x, y, strength)
    wanted = make_pipeline(FlooredScaler(), Ridge(alpha=width / strength)).fit(x, y).predict(new)
    np.testing.assert_allclose((new @ kernel + bias)[:, 0], wanted, rtol=1e-8, atol=1e-9)


def test_a_rows_weight_is_as_so_many_equal_rows() -> None:
    rng = np.random.default_rng(3)
    x, y = _features(40, 5), (rng.random(40) < 0.4).astype(np.float64)
    weight = rng.integers(1, 4, 40).astype(np.float64)
    z = Space.of(x)[1]
    one = BINARY.fit(z, y, weight, [1.0], lambda: None)[0]
    times = np.repeat(np.arange(40), weight.astype(int))
    other = BINARY.fit(z[times], y[times], np.ones(len(times)), [1.0], lambda: None)[0]
    np.testing.assert_allclose(one.kernel, other.kernel, atol=1e-5)


def test_a_class_without_rows_keeps_a_small_share_and_changes_no_odds_of_the_others() -> None:
    x, y = _features(40, 5), np.arange(40) % 2 * 2.0  # of the classes 0, 1, 2 the middle one has none
    p = softmax(x @ _fitted(CLASSES, x, y, 1.0).kernel + _fitted(CLASSES, x, y, 1.0).bias, axis=1)
    two = _reference(5, 1.0).fit(x, y).predict_proba(x)
    assert 0.2 * 0.5 / 41.5 < p[:, 1].mean() < 5 * 0.5 / 41.5
    np.testing.assert_allclose(p[:, 2] / (p[:, 0] + p[:, 2]), two[:, 1], atol=1e-4)


@pytest.mark.parametrize(("problem", "share"), [(BINARY, 0.5 / 9), (CLASSES, 0.5 / 9.5)])
def test_rows_of_one_class_leave_the_others_half_a_row_each(problem: Problem, share: float) -> None:
    x = _features(8, 4)
    for label in (0.0, 1.0):
        kernel, bias = _fitted(problem, x, np.full(8, label), 1.0)
        assert not kernel.any()
        p = softmax(bias) if problem is CLASSES else np.hstack([expit(-bias), expit(bias)])
        wanted = np.full(len(p), share)
        wanted[int(label)] = 1 - share * (len(p) - 1)
        np.testing.assert_allclose(p, wanted, rtol=1e-12)


def test_constant_and_nearly_constant_features_are_not_read() -> None:
    x = _features(30, 4)
    x[:, 1] = 7.0
    x[:, 2] = np.float32(1e6) + np.spacing(np.float32(1e6)) * (np.arange(30) % 3)
    x[:, 3] = 1e-35 * (np.arange(30) % 2)
    kernel, bias = _fitted(BINARY, x, np.arange(30) % 2.0, 1.0)
    assert (kernel[1:] == 0).all()
    alone = _fitted(BINARY, x[:, :1], np.arange(30) % 2.0, 1.0)
    np.testing.assert_allclose(kernel[:1], alone.kernel)
    np.testing.assert_allclose(bias, alone.bias)


@pytest.mark.parametrize("problem", [BINARY, CLASSES, NUMBERS])
def test_a_single_row_is_answered_by_its_share_or_number(problem: Problem) -> None:
    kernel, bias = _fitted(problem, np.array([[1.0, -2.0, 5.0]]), np.array([1.0]), 1.0)
    assert not kernel.any()
    assert np.isfinite(bias).all()
    answer = bias.argmax() if problem is CLASSES else bias[0] > 0
    assert answer == 1


@pytest.mark.parametrize("size", [1e-25, 1e25])
def test_the_size_of_the_features_does_not_matter(size: float) -> None:
    x, y = _features(30, 40), np.arange(30) % 3.0
    own = _fitted(CLASSES, x, y, 10.0)
    other = _fitted(CLASSES, (x * size).astype(np.float32).astype(np.float64), y, 10.0)
    np.testing.assert_allclose(
        other.kernel * size, own.kernel, rtol=1e-2, atol=1e-4 * np.abs(own.kernel).max()
    )
    assert np.isfinite(other.kernel.astype(np.float32)).all()


def test_what_the_fit_ended_at_is_the_lowest_loss() -> None:
    x, y = _features(50, 6), np.arange(50) % 3.0
    z = Space.of(x)[1]
    kernel, bias = CLASSES.fit(z, y, np.ones(50), [10.0], lambda: None)[0]

    def loss(fitted: Fitted) -> float:
        return float(10 * CLASSES.losses(z, y, fitted).sum() + (fitted.kernel**2).sum() / 2)

    rng = np.random.default_rng(4)
    for _ in range(20):
        moved = Fitted(kernel + 1e-3 * rng.normal(size=kernel.shape), bias + 1e-3 * rng.normal(size=3))
        assert loss(Fitted(kernel, bias)) < loss(moved)
