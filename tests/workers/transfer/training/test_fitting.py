import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Data
from workers.transfer.networks.network import build, leaves, weights_digest
from workers.transfer.training import epoch_loop
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Objective
from workers.transfer.training.options import Budget, Hooks, Stopped, Training, TrainingDiverged
from workers.transfer.training.sampling import epoch_order, row_weights

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
        shared_fit(training, hooks)(build(options, data, 3), data)
    return kept


def _weights(network) -> list[list[float]]:
    return [weight.numpy().tolist() for weight in network.model.trainable_weights]


def test_two_equal_runs_end_with_equal_bits(options, mixed):
    ends = []
    for _ in range(2):
        network = build(options, mixed, 3)
        Fit(TRAINING)(network, mixed)
        ends.append(weights_digest(network))
    assert ends[0] == ends[1]


def test_a_shared_trace_changes_nothing(options, mixed):
    shared, ends = Fit(TRAINING), []
    for fit in (shared, shared.named(""), Fit(TRAINING)):
        network = build(options, mixed, 3)
        fit(network, mixed)
        ends.append(weights_digest(network))
    assert len(shared.traced) == 1
    assert len(set(ends)) == 1


def test_networks_that_differ_in_their_draws_alone_share_one_trace(options, mixed):
    shared, ends = Fit(TRAINING), []
    for seed in (3, 4):
        for fit in (shared.named("", seed=seed), Fit(replace(TRAINING, seed=seed))):
            network = build(options, mixed, seed)
            fit(network, mixed)
            ends.append(weights_digest(network))
    assert len(shared.traced) == 1
    assert ends[0] == ends[1] != ends[2] == ends[3]


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
    history = shared_fit(training)(undisturbed, data)
    kept = _interrupted(options, data, 7, tmp_path, training)
    resumed = build(options, data, 3)
    assert shared_fit(training, Hooks(checkpoint=kept))(resumed, data) == history
    assert weights_digest(resumed) == weights_digest(undisturbed)


@pytest.mark.parametrize("damage", ["of other data", "cut short"])
def test_a_checkpoint_that_does_not_fit_is_left_aside(damage, options, numbers, tmp_path):
    data, of_other_data = numbers(seed=1), numbers(seed=0)
    kept = _interrupted(options, of_other_data, 2, tmp_path)
    if damage == "cut short":
        kept.write_bytes(b"PK\x03\x04 cut short")
    ends = []
    for checkpoint in (None, kept):
        network = build(options, data, 3)
        history = shared_fit(TRAINING, Hooks(checkpoint=checkpoint))(network, data)
        ends.append((history, weights_digest(network)))
    assert ends[0] == ends[1]


def test_checkpoints_are_saved_as_often_as_asked(options, numbers):
    sizes: list[int] = []
    hooks = Hooks(save_checkpoint=lambda path: sizes.append(path.stat().st_size), checkpoint_seconds=0)
    shared_fit(TRAINING, hooks)(build(options, numbers(), 3), numbers())
    assert len(sizes) == TRAINING.epochs - 1  # of one chunk each; at the start there is nothing to save
    assert min(sizes) > 0


@pytest.mark.parametrize(("costs", "expected"), [(0, [(1, 0), (2, 0), (3, 0)]), (1e9, [])])
def test_a_checkpoint_is_saved_at_the_end_of_an_epoch_where_it_costs_little(
    costs, expected, options, numbers, monkeypatch
):
    monkeypatch.setattr(epoch_loop, "FIRST_SAVE_SECONDS", costs)
    monkeypatch.setattr(epoch_loop, "SAVE_PAUSES", 0 if costs == 0 else 1)
    places: list[tuple[int, int]] = []

    def save(path: Path) -> None:
        with np.load(path) as file:
            position = json.loads(str(file["about"]))["position"]
        places.append((position["epoch"], position["step"]))

    hooks = Hooks(save_checkpoint=save, checkpoint_seconds=1e9)
    shared_fit(TRAINING, hooks)(build(options, numbers(), 3), numbers())
    assert places == expected


def test_each_epoch_is_reported_with_its_losses(options, numbers):
    told: list[tuple[int, dict[str, float]]] = []
    hooks = Hooks(on_epoch=lambda _, epoch, values: told.append((epoch, values)))
    history = shared_fit(TRAINING, hooks)(build(options, numbers(), 3), numbers())
    assert [epoch for epoch, _ in told] == [1, 2, 3, 4]
    assert set(told[0][1]) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert history.epochs == [{"epoch": epoch, **values} for epoch, values in told]
    assert told[-1][1]["loss"] < told[0][1]["loss"]


def test_a_regression_without_validation_rows_reports_its_loss_alone(options, numbers):
    data = numbers(task="regression")
    data = Data(data.signature, data.train, None, None)
    assert set(shared_fit(TRAINING)(build(options, data, 0), data).epochs[0]) == {"epoch", "loss"}


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_every_task_is_learnt(task, options, numbers):
    data = numbers(400, task=task)
    history = shared_fit(Training(15, 16, 0.01, seed=0))(build({**options, "dropout": 0.0}, data, 0), data)
    assert history.epochs[-1]["val_loss"] < 0.5 * history.epochs[0]["loss"]


def test_training_the_head_alone_leaves_the_backbone_as_it_is(options, numbers):
    data = numbers()
    network = build(options, data, 0)
    before = [part.get_weights() for part in (network.backbone, network.head)]
    shared_fit(TRAINING)(network, data, rates={"backbone": 0})
    after = [part.get_weights() for part in (network.backbone, network.head)]
    assert all(np.array_equal(one, other) for one, other in zip(before[0], after[0], strict=True))
    assert not np.array_equal(before[1][0], after[1][0])


def test_a_frozen_layer_keeps_its_bits_while_those_around_it_move(options, numbers):
    data = numbers()
    network = build(options, data, 0)
    before = [layer.get_weights() for _, layer in leaves(network.backbone) if layer.weights]
    shared_fit(TRAINING)(network, data, rates={"backbone/dense_2": 0.0, "backbone/dense_1": 0.5})
    after = [layer.get_weights() for _, layer in leaves(network.backbone) if layer.weights]
    moved = [not np.array_equal(a[0], b[0]) for a, b in zip(before, after, strict=True)]
    assert moved[0]
    assert not moved[-1 if len(moved) == 2 else 2]


@pytest.mark.parametrize(
    ("rates", "message"),
    [
        ({"backbone/dense_9": 1}, "Received: backbone/dense_9"),
        ({"backbone": 0, "head": 0}, "rates of 0 for all"),
    ],
)
def test_rates_that_lead_nowhere_or_train_nothing_are_refused(rates, message, options, numbers):
    with pytest.raises(ValueError, match=message):
        shared_fit(TRAINING)(build(options, numbers(), 0), numbers(), rates=rates)


def test_patience_ends_early_and_keeps_the_best_epochs_weights(options, numbers, tmp_path):
    data = numbers(60)
    training = Training(200, 8, 0.05, seed=3, patience=3)
    network = build(options, data, 3)
    history = shared_fit(training)(network, data)
    losses = [epoch["val_loss"] for epoch in history.epochs]
    best = int(np.argmin(losses))
    assert len(losses) == best + 1 + 3 < 200
    only = build(options, data, 3)
    shared_fit(Training(best + 1, 8, 0.05, seed=3))(only, data)
    assert _weights(network) == _weights(only)
    kept = _interrupted(options, data, best + 2, tmp_path, training)
    resumed = build(options, data, 3)
    assert shared_fit(training, Hooks(checkpoint=kept))(resumed, data) == history
    assert _weights(resumed) == _weights(network)


def test_class_weights_are_those_of_keras(plain_options, numbers):
    data = numbers(50)
    network, plain = (build(plain_options, data, 0) for _ in range(2))
    shared_fit(Training(3, 7, 0.01, 0, shuffle=False, class_weights={"yes": 2.0}))(network, data)
    plain.model.compile(keras.optimizers.Adam(0.01), "binary_crossentropy")
    plain.model.fit(
        data.train.inputs,
        data.train.targets,
        class_weight={0: 1.0, 1: 2.0},
        batch_size=7,
        epochs=3,
        shuffle=False,
        verbose=0,
    )
    for one, other in zip(network.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_balanced_weights_give_each_class_the_same_sum(numbers):
    data = numbers(90, task="multiclass", classes=("a", "b", "c"))
    data = replace(data, train=replace(data.train, targets=np.minimum(data.train.targets, 1)))
    weights = row_weights(replace(TRAINING, class_weights="balanced"), data)
    sums = [float(weights[data.train.targets == number].sum()) for number in (0, 1)]
    assert sums == pytest.approx([len(data.train) / 3] * 2)


@pytest.mark.parametrize(("task", "weights"), [("binary", {"maybe": 2.0}), ("regression", "balanced")])
def test_weights_of_classes_that_are_not_there_are_refused(task, weights, options, numbers):
    with pytest.raises(ValueError, match="Expected class weights for the classes"):
        row_weights(replace(TRAINING, class_weights=weights), numbers(task=task))


def test_a_schedule_scales_each_steps_rate_as_keras_would(plain_options, numbers):
    data = numbers(100)
    network, plain = (build(plain_options, data, 0) for _ in range(2))
    shared_fit(Training(3, 7, 0.01, 0, shuffle=False, schedule="cosine"))(network, data)
    decay = keras.optimizers.schedules.CosineDecay(0.01, decay_steps=3 * 9)
    plain.model.compile(keras.optimizers.Adam(decay), "binary_crossentropy")
    plain.model.fit(data.train.inputs, data.train.targets, batch_size=7, epochs=3, shuffle=False, verbose=0)
    for one, other in zip(network.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_the_pull_to_the_start_is_the_decoupled_decay_of_the_distance(plain_options, numbers):
    data = numbers(40)
    start, free, pulled = (build(plain_options, data, 0) for _ in range(3))
    one_step, two_steps = (Training(epochs, 1000, 0.01, 0, shuffle=False) for epochs in (1, 2))
    alpha = Objective("pulled", pull={"backbone": 0.5})
    shared_fit(one_step)(free, data, objective=alpha)
    first = free.backbone.get_weights()
    shared_fit(two_steps)(pulled, data, objective=alpha)
    shared_fit(two_steps)(free := build(plain_options, data, 0), data)
    w0 = start.backbone.get_weights()
    expected = [w - 0.01 * 0.5 * (w1 - w) for w, w1 in zip(w0, first, strict=True)]
    for two, base, zero, drift in zip(
        pulled.backbone.get_weights(), free.backbone.get_weights(), w0, expected, strict=True
    ):
        np.testing.assert_allclose(two, base + drift - zero, atol=1e-6)


def test_a_finished_fit_is_not_run_again_when_a_later_one_resumes(options, numbers, tmp_path):
    data, kept = numbers(), {}

    def keep(key: str, path: Path) -> None:
        kept[key] = tmp_path / key.replace("/", "_")
        kept[key].write_bytes(path.read_bytes())

    def two_fits(fit: Fit):
        network = build(options, data, 3)
        history = fit(network, data, rates={"backbone": 0}) + fit(network, data, learning_rate=0.001)
        return history, weights_digest(network)

    told: list[int] = []
    undisturbed = two_fits(shared_fit(TRAINING))
    with pytest.raises(Stopped):
        two_fits(shared_fit(TRAINING, Hooks(save_result=keep, should_stop=_StopAt(6))))
    hooks = Hooks(load_result=kept.get, on_epoch=lambda _, epoch, values: told.append(epoch))
    assert two_fits(shared_fit(TRAINING, hooks)) == undisturbed
    assert list(kept) == ["/fit 0"]
    assert told == [5, 6, 7, 8]


def test_a_diverging_run_is_ended_with_its_epoch_and_advice(plain_options, numbers):
    data = numbers(task="regression")
    rows = replace(data.train, inputs={name: values * 1e18 for name, values in data.train.inputs.items()})
    data = Data(data.signature, rows, None, None)
    fit = shared_fit(TRAINING)
    with pytest.raises(TrainingDiverged, match=r"in epoch 1 of 4\. Lower learning_rate"):
        fit(build(plain_options, data, 0), data)
    assert fit.cost.updates > 0 < fit.cost.cpu_seconds


def test_the_order_of_an_epoch_follows_from_seed_and_epoch_alone():
    assert np.array_equal(epoch_order(TRAINING, 5, 50), epoch_order(TRAINING, 5, 50))
    assert not np.array_equal(epoch_order(TRAINING, 5, 50), epoch_order(TRAINING, 6, 50))
    assert sorted(epoch_order(TRAINING, 5, 50)) == list(range(50))


BUDGET = Training(
    epochs=None,
    batch_size=8,
    learning_rate=0.01,
    seed=3,
    budget=Budget(
        round_updates=5,
        min_updates=10,
        patience_updates=10,
        max_updates=40,
        few_validation_rows=0,
        least_validation_rows=1,
    ),
)


def test_a_budget_ends_after_its_patience_with_the_weights_of_the_lowest_loss(options, numbers):
    network, told = build(options, numbers(62), 3), []
    hooks = Hooks(on_epoch=lambda run, epoch, values: told.append((epoch, values["updates"])))
    training = replace(BUDGET, learning_rate=0.3, budget=replace(BUDGET.budget, max_updates=4000))
    fit = shared_fit(training, hooks)
    history = fit(network, numbers(62))
    losses = [epoch["val_loss"] for epoch in history.epochs]
    lowest = losses.index(min(losses))
    assert len(losses) - 1 - lowest == 3  # rounds of 5 updates: the patience of 3 rounds is the longer one
    assert told == [(number, 5 * number) for number in range(1, len(losses) + 1)]
    assert fit.cost.updates == 5 * len(losses)
    again = shared_fit(training)
    again(kept := build(options, numbers(62), 3), numbers(62), updates=5 * (lowest + 1))
    assert weights_digest(kept) == weights_digest(network)


def test_exactly_so_many_updates_are_made_and_the_last_weights_kept(options, numbers):
    for training, rounds_done in ((BUDGET, 5), (TRAINING, 5)):  # an epoch of 37 rows, and a round
        fit = shared_fit(training)
        history = fit(build(options, numbers(62), 3), numbers(62), updates=24)
        assert (len(history.epochs), fit.cost.updates) == (rounds_done, 25)


@pytest.mark.parametrize("question", [1, 2])
def test_a_resumed_budget_ends_bit_for_bit_where_an_undisturbed_one_ends(
    question, options, numbers, tmp_path
):
    data, training = numbers(13), replace(BUDGET, batch_size=3, schedule="cosine")
    undisturbed, whole = build(options, data, 3), shared_fit(training)
    history = whole(undisturbed, data)
    kept = _interrupted(options, data, question, tmp_path, training)
    resumed, fit = build(options, data, 3), shared_fit(training, Hooks(checkpoint=kept))
    assert fit(resumed, data) == history
    assert weights_digest(resumed) == weights_digest(undisturbed)
    assert fit.cost.updates == whole.cost.updates
    with np.load(kept) as file:
        assert fit.cost.cpu_seconds > json.loads(str(file["about"]))["position"]["cpu_seconds"] > 0


def test_what_a_fit_cost_is_told_again_when_it_is_restored(options, numbers, tmp_path):
    kept: dict[str, bytes] = {}

    def load(key):
        if key not in kept:
            return None
        path = tmp_path / "fit.npz"
        path.write_bytes(kept[key])
        return path

    hooks = Hooks(save_result=lambda key, path: kept.update({key: path.read_bytes()}), load_result=load)
    costs, ends = [], []
    for _ in range(2):
        fit, network = shared_fit(BUDGET, hooks), build(options, numbers(62), 3)
        trial = fit.named("trial")
        trial(network, numbers(62))
        trial.close()
        costs.append(fit.cost)
        ends.append(weights_digest(network))
    assert list(kept) == ["trial/fit 0"]
    assert costs[0] == costs[1]
    assert costs[0].updates > 0
    assert ends[0] == ends[1]


@pytest.mark.parametrize("rate", [0.002, 0.3])
def test_a_short_training_is_kept_where_its_validation_is_better(rate, options, numbers):
    data = numbers(62)
    limits = replace(BUDGET.budget, short_epochs=1, few_validation_rows=100, min_updates=60, max_updates=60)
    training = replace(BUDGET, learning_rate=rate, budget=limits)
    chosen = build(options, data, 3)
    history = shared_fit(training)(chosen, data)
    losses = [epoch["val_loss"] for epoch in history.epochs]
    is_short_better = losses[0] < losses[-1]  # round 12 is the only one that is not from before update 60
    assert is_short_better is (rate == 0.3)
    expected = build(options, data, 3)
    shared_fit(training)(expected, data, updates=5 if is_short_better else 60)
    assert weights_digest(chosen) == weights_digest(expected)
