"""Logistic and ridge regression with C by cross-validation, against scikit-learn's own."""

import numpy as np
import pytest
import scipy.sparse
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

from workers.transfer.baselines.learners import Problem
from workers.transfer.baselines.linear import STRENGTHS, folds, linear
from workers.transfer.tasks import LabelUnit


def _classes(rows: int, width: int, k: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    x = rng.normal(2, 3, (rows, width))
    y = np.digitize(x[:, 0] - x[:, 1] + 3 * rng.normal(size=rows), [-2, 2][: k - 1])
    return x, y


def _pipeline(width: int, model):
    """Standardised features over √d, as one would write it down."""
    return make_pipeline(StandardScaler(), FunctionTransformer(lambda x: x / np.sqrt(width)), model)


@pytest.mark.parametrize(("rows", "width"), [(90, 4), (40, 100)], ids=["more rows", "more features"])
def test_c_is_the_best_of_five_folds_and_the_model_scikit_learns(rows: int, width: int) -> None:
    x, y = _classes(rows, width)
    fold = folds(rows, y, seed=1)
    losses = []
    for c in STRENGTHS:
        p = np.empty((rows, 3))
        for number in range(fold.max() + 1):
            model = _pipeline(width, LogisticRegression(C=c, tol=1e-8, max_iter=10_000))
            p[fold == number] = model.fit(x[fold != number], y[fold != number]).predict_proba(
                x[fold == number]
            )
        losses.append(log_loss(y, p))
    model = _pipeline(
        width, LogisticRegression(C=STRENGTHS[int(np.argmin(losses))], tol=1e-8, max_iter=10_000)
    )
    answers = linear(x, y, np.ones(rows), Problem("multiclass", 3, None, seed=1))
    np.testing.assert_allclose(answers(x), model.fit(x, y).predict_proba(x), atol=2e-4)


def test_a_number_is_answered_by_ridge_regression_in_its_own_unit() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(60, 5))
    y = 1e6 + 1000 * (x[:, :1] + 0.1 * rng.normal(size=(60, 1)))
    ours = linear(x, y, np.ones(60), Problem("regression", 0, LabelUnit.of(y), seed=0))(x)
    fits = [_pipeline(5, Ridge(1 / c)).fit(x, y[:, 0]).predict(x) for c in STRENGTHS]
    assert min(np.abs(ours[:, 0] - fit).max() for fit in fits) < 0.2
    assert np.abs(ours - y).mean() < 150  # the noise is 100


def test_sparse_features_are_taken_as_they_are() -> None:
    x, y = _classes(80, 6, k=2)
    x = np.where(x > 2, x, 0) / 10
    problem, ones = Problem("binary", 2, None, seed=0), np.ones(80)
    p = linear(scipy.sparse.csr_matrix(x), y.astype(np.float32)[:, None], ones, problem)(
        scipy.sparse.csr_matrix(x)
    )
    fits = [
        LogisticRegression(C=c, tol=1e-8, max_iter=10_000).fit(x, y).predict_proba(x)[:, 1] for c in STRENGTHS
    ]
    assert min(np.abs(p[:, 0] - fit).max() for fit in fits) < 1e-3


def test_weights_count_as_copies_of_a_row() -> None:
    x, y = _classes(30, 3, k=2)
    weights = np.where(y == 1, 3.0, 1.0)
    problem = Problem("binary", 2, None, seed=0)
    ours = linear(x, y.astype(np.float32)[:, None], weights, problem)(x)[:, 0]
    fits = []
    for c in STRENGTHS:
        scaler = StandardScaler().fit(x)
        z = scaler.transform(x) / np.sqrt(3)
        times = np.repeat(np.arange(30), weights.astype(int))
        # The weights' mean is 1 in the loss, so C is theirs over it.
        model = LogisticRegression(C=c / weights.mean(), tol=1e-8, max_iter=10_000).fit(z[times], y[times])
        fits.append(model.predict_proba(z)[:, 1])
    assert min(np.abs(ours - fit).max() for fit in fits) < 1e-3


def test_each_fold_has_its_share_of_each_class_and_the_one_row_of_a_class_none() -> None:
    classes = np.array([0] * 10 + [1] * 5 + [2])
    fold = folds(16, classes, seed=0)
    assert fold[15] == -1
    assert [np.bincount(classes[fold == number]).tolist() for number in range(5)] == [[2, 1]] * 5


@pytest.mark.parametrize("classes", [[0, 1], [0, 0, 0, 1], [0]])
def test_nothing_is_held_out_where_two_classes_would_not_remain(classes: list[int]) -> None:
    assert set(folds(len(classes), np.array(classes), seed=0)) == {-1}
