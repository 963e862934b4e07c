import keras
import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.methods.parts.receipt import Origin, weight_values, write_receipt
from workers.transfer.networks.network import PARTS, build, join
from workers.transfer.training.options import Training

FIT = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))
COPIED = dict.fromkeys(PARTS, Origin("copied", "for the test"))


def _weights(receipt, layer: str):
    (found,) = [one for one in receipt["layers"] if one["layer"] == layer]
    return {weight["name"]: weight for weight in found["weights"]}


@pytest.mark.parametrize(("rates", "state"), [({}, "trained"), ({"backbone": 0.0}, "frozen")])
def test_what_a_batch_normalisation_counts_is_trained_where_it_is(rates, state, plain_options, numbers):
    data = numbers()
    network = build(plain_options, data, 0)
    layers = [*network.backbone.layers, keras.layers.BatchNormalization(name="norm")]
    backbone = keras.Sequential([keras.Input((4,)), *layers], name="backbone")
    network = join(network.preprocessing, backbone, network.head, data.signature, plain_options)
    start = weight_values(network)
    FIT.named("")(network, data, rates=rates)
    receipt = write_receipt(network, start, COPIED, rates)
    for name in ("moving_mean", "moving_variance", "gamma"):
        weight = _weights(receipt, "norm")[name]
        assert (weight["training"], weight["distance"] > 0) == (state, state == "trained")


def test_near_zero_weights_tell_how_far_they_moved_and_no_share(plain_options, numbers):
    data = numbers()
    network = build(plain_options, data, 0)
    small, start = network.backbone.get_layer("dense_1"), {}
    small.set_weights([small.kernel.numpy(), np.full(8, 1e-6, np.float32)])
    start = weight_values(network)
    FIT.named("")(network, data)
    weights = _weights(write_receipt(network, start, COPIED), "dense_1")
    end = small.bias.numpy().astype(np.float64)
    assert weights["bias"]["moved"] is None
    assert weights["bias"]["distance"] == pytest.approx(np.linalg.norm(end - start["backbone/dense_1/bias"]))
    kernel, before = small.kernel.numpy().astype(np.float64), start["backbone/dense_1/kernel"]
    expected = np.linalg.norm(kernel - before) / np.linalg.norm(before)
    assert weights["kernel"]["moved"] == pytest.approx(expected)


def test_frozen_preprocessing_is_counted(options, numbers):
    data = numbers()
    network = build(options, data, 0)
    start = weight_values(network)
    FIT.named("")(network, data)
    totals = write_receipt(network, start, COPIED)["totals"]
    assert totals["frozen"] == network.preprocessing.count_params() > 0
    assert totals["trained"] + totals["frozen"] == totals["parameters"] == network.model.count_params()
