import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from workers.transfer.data import Column, Data
from workers.transfer.fitting import Fit, Training
from workers.transfer.methods.parameter import parameter
from workers.transfer.network import build, weights_digest
from workers.transfer.scratch import scratch

FIT = Fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))


def _layers(receipt, part: str):
    return [layer for layer in receipt["layers"] if layer["part"] == part]


def test_full_transfer_equals_a_plain_keras_script(plain_options, numbers):
    source, target = numbers(150, seed=0), numbers(90, seed=1)
    fit = Fit(Training(epochs=10, batch_size=32, learning_rate=0.001, seed=3, shuffle=False))
    network = scratch(plain_options, source, fit).network
    ours = parameter(network, target, fit, backbone_learning_rate_factor=1.0).network

    def plain() -> keras.Sequential:
        dense = keras.layers.Dense
        model = keras.Sequential([keras.Input((4,)), dense(8, "relu"), dense(8, "relu"), dense(1, "sigmoid")])
        model.compile(keras.optimizers.Adam(0.001), loss="binary_crossentropy")
        return model

    def train(model: keras.Sequential, data: Data) -> None:
        x = np.stack([data.train.inputs[f"x{number}"] for number in range(4)], axis=1)
        model.fit(x, data.train.targets, epochs=10, batch_size=32, shuffle=False, verbose=0)

    first, second = plain(), plain()
    first.set_weights(build(plain_options, source, 3).model.get_weights())
    train(first, source)
    second.set_weights(first.get_weights())
    train(second, target)
    for own, other in zip(ours.model.get_weights(), second.get_weights(), strict=True):
        assert np.abs(own - other).max() <= 1e-6


def test_the_source_is_left_as_it_is(options, numbers):
    source = scratch(options, numbers(), FIT).network
    before = weights_digest(source)
    parameter(source, numbers(seed=1), FIT)
    assert weights_digest(source) == before


def test_equal_classes_copy_the_head(options, numbers):
    source = scratch(options, numbers(), FIT).network
    receipt = parameter(source, numbers(seed=1), FIT).receipt
    assert {layer["origin"] for layer in receipt["layers"]} == {"copied"}
    assert receipt["totals"]["coverage"] == 1.0


def test_a_copied_regression_head_keeps_the_sources_unit(options, numbers):
    source = scratch(options, numbers(task="regression"), FIT).network
    network = parameter(source, numbers(seed=1, task="regression"), FIT).network
    assert network.head.layers[-1].get_config() == source.head.layers[-1].get_config()


def test_other_classes_of_the_same_number_reinitialise_the_head_and_say_why(options, numbers):
    source = scratch(options, numbers(task="multiclass", classes=("0", "1", "2")), FIT).network
    receipt = parameter(source, numbers(task="multiclass", classes=("5", "6", "7")), FIT).receipt
    (head,) = _layers(receipt, "head")
    assert head["origin"] == "reinitialised"
    assert head["why"] == "the target has other classes: source 0,1,2, target 5,6,7"


def test_another_task_gets_a_new_head_and_says_why(options, numbers):
    source = scratch(options, numbers(task="multiclass"), FIT).network
    receipt = parameter(source, numbers(task="binary"), FIT).receipt
    (head,) = _layers(receipt, "head")
    assert (head["origin"], head["why"]) == (
        "new",
        "the target has another task: source multiclass, target binary",
    )


def test_a_new_head_starts_as_the_controls(plain_options, numbers):
    source = scratch(plain_options, numbers(task="multiclass"), FIT).network
    nothing = replace(FIT, training=replace(FIT.training, epochs=0))
    head = parameter(source, numbers(), nothing).network.head.get_weights()
    control = scratch(plain_options, numbers(), nothing).network.head.get_weights()
    assert all(np.array_equal(one, other) for one, other in zip(head, control, strict=True))


def test_the_preprocessing_travels_with_its_state(options, numbers):
    source = scratch(options, numbers(), FIT).network
    network = parameter(source, numbers(300, seed=9), FIT).network
    weights = zip(network.preprocessing.get_weights(), source.preprocessing.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in weights)


def test_a_linear_probe_trains_the_head_alone(options, numbers):
    source = scratch(options, numbers(), FIT).network
    done = parameter(source, numbers(seed=1), FIT, strategy="linear_probe")
    moved = {
        part: [weight["moved"] for layer in _layers(done.receipt, part) for weight in layer["weights"]]
        for part in ("preprocessing", "backbone", "head")
    }
    assert set(moved["preprocessing"] + moved["backbone"]) == {0.0}
    assert all(distance > 0 for distance in moved["head"])
    assert {layer["training"] for layer in _layers(done.receipt, "backbone")} == {"frozen"}


def test_the_backbone_moves_less_at_a_smaller_learning_rate(plain_options, numbers):
    source = scratch(plain_options, numbers(), FIT).network

    def moved(factor: float) -> float:
        receipt = parameter(source, numbers(seed=1), FIT, backbone_learning_rate_factor=factor).receipt
        return float(_layers(receipt, "backbone")[0]["weights"][0]["moved"])

    assert moved(0.01) < 0.1 * moved(1.0)


def test_a_receipt_is_plain_json_and_counts_every_parameter(options, numbers):
    source = scratch(options, numbers(task="multiclass"), FIT).network
    done = parameter(source, numbers(), FIT)
    assert json.loads(json.dumps(done.receipt, allow_nan=False)) == done.receipt
    totals = done.receipt["totals"]
    parameters = sum(part.count_params() for part in (done.network.backbone, done.network.head))
    assert totals["parameters"] == parameters
    assert totals["copied"] + totals["new"] + totals["reinitialised"] == parameters
    assert totals["trained"] + totals["frozen"] == parameters
    assert totals["coverage"] == pytest.approx(totals["copied"] / parameters)


def test_other_columns_are_refused_with_both_lists(options, numbers):
    source = scratch(options, numbers(), FIT).network
    target = numbers()
    signature = replace(target.signature, columns=(*target.signature.columns[:3], Column("x3", "boolean")))
    with pytest.raises(ValueError, match=r"x3 \(number\)\. Received: .*x3 \(boolean\)"):
        parameter(source, replace(target, signature=signature), FIT)


def test_an_unknown_strategy_is_refused(options, numbers):
    source = scratch(options, numbers(), FIT).network
    with pytest.raises(ValueError, match="Received: 'half'"):
        parameter(source, numbers(), FIT, strategy="half")
