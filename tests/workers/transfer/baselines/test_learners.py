"""Every task is answered in the shape of a network's predictions, whatever classes have rows."""

import numpy as np
import pytest

from workers.transfer.baselines.learners import Problem
from workers.transfer.baselines.linear import linear
from workers.transfer.baselines.trees import extra_trees, gradient_boosting
from workers.transfer.tasks import LabelUnit

LEARNERS = [linear, extra_trees, gradient_boosting]
X = np.random.default_rng(0).normal(size=(40, 3))


@pytest.mark.parametrize("learner", LEARNERS)
def test_a_class_without_rows_gets_half_a_row(learner) -> None:
    y = (X[:, 0] > 0).astype(np.int64) * 2  # class 1 of four and class 3 have none
    p = learner(X, y, np.ones(40), Problem("multiclass", 4, None, seed=0))(X)
    assert p[:, [1, 3]] == pytest.approx(np.full((40, 2), 0.5 / 42))
    assert p.sum(axis=1) == pytest.approx(np.ones(40))
    assert (p.argmax(axis=1) == y).mean() > 0.9


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_class_alone_is_answered_for_every_row(learner) -> None:
    p = learner(X, np.ones((40, 1), np.float32), np.ones(40), Problem("binary", 2, None, seed=0))(X)
    assert p.tolist() == [[1 - 0.5 / 41]] * 40


@pytest.mark.parametrize("learner", LEARNERS)
def test_each_of_several_labels_has_its_own_model(learner) -> None:
    y = np.stack([X[:, 0] > 0, X[:, 1] > 0, np.ones(40, bool)], axis=1).astype(np.float32)
    problem = Problem("multilabel", 3, None, seed=0)
    p = learner(X, y, np.ones(40), problem)(X)
    alone = learner(X, y[:, 1:2], np.ones(40), Problem("binary", 2, None, seed=0))(X)
    np.testing.assert_allclose(p[:, 1:2], alone)
    assert set(p[:, 2]) == {1 - 0.5 / 41}


@pytest.mark.parametrize("learner", LEARNERS)
@pytest.mark.parametrize("size", [1e-30, 1.0, 1e30])
def test_numbers_of_any_size_are_learnt(learner, size: float) -> None:
    y = (size * X[:, :1]).astype(np.float64)
    p = learner(X, y, np.ones(40), Problem("regression", 0, LabelUnit.of(y), seed=0))(X)
    assert np.isfinite(p).all()
    assert np.abs(p / size - y / size).mean() < 0.7 * np.abs(y / size).mean()


@pytest.mark.parametrize("learner", LEARNERS)
def test_rows_of_weight_0_are_as_if_they_were_not_there(learner) -> None:
    y = (X[:, :1] > 0).astype(np.float32)
    problem = Problem("binary", 2, None, seed=0)
    without = learner(X[:30], y[:30], np.ones(30), problem)(X)
    wrong = np.concatenate([y[:30], 1 - y[30:]])
    np.testing.assert_allclose(learner(X, wrong, np.r_[np.ones(30), np.zeros(10)], problem)(X), without)


@pytest.mark.parametrize("learner", LEARNERS)
def test_one_row_is_learnt(learner) -> None:
    y = np.array([[7.0]])
    p = learner(X[:1], y, np.ones(1), Problem("regression", 0, LabelUnit.of(y), seed=0))(X[:2])
    assert p[:, 0] == pytest.approx([7.0, 7.0])


def test_fits_ask_whether_to_go_on() -> None:
    class Enough(Exception):
        pass

    def stop() -> None:
        raise Enough

    for learner in LEARNERS:
        with pytest.raises(Enough):
            learner(X, (X[:, :1] > 0).astype(np.float32), np.ones(40), Problem("binary", 2, None, 0, stop))
