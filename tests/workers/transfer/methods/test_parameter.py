import json
from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.workers.transfer.traces import TRACED, shared_fit
from workers.transfer.data import Column, Data
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.schema_map import start
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import build, weights_digest
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

FIT = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))


def _parameter(source, data, fit, **options):
    return parameter(source, source.options, data, fit.named(""), **options)


def _layers(receipt, part: str):
    return [layer for layer in receipt["layers"] if layer["part"] == part]


def test_full_transfer_equals_a_plain_keras_script(plain_options, numbers):
    source, target = numbers(150, seed=0), numbers(90, seed=1)
    fit = shared_fit(Training(epochs=10, batch_size=32, learning_rate=0.001, seed=3, shuffle=False))
    network = scratch(plain_options, source, fit).network
    ours = _parameter(network, target, fit, strategy="full", backbone_learning_rate_factor=1.0).network

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
    _parameter(source, numbers(seed=1), FIT)
    assert weights_digest(source) == before


def test_equal_classes_copy_the_head(options, numbers):
    source = scratch(options, numbers(), FIT).network
    receipt = _parameter(source, numbers(seed=1), FIT).receipt
    assert {layer["origin"] for layer in receipt["layers"]} == {"copied"}
    assert receipt["totals"]["coverage"] == 1.0


def _in_another_unit(data: Data, label: str = "y", scale: float = 0.01, shift: float = -3.0) -> Data:
    """The same rows, their labels y · scale + shift."""
    rows = [
        replace(rows, targets=(rows.targets.astype(np.float64) * scale + shift))
        for rows in (data.train, data.validation, data.test)
        if rows is not None
    ]
    return Data(replace(data.signature, label=label), *rows)


def test_a_label_of_the_same_name_carries_the_head_in_the_targets_unit(options, numbers):
    source = scratch(options, numbers(task="regression"), FIT).network
    target = _in_another_unit(numbers(seed=1, task="regression"))
    network, origins = start(source, target, 7)
    p, y = predict(source, target.test.inputs), numbers(task="regression").train.targets
    ours = target.train.targets
    expected = (p - y.mean()) / y.std() * ours.std() + ours.mean()  # by hand: standard scores are carried
    np.testing.assert_allclose(predict(network, target.test.inputs), expected, rtol=1e-4)
    for own, other in zip(network.head.weights, source.head.weights, strict=True):
        np.testing.assert_array_equal(own.numpy(), other.numpy())
    assert (origins["head"].origin, origins["head/label_unit"].origin) == ("copied", "new")


def test_a_label_in_another_unit_is_learnt_as_in_the_sources(options, numbers):
    source = scratch(options, numbers(task="regression"), FIT).network
    plain = numbers(seed=1, task="regression")
    losses = []
    for target in (plain, _in_another_unit(plain), _in_another_unit(plain, scale=1e-5, shift=1e-3)):
        history = _parameter(source, target, FIT, strategy="full").history
        losses.append([epoch["val_loss"] for epoch in history.epochs])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-4)
    np.testing.assert_allclose(losses[2], losses[0], rtol=1e-4)


def test_a_label_of_another_name_gets_a_fresh_head_and_says_why(options, numbers):
    source = scratch(options, numbers(task="regression"), FIT).network
    target = _in_another_unit(numbers(seed=1, task="regression"), label="price")
    network, origins = start(source, target, 7)
    origin = origins["head"]
    assert (origin.origin, origin.why) == (
        "reinitialised",
        "the target has another label: source y, target price",
    )
    assert not np.array_equal(network.head.get_weights()[0], source.head.get_weights()[0])
    _parameter(source, target, FIT)


def test_other_classes_of_the_same_number_reinitialise_the_head_and_say_why(options, numbers):
    source = scratch(options, numbers(task="multiclass", classes=("0", "1", "2")), FIT).network
    receipt = _parameter(source, numbers(task="multiclass", classes=("5", "6", "7")), FIT).receipt
    head = _layers(receipt, "head")[0]
    assert head["origin"] == "reinitialised"
    assert head["why"] == "the target has other classes: source 0,1,2, target 5,6,7"


def test_another_task_gets_a_new_head_and_says_why(options, numbers):
    source = scratch(options, numbers(task="multiclass"), FIT).network
    receipt = _parameter(source, numbers(task="binary"), FIT).receipt
    head = _layers(receipt, "head")[0]
    assert (head["origin"], head["why"]) == (
        "new",
        "the target has another task: source multiclass, target binary",
    )


def test_the_preprocessing_travels_with_its_state(options, numbers):
    source = scratch(options, numbers(), FIT).network
    network = _parameter(source, numbers(300, seed=9), FIT).network
    weights = zip(network.preprocessing.get_weights(), source.preprocessing.get_weights(), strict=True)
    assert all(np.array_equal(one, other) for one, other in weights)


def test_a_linear_probe_trains_the_head_alone(options, numbers):
    source = scratch(options, numbers(), FIT).network
    done = _parameter(source, numbers(seed=1), FIT, strategy="linear_probe")
    moved = {
        part: [weight["moved"] for layer in _layers(done.receipt, part) for weight in layer["weights"]]
        for part in ("preprocessing", "backbone", "head")
    }
    assert set(moved["preprocessing"] + moved["backbone"]) == {0.0}
    assert all(distance > 0 for distance in moved["head"])
    assert {layer["training"] for layer in _layers(done.receipt, "backbone")} == {"frozen"}


def test_a_linear_probe_takes_the_sources_backbone_itself_and_fine_tuning_a_copy(options, numbers):
    source = scratch(options, numbers(), FIT).network
    probed, tuned = (_parameter(source, numbers(seed=1), FIT, strategy=s) for s in ("linear_probe", "full"))
    assert probed.network.backbone is source.backbone
    assert tuned.network.backbone is not source.backbone


def test_the_backbone_moves_less_at_a_smaller_learning_rate(plain_options, numbers):
    source = scratch(plain_options, numbers(), FIT).network

    def moved(factor: float) -> float:
        receipt = _parameter(
            source, numbers(seed=1), FIT, strategy="full", backbone_learning_rate_factor=factor
        ).receipt
        return float(_layers(receipt, "backbone")[0]["weights"][0]["moved"])

    assert moved(0.01) < 0.1 * moved(1.0)


def test_a_receipt_is_plain_json_and_counts_every_parameter(options, numbers):
    source = scratch(options, numbers(task="multiclass"), FIT).network
    done = _parameter(source, numbers(), FIT)
    assert json.loads(json.dumps(done.receipt, allow_nan=False)) == done.receipt
    totals = done.receipt["totals"]
    parameters = done.network.model.count_params()
    assert totals["parameters"] == parameters
    assert totals["copied"] + totals["new"] + totals["reinitialised"] == parameters
    assert totals["trained"] + totals["frozen"] == parameters
    assert totals["coverage"] == pytest.approx(totals["copied"] / parameters)


def test_columns_that_do_not_match_are_told_apart_in_the_receipt(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    target = numbers()
    signature = replace(target.signature, columns=(*target.signature.columns[:3], Column("x3", "boolean")))
    receipt = _parameter(source, replace(target, signature=signature), FIT).receipt
    kernel = _layers(receipt, "backbone")[0]["weights"][0]
    assert (kernel["origin"], kernel["copied"], kernel["new"]) == (
        "partly copied",
        ["x0", "x1", "x2"],
        ["x3"],
    )
    assert receipt["totals"]["coverage"] < 1


def test_a_probe_and_then_fine_tuning_equals_a_plain_keras_script(plain_options, numbers):
    source, target = numbers(150, seed=0), numbers(90, seed=1)
    fit = shared_fit(Training(epochs=5, batch_size=32, learning_rate=0.01, seed=3, shuffle=False))
    network = scratch(plain_options, source, fit.named("")).network
    ours = _parameter(network, target, fit, probe_share=0.4).network
    dense = keras.layers.Dense
    plain = keras.Sequential([keras.Input((4,)), dense(8, "relu"), dense(8, "relu"), dense(1, "sigmoid")])
    plain.set_weights(network.model.get_weights())
    x = np.stack([target.train.inputs[f"x{number}"] for number in range(4)], axis=1)
    for epochs, rate, trains in ((2, 0.01, False), (3, 0.001, True)):
        for layer in plain.layers[:2]:
            layer.trainable = trains
        plain.compile(keras.optimizers.Adam(rate), loss="binary_crossentropy")
        plain.fit(x, target.train.targets, epochs=epochs, batch_size=32, shuffle=False, verbose=0)
    for own, other in zip(ours.model.get_weights(), plain.get_weights(), strict=True):
        assert np.abs(own - other).max() <= 1e-6


@pytest.mark.parametrize("strategy", ["full", "linear_probe", "lp_ft", "gradual", "lora", "contrastive"])
@pytest.mark.parametrize("epochs", [1, 3])
def test_every_strategy_takes_the_trainings_epochs(strategy, epochs, options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    fit = shared_fit(replace(FIT.training, epochs=epochs))
    history = _parameter(source, numbers(seed=1), fit, strategy=strategy).history
    assert [epoch["epoch"] for epoch in history.epochs] == list(range(1, epochs + 1))


def test_gradual_unfreezing_moves_upper_layers_more_than_lower_ones(plain_options, numbers):
    options = {**plain_options, "hidden_units": [8, 8, 8]}
    source = scratch(options, numbers(), FIT.named("")).network
    fit = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))
    receipt = _parameter(source, numbers(seed=1), fit, strategy="gradual").receipt
    moved = [layer["weights"][0]["moved"] for layer in _layers(receipt, "backbone")]
    assert 0 < moved[0] < moved[1] < moved[2]


class Remembering(Fit):
    """A fit that remembers what it was asked for."""

    def __call__(self, network, data, **asked):
        self.asked = [*getattr(self, "asked", []), asked]
        return super().__call__(network, data, **asked)


def test_gradual_unfreezing_takes_one_more_layer_each_phase_at_a_rate_2_6_times_lower(plain_options, numbers):
    source = scratch(plain_options, numbers(), FIT.named("")).network
    fit = Remembering(replace(FIT.training, epochs=5), traced=TRACED)
    done = parameter(source, source.options, numbers(seed=1), fit, strategy="gradual")
    head = {"backbone": 0.0}
    upper = {**head, "backbone/dense_2": pytest.approx(1 / 2.6)}
    all_layers = {**upper, "backbone/dense_1": pytest.approx(1 / 2.6**2)}
    assert [asked["rates"] for asked in fit.asked] == [head, upper, all_layers]
    assert [asked["epochs"] for asked in fit.asked] == [1, 1, 3]
    assert {asked["schedule"] for asked in fit.asked} == {"slanted_triangular"}
    assert done.findings == {"rates": all_layers, "blocks": 2, "epochs_a_phase": 1}


def test_a_probe_of_one_epoch_leaves_the_backbone_and_says_so(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    done = _parameter(source, numbers(seed=1), shared_fit(replace(FIT.training, epochs=1)))
    assert {layer["training"] for layer in _layers(done.receipt, "backbone")} == {"frozen"}
    for own, other in zip(done.network.backbone.weights, source.backbone.weights, strict=True):
        assert np.array_equal(own.numpy(), other.numpy())


def test_the_findings_tell_both_phases_of_a_probe_and_fine_tuning(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    done = _parameter(source, numbers(seed=1), shared_fit(replace(FIT.training, epochs=5)), probe_share=0.4)
    assert done.findings == {
        "probe": {"epochs": 2, "learning_rate": 0.01},
        "fine_tuning": {"epochs": 3, "learning_rate": pytest.approx(0.001)},
    }


def test_gradual_unfreezing_is_pulled_to_the_source_in_every_phase(plain_options, numbers):
    source = scratch(plain_options, numbers(), FIT.named("")).network
    fit = Remembering(replace(FIT.training, epochs=4), traced=TRACED)
    parameter(source, source.options, numbers(seed=1), fit, strategy="gradual", regulariser="l2_sp")
    for asked in fit.asked[1:]:
        anchor = asked["objective"].anchors["backbone/dense_2/kernel"]
        assert np.array_equal(anchor, source.backbone.get_layer("dense_2").kernel.numpy())


def test_low_rank_moves_each_kernel_by_a_product_of_the_rank(plain_options, numbers):
    source = scratch(plain_options, numbers(), FIT.named("")).network
    target = numbers(seed=1)
    done = _parameter(source, target, FIT, strategy="lora", rank=2)
    moved = [
        own.kernel.numpy() - other.kernel.numpy()
        for own, other in zip(done.network.backbone.layers, source.backbone.layers, strict=True)
    ]
    assert [np.linalg.matrix_rank(difference, tol=1e-5) for difference in moved] == [2, 2]
    for own, other in zip(done.network.backbone.layers, source.backbone.layers, strict=True):
        assert np.array_equal(own.bias.numpy(), other.bias.numpy())
    layer = _layers(done.receipt, "backbone")[0]
    assert [weight["training"] for weight in layer["weights"]] == ["adapted", "frozen"]
    assert done.findings == {"rank": 2}


@pytest.mark.parametrize("regulariser", ["l2_sp", "bss", "co_tuning"])
def test_every_regulariser_changes_the_training_and_a_strong_one_keeps_the_source(
    regulariser, plain_options, numbers
):
    # With relu a unit may be dead, and the smallest singular value is 0 then.
    source = scratch({**plain_options, "activation": "tanh"}, numbers(), FIT.named("")).network
    target = numbers(seed=1)

    def weights(**options):
        made = _parameter(source, target, FIT, strategy="full", **options)
        return made.network.backbone.get_weights()[0]

    free, held = weights(), weights(regulariser=regulariser, regulariser_strength=5.0)
    assert not np.allclose(free, held, atol=1e-5)
    if regulariser == "l2_sp":
        before = source.backbone.get_weights()[0]
        assert np.linalg.norm(held - before) < np.linalg.norm(free - before)


@pytest.mark.parametrize("regulariser", ["l2_sp", "bss", "co_tuning"])
def test_a_regulariser_acts_at_its_default_strength(regulariser, plain_options, numbers):
    source = scratch({**plain_options, "activation": "tanh"}, numbers(), FIT.named("")).network
    fit = shared_fit(Training(epochs=40, batch_size=16, learning_rate=0.001, seed=3))
    target = numbers(seed=1)

    def kernel(**options):
        made = _parameter(source, target, fit, strategy="full", **options)
        return made.network.backbone.get_weights()[0]

    before, free, held = source.backbone.get_weights()[0], kernel(), kernel(regulariser=regulariser)
    assert np.linalg.norm(held - free) > 0.005 * np.linalg.norm(free - before)


def test_a_regulariser_of_a_frozen_backbone_is_refused(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    with pytest.raises(ValueError, match="Expected no regulariser with linear_probe"):
        _parameter(source, numbers(), FIT, strategy="linear_probe", regulariser="bss")


def test_the_mix_of_weights_is_the_one_with_the_lowest_validation_loss(plain_options, numbers):
    source = scratch(plain_options, numbers(), FIT.named("")).network
    target = numbers(seed=1)
    made = _parameter(source, target, FIT, strategy="full", wise_ft=True)
    tuned = _parameter(source, target, FIT, strategy="full").network
    told = made.findings["wise_ft"]
    losses = told["validation_loss"]
    assert losses[str(told["a"])] == min(losses.values())
    for mixed, before, after in zip(
        made.network.model.get_weights(), source.model.get_weights(), tuned.model.get_weights(), strict=True
    ):
        np.testing.assert_allclose(mixed, (1 - told["a"]) * before + told["a"] * after, atol=1e-6)


def test_an_unknown_strategy_is_refused(options, numbers):
    source = scratch(options, numbers(), FIT).network
    with pytest.raises(ValueError, match="Received: 'half'"):
        _parameter(source, numbers(), FIT, strategy="half")


@pytest.mark.parametrize("strategy", ["full", "lp_ft", "gradual", "contrastive"])
def test_frozen_layers_keep_the_sources_bits_and_the_others_learn(strategy, numbers, plain_options):
    data = numbers()
    fit = shared_fit(Training(epochs=4, batch_size=16, learning_rate=0.01, seed=0))
    source = scratch(plain_options, data, fit.named("source")).network
    made = parameter(source, plain_options, data, fit.named("target"), strategy=strategy, frozen_layers=1)
    moved = {
        f"{layer['part']}/{layer['layer']}": [weight["moved"] for weight in layer["weights"]]
        for layer in made.receipt["layers"]
        if layer["weights"]
    }
    first, *others = [path for path in moved if path.startswith("backbone")]
    assert moved[first] == [0.0, 0.0]
    assert others
    assert all(distance > 0 for path in [*others, "head/output"] for distance in moved[path])
    before, after = source.backbone.get_weights(), made.network.backbone.get_weights()
    np.testing.assert_array_equal(before[0], after[0])


def test_at_least_one_layer_is_left_to_train(numbers, plain_options):
    data = numbers()
    fit = shared_fit(Training(epochs=1, batch_size=16, learning_rate=0.01, seed=0))
    source = scratch(plain_options, data, fit.named("source")).network
    with pytest.raises(ValueError, match="use linear_probe"):
        parameter(source, plain_options, data, fit.named("target"), strategy="full", frozen_layers=2)
