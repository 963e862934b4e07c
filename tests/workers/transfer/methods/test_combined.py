from dataclasses import replace

import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Column
from workers.transfer.methods.combined import combined
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import leaves
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

FIT = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))
STRATEGIES = ["partial_copy", "adapter", "side_tuning", "progressive"]
CONVNET = {
    "kind": "convnet",
    "image_shape": [2, 2, 1],
    "filters": [3],
    "kernel_size": 2,
    "dense_units": [5, 4],
    "dropout": 0.0,
    "preprocessing": False,
    "max_categories": 10,
}


def _source(options, data):
    return scratch(options, data, FIT.named("")).network


def _combined(source, data, fit: Fit = FIT, options=None, **asked):
    return combined(source, options or source.options, data, fit.named(""), **asked)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_convolutional_source_can_be_joined_too(strategy, numbers):
    source = _source(CONVNET, numbers())
    made = _combined(source, numbers(seed=1), strategy=strategy)
    assert len(made.history.epochs) == 2
    copied = [layer for layer in made.receipt["layers"] if layer["origin"] == "copied"]
    assert any(layer["kind"] == "Conv2D" for layer in copied)


@pytest.mark.parametrize("strategy", ["adapter", "side_tuning", "progressive"])
def test_the_sources_layers_are_frozen_bit_for_bit_unless_they_are_to_learn(strategy, options, numbers):
    source = _source(options, numbers())
    before = [weight.tobytes() for weight in source.backbone.get_weights()]

    def of_source(**asked):
        made = _combined(source, numbers(seed=1), strategy=strategy, **asked)
        names = [
            f"{layer['part']}/{layer['layer']}"
            for layer in made.receipt["layers"]
            if layer["origin"] == "copied"
        ]
        layers = {f"backbone/{path}": layer for path, layer in leaves(made.network.backbone)}
        return [
            w.tobytes() for name in names if name.startswith("backbone") for w in layers[name].get_weights()
        ]

    assert set(of_source()) <= set(before)
    assert not set(of_source(source_learning_rate_factor=1.0)) <= set(before)


def test_adapters_leave_the_function_unchanged_at_step_0(options, numbers):
    source, data = _source(options, numbers()), numbers(seed=1)
    made = _combined(source, data, shared_fit(Training(0, 16, 0.01, seed=3)))
    np.testing.assert_array_equal(predict(made.network, data.test.inputs), predict(source, data.test.inputs))
    assert made.findings["branches"] == {"source": 1.0, "new": 0.0}


def test_alpha_finds_its_way_in_a_training_of_few_updates(plain_options, numbers):
    source, data = _source(plain_options, numbers(300)), numbers(seed=1)
    fit = shared_fit(Training(epochs=50, batch_size=16, learning_rate=0.001, seed=3))  # 200 updates
    alpha = _combined(source, data, fit, strategy="side_tuning").findings["alpha"]
    assert abs(alpha - 0.5) > 0.06  # at the others' rate it could not be further than 0.05


def test_side_tuning_blends_the_two_by_alpha(plain_options, numbers):
    source, data = _source(plain_options, numbers()), numbers(seed=1)
    made = _combined(source, data, strategy="side_tuning", options={**plain_options, "hidden_units": [5]})
    x = np.stack([data.test.inputs[f"x{n}"] for n in range(4)], axis=1)
    backbone = made.network.backbone
    b = np.asarray(backbone.get_layer("source")(x))
    s = np.asarray(backbone.get_layer("side_projection")(backbone.get_layer("side")(x)))
    alpha = made.findings["alpha"]
    assert alpha != 0.5
    np.testing.assert_allclose(np.asarray(backbone(x)), alpha * b + (1 - alpha) * s, atol=1e-5)


def test_partial_copy_keeps_the_first_layers_and_tells_which(options, numbers):
    deep = {**options, "hidden_units": [8, 7, 6]}
    source = _source(deep, numbers())
    receipt = _combined(source, numbers(seed=1), strategy="partial_copy", copied_layers=1).receipt
    origins = {layer["layer"]: layer["origin"] for layer in receipt["layers"] if layer["part"] == "backbone"}
    assert origins["dense_1"] == "copied"
    assert (origins["new_dense_2"], origins["new_dense_3"]) == ("new", "new")
    with pytest.raises(ValueError, match="Expected at most 3 layers"):
        _combined(source, numbers(), strategy="partial_copy", copied_layers=4)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_other_columns_are_mapped_in_every_strategy(strategy, options, numbers, mixed):
    source = _source(options, mixed)
    rng = np.random.default_rng(0)
    data = numbers()
    columns = (Column("age", "number"), *data.signature.columns)
    parts = [
        replace(rows, inputs={"age": rng.normal(50, 10, len(rows)).astype(np.float32), **rows.inputs})
        for rows in (data.train, data.validation, data.test)
    ]
    data = type(data)(replace(data.signature, columns=columns), *parts)
    receipt = _combined(source, data, strategy=strategy).receipt
    partly = [layer["layer"] for layer in receipt["layers"] if layer["origin"] == "partly copied"]
    assert any(path.endswith("dense_1") for path in partly)


def test_a_combined_network_can_be_the_source_of_another(options, numbers):
    first = _combined(_source(options, numbers()), numbers(seed=1), strategy="side_tuning").network
    made = _combined(first, numbers(seed=2), strategy="adapter")
    assert len(made.history.epochs) == 2
    with pytest.raises(ValueError, match="one that branches"):
        _combined(first, numbers(), strategy="progressive")
