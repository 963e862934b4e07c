"""Training on several devices: here two parts of the CPU, as `conftest.py` asks for."""

import numpy as np
import pytest
import tensorflow as tf

from workers.transfer.networks.network import build, weights_digest
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Hooks, Stopped, Training
from workers.transfer.training.replicas import Replicas
from workers.transfer.training.runtime import devices_of_slot

TRAINING = Training(epochs=3, batch_size=16, learning_rate=0.01, seed=3)


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
@pytest.mark.parametrize("batch_size", [16, 59])  # of 60 rows: the last batch has one row for two devices
def test_a_training_on_two_devices_is_that_on_one_but_for_rounding(plain_options, numbers, task, batch_size):
    data = numbers(task=task)
    training = Training(epochs=3, batch_size=batch_size, learning_rate=0.01, seed=3)
    one, two = build(plain_options, data, 3), build(plain_options, data, 3)
    expected, received = Fit(training)(one, data), Fit(training, devices=2)(two, data)
    for value, other in zip(one.model.get_weights(), two.model.get_weights(), strict=True):
        np.testing.assert_allclose(other, value, rtol=1e-3, atol=1e-5)
    for epoch, other in zip(expected.epochs, received.epochs, strict=True):
        assert other == pytest.approx(epoch, rel=1e-4)


def test_a_training_on_two_devices_resumes_exactly(options, numbers, tmp_path):
    data, kept = numbers(), tmp_path / "kept.npz"
    undisturbed, resumed = build(options, data, 3), build(options, data, 3)
    history = Fit(TRAINING, devices=2)(undisturbed, data)
    ended: list[int] = []
    hooks = Hooks(
        on_epoch=lambda run, epoch, values: ended.append(epoch),
        should_stop=lambda: "asked" if ended else None,
        save_checkpoint=lambda path: kept.write_bytes(path.read_bytes()) and None,
    )
    with pytest.raises(Stopped):
        Fit(TRAINING, hooks, devices=2)(build(options, data, 3), data)
    assert Fit(TRAINING, Hooks(checkpoint=kept), devices=2)(resumed, data) == history
    assert weights_digest(resumed) == weights_digest(undisturbed)


def test_each_device_computes_its_share_of_the_rows():
    seen = Replicas(2)
    rows = tf.constant([1.0, 10.0, 100.0, 1000.0, 10000.0])
    placed = []

    def share(first, last, part):
        total = tf.reduce_sum(rows[first:last])
        placed.append(total.device)
        return total, part

    total, part = tf.function(lambda: seen.step(share, tf.constant(1), tf.constant(4)), autograph=False)()
    assert (float(total), float(part)) == (1110.0, 1.0)
    assert [place[-5:] for place in placed] == ["CPU:0", "CPU:1"]


def test_more_devices_than_there_are_get_a_clear_error():
    with pytest.raises(ValueError, match=r"Expected 3 devices\. Received: 2"):
        Replicas(3)


@pytest.mark.parametrize(
    ("devices", "slot", "expected"),
    [(1, 0, "a"), (1, 3, "d"), (1, 4, "a"), (2, 0, "ab"), (2, 1, "cd"), (2, 2, "ab"), (3, 1, "abc")],
)
def test_each_slot_has_its_own_devices_until_there_are_none_left(devices, slot, expected):
    assert "".join(devices_of_slot("abcd", devices, slot)) == expected


def test_too_few_devices_for_one_job_get_a_clear_error():
    with pytest.raises(ValueError, match=r"Expected 5 GPUs for each job\. Received: 4"):
        devices_of_slot("abcd", 5, 0)
