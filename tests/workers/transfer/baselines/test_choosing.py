"""One candidate is the baseline: for every kind and task, by validation rows or by folds."""

import functools
import threading
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import log_loss

from tests.workers.transfer import examples
from workers.transfer.baselines import choosing
from workers.transfer.baselines.choosing import Score, choose, readings_of
from workers.transfer.data import Data
from workers.transfer.proof.evaluation import Outcome, Rules, evaluate_arms
from workers.transfer.training.options import Hooks, Stopped, Training

TRAINING = Training(epochs=1, batch_size=8, learning_rate=0.001, seed=3)
KINDS = ["text", "sequence", "image"]
TASKS = ["binary", "multiclass", "multilabel", "regression"]


@functools.cache
def data_of(kind: str, task: str) -> Data:
    return examples.make(kind, task)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("task", TASKS)
def test_the_answers_are_an_outcome_as_a_networks(kind: str, task) -> None:
    data = data_of(kind, task)
    made = choose(readings_of(data)[:1], data, TRAINING)
    p = made.answers(data.test.inputs)
    outcome = Outcome(3, p, made.answers(data.validation.inputs), [])
    k = len(data.signature.classes) if task in ("multiclass", "multilabel") else 1
    assert p.shape == (len(data.test), k)
    nothing = made.answers({name: values[:0] for name, values in data.test.inputs.items()})
    assert (nothing.shape, nothing.dtype) == ((0, k), p.dtype)
    told = evaluate_arms({"transfer": [outcome]}, data, Rules(None, 0.95, draws=100, seed=0))
    assert told["metrics"]["transfer"]["r2" if task == "regression" else "accuracy"] > 0.5


def test_mixed_columns_with_gaps_are_answered(mixed: Data) -> None:
    made = choose(readings_of(mixed), mixed, TRAINING)
    assert [score.name for score in made.candidates] == ["linear", "extra_trees"]
    p = made.answers(mixed.test.inputs)
    assert ((p > 0.5) == (mixed.test.targets > 0.5)).mean() > 0.8


def test_the_same_data_gives_the_same_answers_also_beside_busy_threads(mixed: Data) -> None:
    first = choose(readings_of(mixed), mixed, TRAINING).answers(mixed.test.inputs)
    busy = [threading.Thread(target=lambda: np.linalg.svd(np.ones((200, 200)))) for _ in range(3)]
    for thread in busy:
        thread.start()
    again = choose(readings_of(mixed), mixed, TRAINING).answers(mixed.test.inputs)
    for thread in busy:
        thread.join()
    assert (first == again).all()


def test_scores_are_those_of_the_validation_rows(mixed: Data) -> None:
    for reading in readings_of(mixed):
        for name, learner in reading.learners.items():
            made = choose([replace(reading, learners={name: learner})], mixed, TRAINING)
            (score,) = made.candidates
            p, y = made.answers(mixed.validation.inputs)[:, 0], mixed.validation.targets[:, 0]
            assert made.by == "validation"
            assert score.accuracy == ((p > 0.5) == y).mean()
            assert score.loss == pytest.approx(log_loss(y, np.clip(p, 1e-7, 1 - 1e-7)), rel=1e-4)


def test_with_folds_each_row_is_answered_by_a_model_without_it(numbers) -> None:
    data = numbers(60)
    folds = np.arange(len(data.train)) % 3
    reading = readings_of(data)[0]
    linear = replace(reading, learners={"linear": reading.learners["linear"]})
    made = choose([linear], data, TRAINING, folds=folds)
    right = 0
    for number in range(3):
        rest = replace(data, train=data.train.take(folds != number))
        p = choose([linear], rest, TRAINING).answers(data.train.take(folds == number).inputs)
        right += ((p > 0.5) == (data.train.targets[folds == number] > 0.5)).sum()
    assert made.by == "cross-validation"
    assert made.candidates[0].accuracy == right / len(data.train)
    whole = choose([linear], data, TRAINING).answers(data.test.inputs)
    assert (made.answers(data.test.inputs) == whole).all()


def test_the_most_right_answers_win_and_then_the_lower_loss() -> None:
    assert Score("b", 0.9, 2.0).is_better_than(Score("a", 0.8, 0.1))
    assert Score("b", 0.9, 0.1).is_better_than(Score("a", 0.9, 0.2))
    assert not Score("b", 0.9, 0.1).is_better_than(Score("a", 0.9, 0.1))
    assert Score("b", None, 0.1).is_better_than(Score("a", None, 0.2))


def test_without_rows_to_hold_out_the_first_candidate_is_taken(numbers) -> None:
    data = replace(numbers(40), validation=None)
    made = choose(readings_of(data), data, TRAINING)
    assert (made.chosen, made.by, made.candidates) == ("linear", "default", [])


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_fewest_rows_are_enough(mixed: Data, rows: int) -> None:
    data = replace(mixed, train=mixed.train.take(np.arange(rows)))
    made = choose(readings_of(data, mixed), data, TRAINING, folds=np.arange(rows) - (rows == 1))
    assert made.by == ("default" if rows == 1 else "cross-validation")
    assert np.isfinite(made.answers(data.test.inputs)).all()


def test_a_source_with_the_same_label_adds_candidates(numbers) -> None:
    data, source = numbers(30), numbers(600, seed=1)
    made = choose(readings_of(data, source), data, TRAINING)
    names = ["linear", "extra_trees", "pooled_linear", "pooled_extra_trees"]
    assert [score.name for score in made.candidates] == names
    other = replace(source, signature=replace(source.signature, label="z"))
    assert len(readings_of(data, other)) == 1


def test_class_weights_move_the_answers(numbers) -> None:
    data = numbers(100)
    reading = readings_of(data)[0]
    plain = choose([reading], data, TRAINING).answers(data.test.inputs)
    weighted = replace(TRAINING, class_weights={"yes": 20.0})
    assert choose([reading], data, weighted).answers(data.test.inputs).mean() > plain.mean()


def test_of_more_rows_than_a_reading_takes_some_are_fitted(numbers) -> None:
    data = numbers(400)
    reading = replace(readings_of(data)[0], most_rows=100)
    made = choose([reading], data, TRAINING)
    assert made.candidates[0].accuracy > 0.8


def test_a_score_that_is_durable_is_not_found_again(numbers) -> None:
    data = numbers(80)
    kept: dict[str, dict] = {}
    hooks = Hooks(save_value=kept.__setitem__, load_value=kept.get)
    first = choose(readings_of(data), data, TRAINING, hooks)
    fits = []
    reading = readings_of(data)[0]
    counted = {
        name: lambda *given, learner=learner, name=name: (fits.append(name), learner(*given))[1]
        for name, learner in reading.learners.items()
    }
    again = choose([replace(reading, learners=counted)], data, TRAINING, hooks)
    assert fits == [first.chosen]
    assert again.candidates == first.candidates
    assert (again.answers(data.test.inputs) == first.answers(data.test.inputs)).all()


def test_it_stops_between_two_fits_and_keeps_what_is_found(numbers) -> None:
    data = numbers(80)
    kept: dict[str, dict] = {}
    hooks = Hooks(
        save_value=kept.__setitem__, load_value=kept.get, should_stop=lambda: "pause" if kept else None
    )
    with pytest.raises(Stopped):
        choose(readings_of(data), data, TRAINING, hooks)
    assert list(kept) == ["baseline linear"]


def test_every_kind_has_a_file() -> None:
    assert set(choosing.KINDS) == {"tabular", "text", "sequence", "image"}
