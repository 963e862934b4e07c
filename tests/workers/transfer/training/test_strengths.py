"""The choice of C against folds that are computed apart, and what it does with few rows."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import log_loss
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from tests.workers.transfer.training.scaler import FlooredScaler
from workers.transfer.data import Array, Task
from workers.transfer.training import strengths
from workers.transfer.training.strengths import FIXED, STRENGTHS, Content, LinearModel, fit_linear


def _features(rows: int, width: int, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(rows, width)).astype(np.float32)


def _targets(x: Array, task: Task, noise: float = 1.0) -> Array:
    score = x[:, 0] + noise * np.random.default_rng(9).normal(size=len(x))
    if task == "binary":
        return (score > 0).astype(np.float32).reshape(-1, 1)
    if task == "multiclass":
        return np.digitize(score, [-0.5, 0.5])
    if task == "multilabel":
        return np.stack([score > 0, score > 1, x[:, -1] > 0], axis=1).astype(np.float32)
    return score.astype(np.float32).reshape(-1, 1)


def _fit(x: Array, y: Array, task: Task, weights: Array | None = None, **hooks: Any) -> LinearModel:
    weights = np.ones(len(x), np.float32) if weights is None else weights
    return fit_linear(
        x, y, task, 0 if task == "regression" else 3, weights, Content.of(x, y, weights), **hooks
    )


def _folds(x: Array, y: Array) -> list[Array]:
    """The places held out in each fold: every fifth row by target, then content."""
    order = Content.of(x, y, np.ones(len(x), np.float32)).order
    return [order[number::5] for number in range(5)]


@pytest.mark.parametrize("width", [6, 60])
@pytest.mark.parametrize("task", ["multiclass", "regression"])
def test_c_has_the_lowest_loss_of_pipelines_that_are_fitted_without_the_fold(task: Task, width: int) -> None:
    x = _features(50, width)
    y = _targets(x, task)
    report = _fit(x, y, task).report
    with threadpool_limits(1):
        _assert_tried(report, x, y, task)
    best = min(report["tried"], key=lambda told: told["loss"])
    assert (report["C"], report["by"], report["folds"]) == (best["C"], "cross-validation", 5)


def _assert_tried(report: dict[str, Any], x: Array, y: Array, task: Task) -> None:
    width = x.shape[1]
    for told, strength in zip(report["tried"], STRENGTHS, strict=True):
        model = Ridge(alpha=width / strength)
        if task == "multiclass":
            model = LogisticRegression(C=strength / width, tol=1e-6, max_iter=20_000)
        losses = []
        for held_out in _folds(x, y):
            train = np.setdiff1d(np.arange(50), held_out)
            pipeline = make_pipeline(FlooredScaler(), model).fit(x[train].astype(float), y[train].reshape(-1))
            if task == "multiclass":
                p = pipeline.predict_proba(x[held_out].astype(float))
                losses.append(log_loss(y[held_out], p, labels=[0, 1, 2], normalize=False))
            else:
                losses.append(((pipeline.predict(x[held_out].astype(float)) - y[held_out, 0]) ** 2).sum())
        assert told["loss"] == pytest.approx(sum(losses) / 50, rel=1e-3)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
def test_the_order_of_the_rows_changes_no_bit(task: Task) -> None:
    x = _features(40, 50)
    y = _targets(x, task)
    one, other = _fit(x, y, task), None
    for seed in range(3):
        order = np.random.default_rng(seed).permutation(40)
        other = _fit(x[order], y[order], task)
        assert other.report == one.report
        assert all(np.array_equal(a, b) for a, b in zip(one.fitted, other.fitted, strict=True))


def test_each_label_has_a_c_of_its_own() -> None:
    x = _features(60, 40)
    y = _targets(x, "multilabel")
    y[:, 1] = np.random.default_rng(3).random(60) < 0.5
    report = _fit(x, y, "multilabel").report
    assert len(report["C"]) == 3
    assert report["C"][1] < report["C"][2]


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("rows", [1, 2, 3, 5])
@pytest.mark.parametrize("width", [1, 4, 30])
def test_few_rows_of_any_labels_give_finite_models(rows: int, width: int, task: Task) -> None:
    for seed in range(3):
        x = _features(rows, width, seed) * np.float32(10.0 ** (seed - 1))
        y = _targets(x, task)
        model = _fit(x, y, task)
        assert all(np.isfinite(values).all() for values in model.fitted)
        assert model.fitted.kernel.shape == (width, {"binary": 1, "regression": 1}.get(task, 3))


def test_a_class_of_one_row_is_never_held_out_and_two_classes_choose() -> None:
    x = _features(21, 4)
    y = np.array([0] * 10 + [1] * 10 + [2])
    report = _fit(x, y, "multiclass").report
    assert (report["by"], report["folds"]) == ("cross-validation", 5)


def test_a_class_of_one_row_beside_one_other_has_the_fixed_c() -> None:
    x = _features(11, 4)
    for task, y in (
        ("binary", np.array([0.0] * 10 + [1.0], np.float32).reshape(-1, 1)),
        ("multiclass", np.array([0] * 10 + [2])),
    ):
        report = _fit(x, y, task).report  # type: ignore[arg-type]
        assert (report["C"], report["by"]) == (FIXED, "fixed")


def test_the_smallest_class_says_how_many_folds_there_are() -> None:
    x = _features(13, 4)
    assert _fit(x, np.array([0] * 5 + [1] * 5 + [2] * 3), "multiclass").report["folds"] == 3


def test_a_label_that_all_rows_have_is_told_to_be_likely_and_spoils_no_other() -> None:
    x = _features(40, 6)
    y = _targets(x, "multilabel")
    both = _fit(x, y[:, [0, 2, 2]], "multilabel")
    y[:, 1] = 1
    model = _fit(x, y[:, [0, 1, 2]], "multilabel")
    assert not model.fitted.kernel[:, 1].any()
    assert 1 / (1 + np.exp(-model.fitted.bias[1])) == pytest.approx(40.5 / 41)
    assert model.report["C"][1] == FIXED
    np.testing.assert_allclose(model.fitted.kernel[:, 2], both.fitted.kernel[:, 2], atol=0.05)


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_constant_features_leave_the_mean_answer(task: Task) -> None:
    x = np.full((20, 5), 3.0, np.float32)
    y = (np.arange(20) < 5).astype(np.float32).reshape(-1, 1)
    model = _fit(x, y, task)
    assert not model.fitted.kernel.any()
    answer = model.fitted.bias[0]
    assert (1 / (1 + np.exp(-answer)) if task == "binary" else answer) == pytest.approx(0.25, abs=1e-4)
    assert (model.report["C"], model.report["by"]) == (STRENGTHS[0], "cross-validation")  # all are equal


def test_numbers_that_are_all_equal_are_answered() -> None:
    model = _fit(_features(10, 3), np.full((10, 1), 4.5, np.float32), "regression")
    np.testing.assert_allclose(model.fitted.kernel, 0, atol=1e-12)
    assert model.fitted.bias[0] == pytest.approx(4.5)


def test_rows_of_weight_0_are_as_if_they_were_not_there() -> None:
    x = _features(40, 6)
    y = _targets(x, "multiclass")
    weights = (y != 1).astype(np.float32)
    one, other = _fit(x, y, "multiclass", weights), _fit(x[y != 1], y[y != 1], "multiclass")
    np.testing.assert_array_equal(one.fitted.kernel, other.fitted.kernel)
    nothing = _fit(x, y, "multiclass", np.zeros(40, np.float32)).fitted
    assert not nothing.kernel.any()
    assert not nothing.bias.any()


def test_a_factor_on_all_weights_changes_nothing() -> None:
    x = _features(40, 6)
    y = _targets(x, "binary")
    weights = np.where(y[:, 0] > 0, 3.0, 1.0).astype(np.float32)
    one, other = _fit(x, y, "binary", weights), _fit(x, y, "binary", 8 * weights)
    np.testing.assert_allclose(one.fitted.kernel, other.fitted.kernel, rtol=1e-12)


def test_of_many_rows_some_choose_c_and_as_many_are_fitted_as_fit_into_memory(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(strengths, "CHOICE_ROWS", 40)
    monkeypatch.setattr(strengths, "MOST_VALUES", 4 * 150)
    x = _features(400, 4)
    np.save(tmp_path / "x.npy", x)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    y = _targets(x, "multiclass", noise=0.1)
    y[7], y[x[:, 0] < -0.5] = 2, 0
    y[(y == 1)] = 0
    y[[3, 200]] = 1  # a class of two rows is in every sample
    model = _fit(mapped, y, "multiclass")
    assert 40 <= model.report["rows_to_choose"] <= 46
    assert 150 <= model.report["rows"] <= 156
    assert (np.abs(model.fitted.kernel).max(axis=0) > 0).all()


def test_a_pause_comes_between_any_two_fits_and_may_end_them() -> None:
    x = _features(40, 6)
    asked: list[int] = []
    _fit(x, _targets(x, "multilabel"), "multilabel", pause=lambda: asked.append(1))
    assert len(asked) == 5 * 3 * len(STRENGTHS) + 3


def test_folds_that_are_kept_are_taken() -> None:
    x = _features(40, 6)
    y = _targets(x, "multiclass")
    folds: dict[str, Any] = {}

    def keep(name: str, compute: Any) -> Any:
        folds[name] = folds.get(name) or compute()
        return folds[name]

    one = _fit(x, y, "multiclass", kept=keep)
    asked: list[int] = []
    other = _fit(x, y, "multiclass", kept=keep, pause=lambda: asked.append(1))
    assert len(asked) == 1  # the last fit, on all rows
    assert np.array_equal(one.fitted.kernel, other.fitted.kernel)
