from pathlib import Path

import numpy as np
import pytest

from workers.transfer.checkpoints import CheckpointMismatch
from workers.transfer.data import Data, Rows
from workers.transfer.fitting import Fit, Hooks, Stopped, Training, TrainingDiverged, epoch_order
from workers.transfer.network import build, weights_digest

TRAINING = Training(epochs=4, batch_size=8, learning_rate=0.01, seed=3)


class _StopAt:
    """Asks for a stop at the n-th question."""

    def __init__(self, question: int) -> None:
        self.left = question

    def __call__(self) -> str | None:
        self.left -= 1
        return "cancelled" if self.left < 0 else None


def _interrupted(options, data: Data, question: int, folder: Path, training: Training = TRAINING) -> Path:
    kept = folder / "kept.npz"
    hooks = Hooks(
        should_stop=_StopAt(question), save_checkpoint=lambda path: kept.write_bytes(path.read_bytes())
    )
    with pytest.raises(Stopped, match="cancelled"):
        Fit(training, hooks)(build(options, data, 3), data)
    return kept


def test_two_equal_runs_end_with_equal_bits(options, mixed):
    ends = []
    for _ in range(2):
        network = build(options, mixed, 3)
        Fit(TRAINING)(network, mixed)
        ends.append(weights_digest(network))
    assert ends[0] == ends[1]


def test_a_shared_trace_changes_nothing(options, mixed):
    shared, ends = Fit(TRAINING), []
    for fit in (shared, shared, Fit(TRAINING)):
        network = build(options, mixed, 3)
        fit(network, mixed)
        ends.append(weights_digest(network))
    assert len(shared.traced) == 1
    assert len(set(ends)) == 1


@pytest.mark.parametrize("question", [0, 2])
def test_a_resumed_run_ends_bit_for_bit_where_an_undisturbed_one_ends(question, options, mixed, tmp_path):
    undisturbed = build(options, mixed, 3)
    history = Fit(TRAINING)(undisturbed, mixed)
    kept = _interrupted(options, mixed, question, tmp_path)
    resumed = build(options, mixed, 3)
    assert Fit(TRAINING, Hooks(checkpoint=kept))(resumed, mixed) == history
    assert weights_digest(resumed) == weights_digest(undisturbed)
    states = [
        [variable.numpy().tolist() for variable in n.backbone.variables] for n in (resumed, undisturbed)
    ]
    assert states[0] == states[1]


def test_a_run_stopped_inside_an_epoch_resumes_exactly(options, numbers, tmp_path):
    data, training = numbers(500), Training(2, 2, 0.01, seed=3)  # 150 steps, 5 chunks an epoch
    undisturbed = build(options, data, 3)
    history = Fit(training)(undisturbed, data)
    kept = _interrupted(options, data, 7, tmp_path, training)
    resumed = build(options, data, 3)
    assert Fit(training, Hooks(checkpoint=kept))(resumed, data) == history
    assert weights_digest(resumed) == weights_digest(undisturbed)


def test_a_checkpoint_of_other_data_is_refused(options, numbers, tmp_path):
    kept = _interrupted(options, numbers(seed=0), 2, tmp_path)
    other = numbers(seed=1)
    with pytest.raises(CheckpointMismatch, match="start the training anew"):
        Fit(TRAINING, Hooks(checkpoint=kept))(build(options, other, 3), other)


def test_a_file_that_is_no_checkpoint_is_refused(options, numbers, tmp_path):
    (tmp_path / "broken.npz").write_bytes(b"PK\x03\x04 cut short")
    with pytest.raises(CheckpointMismatch, match=r"broken\.npz, which cannot be read"):
        Fit(TRAINING, Hooks(checkpoint=tmp_path / "broken.npz"))(build(options, numbers(), 3), numbers())


def test_checkpoints_are_saved_as_often_as_asked(options, numbers):
    sizes: list[int] = []
    hooks = Hooks(save_checkpoint=lambda path: sizes.append(path.stat().st_size), checkpoint_seconds=0)
    Fit(TRAINING, hooks)(build(options, numbers(), 3), numbers())
    assert len(sizes) == 4
    assert min(sizes) > 0


def test_each_epoch_is_reported_with_its_losses(options, numbers):
    told: list[tuple[int, dict[str, float]]] = []
    hooks = Hooks(on_epoch=lambda epoch, values: told.append((epoch, values)))
    history = Fit(TRAINING, hooks)(build(options, numbers(), 3), numbers())
    assert [epoch for epoch, _ in told] == [1, 2, 3, 4]
    assert set(told[0][1]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.epochs == [{"epoch": epoch, **values} for epoch, values in told]
    assert told[-1][1]["loss"] < told[0][1]["loss"]


def test_a_regression_without_validation_rows_reports_its_loss_alone(options, numbers):
    data = numbers(task="regression")
    data = Data(data.signature, data.train, None, None)
    assert set(Fit(TRAINING)(build(options, data, 0), data).epochs[0]) == {"epoch", "loss"}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_is_learnt(task, options, numbers):
    data = numbers(400, task=task)
    history = Fit(Training(15, 16, 0.01, seed=0))(build({**options, "dropout": 0.0}, data, 0), data)
    assert history.epochs[-1]["val_loss"] < 0.5 * history.epochs[0]["loss"]


def test_training_the_head_alone_leaves_the_backbone_as_it_is(options, numbers):
    data = numbers()
    network = build(options, data, 0)
    before = [part.get_weights() for part in (network.backbone, network.head)]
    Fit(TRAINING)(network, data, train=("head",))
    after = [part.get_weights() for part in (network.backbone, network.head)]
    assert all(np.array_equal(one, other) for one, other in zip(before[0], after[0], strict=True))
    assert not np.array_equal(before[1][0], after[1][0])


def test_a_learning_rate_factor_of_zero_stands_still(options, numbers):
    data = numbers()
    network = build(options, data, 0)
    before = network.backbone.get_weights()
    Fit(TRAINING)(network, data, learning_rate_factors={"backbone": 0.0})
    assert all(np.array_equal(a, b) for a, b in zip(before, network.backbone.get_weights(), strict=True))


def test_parts_that_are_not_the_last_are_refused(options, numbers):
    with pytest.raises(ValueError, match=r"Expected \('head',\) or"):
        Fit(TRAINING)(build(options, numbers(), 0), numbers(), train=("backbone",))


def test_a_diverging_run_is_ended_with_its_epoch_and_advice(plain_options, numbers):
    data = numbers(task="regression")
    rows = Rows({name: values * 1e18 for name, values in data.train.inputs.items()}, data.train.targets)
    data = Data(data.signature, rows, None, None)
    with pytest.raises(TrainingDiverged, match=r"in epoch 1 of 4\. Lower learning_rate"):
        Fit(TRAINING)(build(plain_options, data, 0), data)


def test_the_order_of_an_epoch_follows_from_seed_and_epoch_alone():
    assert np.array_equal(epoch_order(TRAINING, 5, 50), epoch_order(TRAINING, 5, 50))
    assert not np.array_equal(epoch_order(TRAINING, 5, 50), epoch_order(TRAINING, 6, 50))
    assert sorted(epoch_order(TRAINING, 5, 50)) == list(range(50))
