from dataclasses import replace

import numpy as np
import pytest
from sklearn.dummy import DummyClassifier
from sklearn.metrics import log_loss

from tests.workers.transfer import examples
from workers.transfer.proof.one_answer import one_answer_loss
from workers.transfer.tasks import LabelUnit


@pytest.mark.parametrize("task", ["binary", "multiclass"])
def test_one_answer_for_all_loses_what_scikit_learns_dummy_loses(task):
    data = examples.make("text", task)
    train, y = data.train.targets.ravel(), data.validation.targets.ravel()
    dummy = DummyClassifier(strategy="prior").fit(np.zeros((len(train), 1)), train)
    expected = log_loss(y, dummy.predict_proba(np.zeros((len(y), 1))), labels=np.unique(train))
    assert one_answer_loss(data, LabelUnit()) == pytest.approx(expected, rel=1e-5)


def test_of_several_labels_it_is_the_mean_over_them():
    data = examples.make("text", "multilabel")
    p, y = data.train.targets.mean(axis=0), data.validation.targets
    expected = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    assert one_answer_loss(data, LabelUnit()) == pytest.approx(expected, rel=1e-5)


def test_of_numbers_it_is_near_one_in_units_of_the_labels_deviation():
    data = examples.make("text", "regression")
    y, v = data.train.targets.astype(np.float64), data.validation.targets.astype(np.float64)
    expected = np.mean((v - y.mean()) ** 2) / y.var()
    assert one_answer_loss(data, LabelUnit.of(y)) == pytest.approx(expected, rel=1e-4)


def test_without_validation_rows_there_is_none():
    with pytest.raises(ValueError, match="Expected validation rows"):
        one_answer_loss(replace(examples.make("text"), validation=None), LabelUnit())
