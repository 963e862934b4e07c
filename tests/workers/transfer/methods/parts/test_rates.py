"""The choice of a learning rate, and of a strength, against a plain loop over them."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.workers.transfer.traces import TRACED, shared_fit
from workers.transfer import tasks
from workers.transfer.data import Data, Rows
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.rates import RateChoice, choose_rate
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.parts.trials import folds
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.network import Network, weights_digest
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Hooks, Training, TrainingDiverged

RATES = [0.003, 0.001, 0.03]
FIT = shared_fit(Training(epochs=3, batch_size=16, learning_rate=0.5, seed=3), Hooks(run="arm/3"))
MANY, FEW = (Budget(least_validation_rows=rows) for rows in (20, 21))  # of 20 validation rows


def plain_loss(network: Any, rows: Rows, train: Rows) -> float:
    """The cross-entropy, or the squared error in deviations of the train rows' label."""
    y, p = rows.targets.astype(np.float64), predict(network, rows.inputs).astype(np.float64)
    match network.signature.task:
        case "binary":
            return float(-np.log(np.where(y > 0.5, p, 1 - p)).mean())
        case "multiclass":
            return float(-np.log(p[np.arange(len(y)), rows.targets]).mean())
        case _:
            return float((((y - p) / train.targets.std()) ** 2).mean())


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_with_validation_rows_it_is_the_rate_of_the_lowest_loss_on_them(task, options, numbers):
    data = numbers(task=task)
    make = partial(scratch, options)
    choice, made = choose_rate(make, data, FIT, RATES, MANY)
    plain = {rate: scratch(options, data, FIT.named("plain", learning_rate=rate)) for rate in RATES}
    losses = {rate: plain_loss(one.network, data.validation, data.train) for rate, one in plain.items()}
    assert choice.by == "validation"
    assert choice.learning_rate == min(losses, key=lambda rate: losses[rate])
    assert [one["learning_rate"] for one in choice.tried] == sorted(RATES)
    for one in choice.tried:
        assert one["loss"] == pytest.approx(losses[one["learning_rate"]], rel=1e-4)
    assert choice.score.loss == min(one["loss"] for one in choice.tried)
    assert weights_digest(made.network) == weights_digest(plain[choice.learning_rate].network)


@pytest.mark.parametrize("budget", [MANY, FEW])
def test_nearly_equal_rates_are_trained_under_names_of_their_own(budget, options, numbers):
    runs = set()
    hooks = Hooks(run="arm/3", on_epoch=lambda run, epoch, values: runs.add(run))
    fit = Fit(replace(FIT.training, epochs=1), hooks, TRACED)
    choose_rate(partial(scratch, options), numbers(), fit, [0.003, 0.0030000001], budget)
    assert len({run.partition("/rate ")[2].partition("/")[0] for run in runs if "/rate " in run}) == 2


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_with_few_validation_rows_it_is_that_of_the_lowest_loss_out_of_fold(task, options, numbers):
    data = numbers(task=task)
    choice, made = choose_rate(partial(scratch, options), data, FIT, RATES, FEW)
    losses = {}
    for rate in RATES:
        total = 0.0
        for rest, held_out in folds(data, 3, 3):
            network = scratch(options, rest, FIT.named("plain", learning_rate=rate)).network
            total += len(held_out) * plain_loss(network, held_out, data.train)
        losses[rate] = total / len(data.train)
    assert choice.by == "cross-validation"
    assert choice.learning_rate == min(losses, key=lambda rate: losses[rate])
    for one in choice.tried:
        assert one["loss"] == pytest.approx(losses[one["learning_rate"]], rel=1e-4)
    whole = scratch(options, data, FIT.named("plain", learning_rate=choice.learning_rate)).network
    assert weights_digest(made.network) == weights_digest(whole)


def right(network: Any, rows: Rows) -> float:
    """The share of right decisions."""
    p = predict(network, rows.inputs)
    if network.signature.task == "binary":
        return float(np.mean((p.reshape(-1) > 0.5) == (rows.targets.reshape(-1) > 0.5)))
    return float(np.mean(p.argmax(axis=1) == rows.targets))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("rows", [20, 21], ids=["validation", "folds"])
def test_of_classes_it_may_be_the_rate_of_the_highest_accuracy_and_then_of_the_lowest_loss(
    rows, task, options, numbers
):
    data, make = numbers(task=task), partial(scratch, options)
    by_accuracy = Budget(least_validation_rows=rows, chosen_by="accuracy")
    choice, _ = choose_rate(make, data, FIT, RATES, by_accuracy)
    parts = [(data, data.validation)] if rows == 20 else list(folds(data, 3, 3))
    plain = {}
    for rate in RATES:
        made = [scratch(options, rest, FIT.named("plain", learning_rate=rate)).network for rest, _ in parts]
        held = [len(held_out) for _, held_out in parts]
        of_rate = [right(network, held_out) for network, (_, held_out) in zip(made, parts, strict=True)]
        losses = [
            plain_loss(one, held_out, data.train) for one, (_, held_out) in zip(made, parts, strict=True)
        ]
        plain[rate] = (float(np.average(of_rate, weights=held)), float(np.average(losses, weights=held)))
    for one in choice.tried:
        assert one["accuracy"] == pytest.approx(plain[one["learning_rate"]][0])
    assert choice.learning_rate == min(plain, key=lambda rate: (-round(plain[rate][0], 9), plain[rate][1]))


@pytest.mark.parametrize("budget", [MANY, FEW])
def test_one_rate_is_taken_as_it_is(budget, options, numbers):
    runs = Runs()
    choice, _ = choose_rate(partial(scratch, options), numbers(), runs.fit(), [0.02], budget)
    assert choice == RateChoice(0.02, "given", [], None)
    assert runs.told == ["arm/3"]


@pytest.mark.parametrize("budget", [MANY, FEW])
@pytest.mark.parametrize(("rates", "expected"), [([0.003, 0.001], 0.001), ([0.003, 0.01], 0.003)])
def test_a_tie_goes_to_the_default_rate_or_else_to_the_first(budget, rates, expected, options, numbers):
    """A learning rate of nearly 0 for all: the network stays as it was drawn, whatever the rate."""

    def make(data: Data, fit: Fit) -> Transferred:
        return scratch(options, data, fit.named(fit.hooks.run, learning_rate=1e-30))

    choice, _ = choose_rate(make, numbers(), FIT, rates, budget)
    assert choice.learning_rate == expected
    assert choice.tried[0]["loss"] == choice.tried[1]["loss"]


def diverging(above: float, options: Any, data: Data, fit: Fit) -> Transferred:
    if fit.training.learning_rate > above:
        raise TrainingDiverged("Expected a finite loss. Received: nan.")
    return scratch(options, data, fit)


@pytest.mark.parametrize("budget", [MANY, FEW])
def test_a_rate_that_diverges_loses_and_all_that_do_end_the_job(budget, options, numbers):
    choice, _ = choose_rate(partial(diverging, 0.001, options), numbers(), FIT, RATES, budget)
    assert choice.learning_rate == 0.001
    assert [one["loss"] is None for one in choice.tried] == [False, True, True]
    with pytest.raises(TrainingDiverged):
        choose_rate(partial(diverging, 0.0, options), numbers(), FIT, RATES, budget)


def towards_the_source(source: Network, data: Data, fit: Fit) -> Transferred:
    return parameter(source, source.options, data, fit, strategy="full", regulariser="l2_sp")


@pytest.mark.parametrize("rows", [20, 21], ids=["validation", "folds"])
def test_the_strength_of_a_regulariser_is_the_best_at_the_best_rate(rows, plain_options, numbers):
    source = scratch(plain_options, numbers(), FIT.named("source", learning_rate=0.01)).network
    data, rates, strengths = numbers(seed=1), [0.001, 0.01], [3.0, 0.3, 100.0]
    budget = Budget(least_validation_rows=rows)
    make = partial(towards_the_source, source)
    choice, made = choose_rate(make, data, FIT, rates, budget, strengths)

    def trained(part: Data, rate: float, strength: float) -> Network:
        fit = FIT.named("plain", learning_rate=rate)
        options = {"strategy": "full", "regulariser": "l2_sp", "regulariser_strength": strength}
        return parameter(source, source.options, part, fit, **options).network

    parts = [(data, data.validation)] if rows == 20 else list(folds(data, 3, 3))
    losses = {}
    for rate, strength in [(rate, 3.0) for rate in rates] + [
        (choice.learning_rate, one) for one in strengths[1:]
    ]:
        of_parts = [plain_loss(trained(part, rate, strength), held, data.train) for part, held in parts]
        losses[rate, strength] = float(np.average(of_parts, weights=[len(held) for _, held in parts]))
    assert choice.learning_rate == min(rates, key=lambda rate: losses[rate, 3.0])
    assert (choice.learning_rate, choice.regulariser_strength) == min(losses, key=lambda one: losses[one])
    told = {(one["learning_rate"], one["regulariser_strength"]): one["loss"] for one in choice.tried}
    assert told == {one: pytest.approx(loss, rel=1e-4) for one, loss in losses.items()}
    assert list(told) == sorted(losses)
    assert choice.score.loss == min(told.values())
    whole = trained(data, choice.learning_rate, choice.regulariser_strength)
    assert weights_digest(made.network) == weights_digest(whole)


@pytest.mark.parametrize("budget", [MANY, FEW])
def test_of_strengths_that_change_nothing_the_default_is_taken(budget, options, numbers):
    choice, _ = choose_rate(partial(scratch, options), numbers(), FIT, RATES[:2], budget, [3.0, 0.3, 30.0])
    assert choice.regulariser_strength == 3.0
    assert len(choice.tried) == 4


@pytest.mark.parametrize("budget", [MANY, FEW])
def test_what_is_not_trained_by_steps_is_made_once(budget, options, numbers):
    made = []

    made = []

    def closed_form(data: Data, fit: Fit) -> Transferred:
        result = scratch(options, data, fit)
        made.append(fit.hooks.run)
        result.history.epochs[:] = [{"epoch": 1, "updates": 0, "loss": 0.5}]
        return result

    choice, _ = choose_rate(closed_form, numbers(), FIT, RATES, budget)
    assert (choice.learning_rate, choice.by, choice.tried) == (0.001, "default", [])
    assert choice.score is not None
    rates = {run.removeprefix("arm/3").split("/fold")[0] for run in made}
    assert rates <= {"", "/rate 0.001"}


class Runs:
    """What a job keeps of its fits, and which trainings took place."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.values: dict[str, dict[str, Any]] = {}
        self.files: dict[str, Path] = {}
        self.folder: Path | None = None
        self.stop_at = ""

    def fit(self) -> Fit:
        def on_epoch(run: str, epoch: int, values: dict[str, float]) -> None:
            if run == self.stop_at:
                raise InterruptedError(run)
            self.told += [run] if epoch == 1 else []

        def save(key: str, path: Path) -> None:
            if self.folder:
                self.files[key] = self.folder / str(len(self.files))
                self.files[key].write_bytes(path.read_bytes())

        hooks = Hooks(
            run="arm/3",
            on_epoch=on_epoch,
            save_result=save,
            load_result=self.files.get,
            save_value=self.values.__setitem__,
            load_value=self.values.get,
        )
        return Fit(FIT.training, hooks, TRACED)


@pytest.mark.parametrize("budget", [MANY, FEW])
def test_a_crash_in_a_later_trial_trains_no_earlier_one_again(budget, options, numbers, tmp_path):
    make, data = partial(scratch, options), numbers()
    whole = Runs()
    expected, network = choose_rate(make, data, whole.fit(), RATES, budget)
    runs = Runs()
    runs.folder, runs.stop_at = tmp_path, next(run for run in whole.told if "rate 0.03" in run)
    with pytest.raises(InterruptedError):
        choose_rate(make, data, runs.fit(), RATES, budget)
    before = list(runs.told)
    runs.stop_at = ""
    choice, made = choose_rate(make, data, runs.fit(), RATES, budget)
    assert before + runs.told[len(before) :] == whole.told
    assert choice == expected
    assert weights_digest(made.network) == weights_digest(network.network)


@pytest.mark.parametrize("budget", [MANY, pytest.param(FEW, marks=pytest.mark.slow)])
def test_a_crash_in_the_trial_of_a_strength_trains_no_earlier_one_again(budget, options, numbers, tmp_path):
    make, data, strengths = partial(scratch, options), numbers(), [3.0, 0.3, 30.0]
    whole = Runs()
    expected, network = choose_rate(make, data, whole.fit(), RATES[:2], budget, strengths)
    runs = Runs()
    runs.folder, runs.stop_at = tmp_path, next(run for run in whole.told if "strength 30" in run)
    with pytest.raises(InterruptedError):
        choose_rate(make, data, runs.fit(), RATES[:2], budget, strengths)
    before = list(runs.told)
    runs.stop_at = ""
    choice, made = choose_rate(make, data, runs.fit(), RATES[:2], budget, strengths)
    assert before + runs.told[len(before) :] == whole.told
    assert choice == expected
    assert weights_digest(made.network) == weights_digest(network.network)


@pytest.mark.parametrize("budget", [MANY, pytest.param(FEW, marks=pytest.mark.slow)])
def test_a_trial_that_diverged_is_not_trained_again(budget, options, numbers, tmp_path):
    data, tried = numbers(), []

    def make(data: Data, fit: Fit) -> Transferred:
        tried.append(fit.hooks.run)
        made = scratch(options, data, fit)
        if fit.training.learning_rate == 0.003:
            raise TrainingDiverged("Expected a finite loss. Received: nan.")
        return made

    whole = Runs()
    expected_fit = whole.fit()
    expected, _ = choose_rate(make, data, expected_fit, RATES, budget)
    runs = Runs()
    runs.folder, runs.stop_at = tmp_path, next(run for run in whole.told if "rate 0.03" in run)
    with pytest.raises(InterruptedError):
        choose_rate(make, data, runs.fit(), RATES, budget)
    runs.stop_at = ""
    tried.clear()
    fit = runs.fit()
    choice, _ = choose_rate(make, data, fit, RATES, budget)
    assert choice == expected
    assert any("rate 0.03" in run for run in tried)
    assert not any(run.split("/fold")[0] == "arm/3/rate 0.003" for run in tried)
    assert fit.cost.updates == expected_fit.cost.updates


def test_where_all_diverged_a_later_attempt_tells_the_same(options, numbers):
    runs, data = Runs(), numbers()
    told = []
    for _ in range(2):
        with pytest.raises(TrainingDiverged) as failure:
            choose_rate(partial(diverging, 0.0, options), data, runs.fit(), RATES, MANY)
        told.append(str(failure.value))
    assert told[0] == told[1] == "Expected a finite loss. Received: nan."


def test_folds_hold_out_every_row_once_and_each_class_alike(numbers):
    data = numbers(100, task="multiclass")
    seen: list[int] = []
    for rest, held_out in folds(data, 3, 0):
        assert rest.validation is None
        assert set(rest.train.numbers) | set(held_out.numbers) == set(data.train.numbers)
        assert not set(rest.train.numbers) & set(held_out.numbers)
        own, all_rows = (np.bincount(rows.targets, minlength=3) for rows in (held_out, data.train))
        assert (np.abs(own - all_rows / 3) < 1).all()
        seen += [*held_out.numbers]
    assert sorted(seen) == sorted(data.train.numbers)


@pytest.mark.parametrize("counts", [(30, 2, 1), (1, 1, 1), (2, 1, 0), (5, 0, 0)])
def test_no_fold_is_trained_without_a_class_that_has_fewer_rows_than_folds(counts, numbers):
    data = numbers(100, task="multiclass")
    targets = np.repeat(np.arange(3), counts)
    train = replace(data.train.take(np.arange(len(targets))), targets=targets)
    made = list(folds(replace(data, train=train), 3, 0))
    for rest, held_out in made:
        assert set(rest.train.targets) == set(targets)
        assert len(held_out)
    held_out = sum(len(rows) for _, rows in made)
    assert held_out == sum(count for count in counts if count > 1)


def test_numbers_are_held_out_as_they_come(numbers):
    data = numbers(20, task="regression")
    sizes = [len(held_out) for _, held_out in folds(data, 3, 0)]
    assert sizes == [4, 4, 4]


def test_a_loss_of_numbers_is_in_the_labels_unit(options, numbers):
    data = numbers(task="regression")
    choice, made = choose_rate(partial(scratch, options), data, FIT, [0.001, 0.003], MANY)
    large = replace(
        data,
        **{
            part: replace(rows, targets=rows.targets * 1e6)
            for part, rows in vars(data).items()
            if isinstance(rows, Rows)
        },
    )
    again, _ = choose_rate(partial(scratch, options), large, FIT, [0.001, 0.003], MANY)
    assert again.score.loss == pytest.approx(choice.score.loss, rel=1e-3)
    assert tasks.unit_of(made.network.head).deviation < 1e3
