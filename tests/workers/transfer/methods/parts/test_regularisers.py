import numpy as np
import pytest
import tensorflow as tf

from tests.workers.transfer.traces import shared_fit
from workers.transfer.methods.parts.regularisers import bss, co_tuning, l2_sp, relation
from workers.transfer.networks.network import build
from workers.transfer.training.objective import Objective, Seen
from workers.transfer.training.options import Training


def _seen(objective, **values) -> Seen:
    blank = {"task": "binary", "y": None, "weight": None, "p": None, "taps": {}, "extras": {}, "helpers": ()}
    return Seen(**{**blank, "helpers": objective.helpers, **values})


def test_spectral_shrinkage_is_the_smallest_squared_singular_value(plain_options, numbers):
    objective = bss(build(plain_options, numbers(), 0), 0.5)
    features = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    value = objective.terms[0](_seen(objective, taps={objective.taps[0]: tf.constant(features)}))
    smallest = np.linalg.svd(features, compute_uv=False).min()
    assert float(value) == pytest.approx(0.5 * smallest**2, rel=1e-3)


@pytest.mark.parametrize("has_new_head", [True, False])
def test_l2_sp_draws_to_the_source_and_a_new_head_alone_to_zero(has_new_head, plain_options, numbers):
    data = numbers(40)
    source, free, drawn = (build(plain_options, data, seed) for seed in (0, 1, 1))
    before = drawn.model.get_weights()
    one_step = Training(epochs=1, batch_size=1000, learning_rate=0.01, seed=0, shuffle=False)
    shared_fit(one_step)(free, data)
    term = l2_sp(source, 0.5, has_new_head=has_new_head)
    shared_fit(one_step)(drawn, data, objective=Objective() + term)
    head = [0 * weight if has_new_head else weight for weight in source.head.get_weights()]
    strengths = [0.5] * 4 + [0.01 if has_new_head else 0.5] * 2
    wanted = [*source.backbone.get_weights(), *head]
    for own, base, w, w0, alpha in zip(
        drawn.model.get_weights(), free.model.get_weights(), before, wanted, strengths, strict=True
    ):
        np.testing.assert_allclose(own, base - 0.01 * alpha * (w - w0), atol=1e-7)


def test_the_relation_of_classes_is_the_mean_prediction_of_each_target_class():
    rng = np.random.default_rng(0)
    predicted, y = rng.dirichlet(np.ones(3), 30), rng.integers(0, 2, 30)
    expected = np.zeros((2, 3))
    for row, k in zip(predicted, y, strict=True):
        expected[k] += row / np.sum(y == k)
    found = relation(predicted, y, 3)
    np.testing.assert_allclose(found[:2], expected)
    np.testing.assert_allclose(found[2], 1 / 3)  # a class without a row


def test_co_tuning_is_the_cross_entropy_to_the_sources_classes(plain_options, numbers):
    source = build(plain_options, numbers(task="multiclass"), 0)
    data = numbers()
    start = build(plain_options, data, 1)
    objective = co_tuning(source, start, data, 2.0)
    h = np.random.default_rng(0).normal(size=(len(data.train), 8)).astype(np.float32)
    z = h @ source.head.get_weights()[0] + source.head.get_weights()[1]
    q = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    expected = -2.0 * np.mean(np.sum(objective.extras["co_tuning"] * np.log(q), axis=1))
    seen = _seen(objective, taps={objective.taps[0]: tf.constant(h)}, extras=dict(objective.extras))
    assert float(objective.terms[0](seen)) == pytest.approx(expected, rel=1e-4)


def test_co_tuning_of_a_regression_is_refused(plain_options, numbers):
    source = build(plain_options, numbers(task="regression"), 0)
    with pytest.raises(ValueError, match="Expected one class a row in source and target"):
        co_tuning(source, source, numbers(), 1.0)
