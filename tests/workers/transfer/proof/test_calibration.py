import numpy as np
import pytest
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from workers.transfer.proof.calibration import brier, calibrate, ece, nll, rescaled, temperature


def _binary(rows: int = 300):
    rng = np.random.default_rng(0)
    p = rng.random((rows, 1))
    return (rng.random((rows, 1)) < p).astype(np.float32), p


def test_a_sure_and_always_right_model_has_no_error():
    y = np.array([[0.0], [1.0], [1.0]])
    assert (ece("binary", y, y), brier("binary", y, y)) == (0, 0)


def test_the_error_of_one_bin_is_the_gap_of_confidence_and_accuracy():
    y, p = np.array([0, 0, 0, 1]), np.tile([0.9, 0.05, 0.05], (4, 1))
    assert ece("multiclass", y, p, bins=1) == pytest.approx(abs(0.75 - 0.9))


def test_equal_mass_bins_are_scikit_learns_quantile_bins():
    y, p = _binary()
    sure = np.maximum(p, 1 - p).ravel()
    right = ((p > 0.5) == (y > 0.5)).ravel()
    shares, means = calibration_curve(right, sure, n_bins=15, strategy="quantile")
    assert ece("binary", y, p) == pytest.approx(np.mean(np.abs(shares - means)), abs=1e-6)


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
