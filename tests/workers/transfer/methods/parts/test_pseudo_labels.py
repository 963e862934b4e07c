from dataclasses import replace

import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Unlabelled
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.pseudo_labels import pseudo_labelled, self_trained
from workers.transfer.methods.scratch import scratch
from workers.transfer.training.features import predict
from workers.transfer.training.options import Training

FIT = shared_fit(Training(epochs=3, batch_size=16, learning_rate=0.01, seed=3))


def _partly(data, labelled: int):
    """The data with only so many train rows labelled."""
    few = data.train.take(slice(0, labelled))
    rest = data.train.take(slice(labelled, None))
    return replace(data, train=few, unlabelled=Unlabelled(rest.inputs, rest.numbers))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_rows_the_network_is_sure_of_join_with_the_class_it_decides(task, options, numbers):
    data = _partly(numbers(200, task=task), 40)
    network = scratch(options, data, FIT.named("")).network
    more, told = pseudo_labelled(network, data, 0.6)
    p = predict(network, data.unlabelled.inputs)
    q = p if task == "multiclass" else np.concatenate([1 - p, p], axis=1)
    sure = q.max(axis=1) >= 0.6
    assert (told["rows"], told["kept"]) == (80, int(sure.sum()))
    assert sum(told["by_class"].values()) == told["kept"]
    np.testing.assert_array_equal(more.train.targets[40:].reshape(-1), q.argmax(axis=1)[sure])
    np.testing.assert_array_equal(more.train.inputs["x0"][40:], data.unlabelled.inputs["x0"][sure])


def test_training_on_continues_the_epochs_and_leaves_frozen_layers(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    data, fit = _partly(numbers(seed=1), 20), FIT.named("")
    made = parameter(source, options, data, fit, strategy="linear_probe")
    before = made.network.backbone.get_weights()
    after = self_trained(made, data, fit, 0.5)
    assert [epoch["epoch"] for epoch in after.history.epochs] == [1, 2, 3, 4, 5, 6]
    assert all(
        np.array_equal(a, b) for a, b in zip(before, after.network.backbone.get_weights(), strict=True)
    )
    assert after.findings["pseudo_labels"]["kept"] == 40
    head = next(layer for layer in after.receipt["layers"] if layer["part"] == "head")
    moved = np.linalg.norm(after.network.head.get_weights()[0] - after.start["head/output/kernel"])
    start = np.linalg.norm(after.start["head/output/kernel"])
    assert head["weights"][0]["moved"] == pytest.approx(moved / start)


def test_without_unlabelled_rows_every_arm_is_trained_on_all_the_same(options, numbers):
    fit = FIT.named("")
    made = self_trained(scratch(options, numbers(), fit), numbers(), fit, 0.9)
    assert len(made.history.epochs) == 6
    assert made.findings["pseudo_labels"]["rows"] == 0


def test_a_regression_is_refused(options, numbers):
    data = numbers(task="regression")
    network = scratch(options, data, FIT.named("")).network
    with pytest.raises(ValueError, match="Expected a task of one class a row"):
        pseudo_labelled(network, data, 0.9)
