"""What rows out of fold say of a candidate, a baseline, and one answer for all."""

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer.baselines.choosing import choose, readings_of
from workers.transfer.choosing.candidates import Candidate
from workers.transfer.choosing.measuring import Measured, measure, measure_baselines, measure_none
from workers.transfer.choosing.target import Target
from workers.transfer.training.options import Hooks, Stopped, Training

TASKS = ["binary", "multiclass", "multilabel", "regression"]


def features_of(target: Target, noise: float = 0.3, seed: int = 0):
    """Features that tell the targets, with noise, beside some that tell nothing."""
    rng = np.random.default_rng(seed)
    y = target.targets.reshape(len(target.rows), -1).astype(float)
    if target.task == "multiclass":
        y = np.eye(target.classes)[target.targets]
    return np.concatenate([y + noise * rng.normal(size=y.shape), rng.normal(size=(len(y), 3))], axis=1)


@pytest.mark.parametrize("task", TASKS)
def test_every_task_has_its_scores_and_is_kept_as_plain_values(task) -> None:
    target = Target.of(examples.make("text", task))
    p = np.random.default_rng(0).dirichlet(np.ones(3), len(target.rows))
    measured = measure(Candidate("a", features_of(target), p), target)
    expected = {"logme"}
    if task != "regression":
        expected |= {"h_score", "leep", "nce", "nearest_mean", "nearest_neighbours"}
    assert set(measured.scores) == expected
    assert all(np.isfinite(value) for value in measured.scores.values())
    assert measured.score > measure_none(target).score
    assert measured.judged.mean() > (-0.3 if task == "regression" else 0.8)
    assert Measured.from_dict(measured.to_dict()) == measured
    name = "r2" if task == "regression" else "accuracy"
    told = 1 + measured.score if task == "regression" else measured.judged.mean()
    assert measured.metrics[name] == pytest.approx(told, abs=0.02)


def test_a_candidate_without_a_head_has_no_scores_of_its_predictions() -> None:
    target = Target.of(examples.make("text"))
    scores = measure(Candidate("a", features_of(target)), target).scores
    assert scores["leep"] is scores["nce"] is None
    assert measure(Candidate("a", features_of(target)), target, others=False).scores == {}


def test_labels_that_follow_from_nothing_are_told_no_better_than_by_one_answer(numbers) -> None:
    target = Target.of(numbers(300))
    x = np.random.default_rng(5).normal(size=(len(target.rows), 20))
    assert measure(Candidate("a", x), target, others=False).score < measure_none(target).score + 0.01


def test_baselines_are_judged_as_where_one_is_chosen_by_folds_and_kept() -> None:
    target, kept = Target.of(examples.make("text")), {}
    measured = measure_baselines(target, seed=3, hooks=Hooks(save_value=kept.__setitem__))
    training = Training(epochs=1, batch_size=32, learning_rate=1e-3, seed=3)
    chosen = choose(readings_of(target.data), target.data, training, folds=target.fold)
    assert [one.name for one in measured] == [one.name for one in chosen.candidates]
    for ours, theirs in zip(measured, chosen.candidates, strict=True):
        assert (ours.judged.mean(), -ours.score) == pytest.approx((theirs.accuracy, theirs.loss), abs=1e-6)
    again = measure_baselines(target, hooks=Hooks(load_value=kept.get, should_stop=lambda: "cancel"))
    assert again == measured  # nothing is fitted again


def test_a_measurement_can_be_stopped_between_two_fits(numbers) -> None:
    target = Target.of(numbers(100))
    with pytest.raises(Stopped):
        measure_baselines(target, hooks=Hooks(should_stop=lambda: "cancel"))

    def pause() -> None:
        raise Stopped("cancel")

    with pytest.raises(Stopped):
        measure(Candidate("a", features_of(target)), target, pause=pause)
