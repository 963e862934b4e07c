"""The cross-validated log-likelihood, against scikit-learn, one fold and C after the other."""

import numpy as np
import pytest
from scipy.special import logsumexp, softmax
from sklearn.linear_model import LogisticRegression, Ridge

from tests.workers.transfer.choosing.scores.features import CASES, Case, case
from workers.transfer.choosing.scores.linear_probe import out_of_fold

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0)


def scaled(x, train):
    """Standardised by the train rows, not by less than the usual deviation, and over √D."""
    deviations = x[train].std(axis=0)
    usual = np.sqrt((deviations**2).mean())
    return (x - x[train].mean(axis=0)) / np.maximum(deviations, usual) / np.sqrt(x.shape[1])


def probabilities(one: Case, train, held, c: float):
    """Of every class; one without rows has ½ / (n + k/2) on average."""
    z = scaled(one.x, train)
    present = np.unique(one.y[train])
    model = LogisticRegression(C=c, tol=1e-10, max_iter=100_000).fit(z[train], one.y[train])
    logits = [
        model.intercept_ + z[rows] @ model.coef_.T if len(present) > 2 else
        np.outer(model.intercept_ + z[rows] @ model.coef_[0], [-0.5, 0.5]) for rows in (train, held)
    ]  # fmt: skip
    missing = one.classes - len(present)
    share = 0.5 / (train.sum() + one.classes / 2)
    size = logsumexp(logits[0], axis=1).mean()
    whole = np.full((held.sum(), one.classes), size + np.log(share))
    whole[:, present] = logits[1] + np.log(1 - missing * share)
    return softmax(whole, axis=1)


@pytest.mark.parametrize("name", CASES)
def test_each_fold_is_answered_at_the_c_that_is_best_on_the_others(name: str) -> None:
    one = CASES[name]
    held = [one.fold == number for number in range(5)]
    p = [[probabilities(one, ~rows, rows, c) for c in STRENGTHS] for rows in held]
    losses = np.array(
        [
            [-np.log(q[np.arange(rows.sum()), one.y[rows]]).sum() for q in by_c]
            for by_c, rows in zip(p, held, strict=True)
        ]
    )
    expected = np.empty((len(one.y), one.classes))
    for number, rows in enumerate(held):
        expected[rows] = p[number][int((losses.sum(axis=0) - losses[number]).argmin())]
    task = "binary" if one.classes == 2 else "multiclass"
    found = out_of_fold(one.x, one.y, task, one.classes, one.fold).predictions
    found = np.concatenate([1 - found, found], axis=1) if task == "binary" else found
    right = np.arange(len(one.y)), one.y
    assert np.log(found[right]).mean() == pytest.approx(np.log(expected[right]).mean(), abs=1e-6)


def test_numbers_are_answered_by_ridge_regression() -> None:
    one = case(50, 70)
    y = one.x[:, 0] + np.random.default_rng(1).normal(size=50)
    fits = np.empty((5, 5, 10))
    for number in range(5):
        train = one.fold != number
        z = scaled(one.x, train)
        for place, c in enumerate(STRENGTHS):
            fits[number, place] = Ridge(1 / c).fit(z[train], y[train]).predict(z[~train])
    truth = np.stack([y[one.fold == number] for number in range(5)])
    squares = ((fits - truth[:, None]) ** 2).sum(axis=2)
    best = (squares.sum(axis=0) - squares).argmin(axis=1)
    found = out_of_fold(one.x, y, "regression", 0, one.fold)
    for number in range(5):
        ours = found.predictions[one.fold == number, 0]
        np.testing.assert_allclose(ours, fits[number, best[number]], atol=1e-6)
        assert found.strengths[number, 0] == STRENGTHS[best[number]]


def test_each_label_of_several_has_its_own_c_and_rows_held_out_in_no_fold_have_no_answer() -> None:
    one = case(60, 8, 2)
    noise = np.random.default_rng(2).integers(0, 2, 60)
    fold = np.where(np.arange(60) < 3, -1, one.fold)
    found = out_of_fold(one.x, np.stack([one.y, noise], axis=1), "multilabel", 2, fold)
    assert found.strengths.shape == (5, 2)
    assert np.isnan(found.predictions[:3]).all()
    assert np.isfinite(found.predictions[3:]).all()
    alone = out_of_fold(one.x, one.y, "binary", 2, fold)
    np.testing.assert_allclose(found.predictions[3:, :1], alone.predictions[3:], atol=1e-12)
