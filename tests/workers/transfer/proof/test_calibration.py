import re
from pathlib import Path

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import brier_score_loss, log_loss

from workers.transfer.proof.calibration import (
    LEAST_ROWS,
    brier,
    calibrate,
    calibration_error,
    nll,
    rescaled,
    squared_error,
    temperature,
)
from workers.transfer.proof.several import holm


def _binary(rows: int = 300):
    rng = np.random.default_rng(0)
    p = rng.random((rows, 1))
    return (rng.random((rows, 1)) < p).astype(np.float32), p


def test_a_sure_and_always_right_model_has_no_error():
    y = np.array([[0.0], [1.0], [1.0]])
    assert (calibration_error("binary", y, y), brier("binary", y, y)) == (0, 0)


def test_the_squared_error_of_one_bin_is_the_gaps_less_what_kumar_et_al_take_from_it():
    y, p = np.array([0, 0, 0, 1]), np.tile([0.9, 0.05, 0.05], (4, 1))
    expected = (0.75 - 0.9) ** 2 - 0.75 * 0.25 / 3
    assert squared_error("multiclass", y, p, bins=1) == pytest.approx(expected)
    assert calibration_error("multiclass", y, p) == 0.0  # below 0


@pytest.mark.parametrize("rows", [100, 137, 400])
def test_it_is_the_mean_product_of_the_gaps_of_two_rows_of_a_bin(rows: int):
    """Worked out pair by pair, over bins cut from the sorted confidences."""
    y, p = _binary(rows)
    sure, right = np.maximum(p, 1 - p).ravel(), ((p > 0.5) == (y > 0.5)).ravel()
    count = min(15, rows // 10)
    ends = [np.quantile(sure, share / count) for share in range(1, count)]
    total = 0.0
    for low, high in zip([-1.0, *ends], [*ends, 2.0], strict=True):
        gaps = [float(r) - s for r, s in zip(right, sure, strict=True) if low < s <= high]
        pairs = [one * other for i, one in enumerate(gaps) for j, other in enumerate(gaps) if i != j]
        total += len(gaps) / rows * sum(pairs) / len(pairs)
    assert squared_error("binary", y, p) == pytest.approx(total)


@pytest.mark.parametrize(("rows", "most"), [(100, 0.05), (400, 0.03), (4000, 0.01)])
def test_of_a_calibrated_model_nothing_is_left_but_chance(rows: int, most: float):
    """As it is usually worked out, the error of 150 rows of such a model is about .10."""
    rng = np.random.default_rng(rows)
    found = []
    for _ in range(300):
        p = rng.beta(2, 2, (rows, 1))
        found.append(squared_error("binary", (rng.random((rows, 1)) < p).astype(float), p))
    assert abs(np.mean(found)) < 4 * np.std(found) / np.sqrt(len(found))
    assert np.mean(np.sqrt(np.maximum(found, 0))) < most


def test_of_a_model_that_is_too_sure_it_is_the_gap():
    rng = np.random.default_rng(0)
    p = np.full((5000, 1), 0.9)
    y = (rng.random((5000, 1)) < 0.7).astype(float)
    assert calibration_error("binary", y, p) == pytest.approx(0.2, abs=0.02)


def test_rows_of_one_confidence_beside_a_lone_one_share_a_bin():
    p = np.append(np.full(149, 0.8), 0.6).reshape(-1, 1)
    y = np.append(np.arange(149) % 5 > 0, 0).reshape(-1, 1).astype(float)
    gaps = (y > 0.5).ravel() - p.ravel()
    pairs = (gaps.sum() ** 2 - (gaps**2).sum()) / (150 * 149)
    assert squared_error("binary", y, p) == pytest.approx(pairs)


def test_it_is_not_told_of_few_rows():
    y, p = _binary(LEAST_ROWS)
    for rows in (LEAST_ROWS - 1, LEAST_ROWS):
        told = calibrate("binary", y, p, y[:rows], p[:rows])
        assert (told["before"]["calibration_error"] is not None) == (rows == LEAST_ROWS)
        assert (told["after"]["calibration_error"] is not None) == (rows == LEAST_ROWS)
        assert told["before"]["brier"] > 0
    two = np.tile(y[:60], (1, 2))
    assert calibrate("multilabel", None, None, two, two)["before"]["calibration_error"] is None


def test_brier_and_nll_are_scikit_learns():
    y, p = _binary()
    assert brier("binary", y, p) == pytest.approx(brier_score_loss(y.ravel(), p.ravel()))
    assert nll("binary", y, p) == pytest.approx(log_loss(y.ravel(), p.ravel()), abs=1e-6)
    q = np.concatenate([1 - p, p], axis=1)
    assert brier("multiclass", y.ravel(), q) == pytest.approx(2 * brier("binary", y, p))


def test_the_temperature_that_made_the_logits_too_sure_is_found_again():
    rng = np.random.default_rng(0)
    z = rng.normal(size=(20_000, 3))
    y = np.array([rng.choice(3, p=row) for row in softmax(z, axis=1)])
    assert temperature("multiclass", y, softmax(3 * z, axis=1)) == pytest.approx(3, rel=0.05)


def test_a_temperature_of_one_changes_nothing_and_a_high_one_leaves_nothing():
    _, p = _binary()
    np.testing.assert_allclose(rescaled("binary", p, 1.0), p, atol=1e-9)
    assert np.abs(rescaled("binary", p, 1e6) - 0.5).max() < 1e-4


def test_scaling_never_raises_the_loss_on_the_rows_it_is_fitted_on():
    y, p = _binary()
    sure = rescaled("binary", p, 0.3)
    told = calibrate("binary", y, sure, y, sure)
    assert told["after"]["nll"] < told["before"]["nll"]
    assert told["temperature"] > 1


def test_without_validation_rows_nothing_is_fitted():
    y, p = _binary()
    told = calibrate("binary", None, None, y, p)
    assert (told["temperature"], told["after"]) == (None, None)


def test_the_documentations_lines_come_to_the_same():
    page = (Path(__file__).parents[4] / "docs" / "proof.md").read_text(encoding="utf-8")
    programs = re.findall(r"```python\n(.*?)```", page, flags=re.S)
    (holms, kumars) = [code for code in programs if "accumulate" in code or "squared_error" in code]
    known: dict = {"np": np}
    exec(holms, known)
    np.testing.assert_allclose(known["corrected"], holm(known["p"].tolist()))
    exec(kumars, known)
    y, p = _binary(250)
    right, sure = ((p > 0.5) == (y > 0.5)).ravel(), np.maximum(p, 1 - p).ravel()
    assert known["squared_error"](right, sure) == pytest.approx(squared_error("binary", y, p))
