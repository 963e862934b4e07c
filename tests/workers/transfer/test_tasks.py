import numpy as np
import pytest
from sklearn import metrics as sk

from workers.transfer import tasks
from workers.transfer.data import Signature
from workers.transfer.networks.network import build


@pytest.mark.parametrize(("task", "width"), [("binary", 1), ("multiclass", 3), ("regression", 1)])
def test_a_head_has_as_many_outputs_as_its_task_needs(task, width, options, numbers):
    network = build(options, numbers(task=task), 0)
    assert network.model.output_shape == (None, width)


def test_a_regression_starts_near_the_mean_of_the_label_in_its_own_unit(options, numbers):
    data = numbers(task="regression")
    mean, deviation, dtype = tasks.label_unit(options, data)
    assert dtype == "float32"
    assert mean == pytest.approx(1000, abs=30)
    assert build(options, data, 0).head.layers[-1].get_config()["scale"] == pytest.approx(deviation)


def test_a_regression_without_preprocessing_is_not_rescaled(plain_options, numbers):
    assert tasks.label_unit(plain_options, numbers(task="regression")) is None


def test_binary_metrics_are_those_of_scikit_learn():
    y, p = np.array([[0.0], [1], [1], [0]]), np.array([[0.2], [0.7], [0.4], [0.6]])
    scores = tasks.metrics("binary", y, p)
    assert set(scores) == set(tasks.METRICS["binary"])
    assert scores["log_loss"] == pytest.approx(sk.log_loss(y.ravel(), p.ravel()))
    assert scores["auc"] == sk.roc_auc_score(y.ravel(), p.ravel())


def test_multiclass_metrics_are_those_of_scikit_learn():
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 3, 60), rng.dirichlet(np.ones(3), 60)
    scores = tasks.metrics("multiclass", y, p)
    assert set(scores) == set(tasks.METRICS["multiclass"])
    assert scores["auc"] == pytest.approx(sk.roc_auc_score(y, p, multi_class="ovr"))
    assert scores["macro_f1"] == pytest.approx(sk.f1_score(y, p.argmax(axis=1), average="macro"))
    assert scores["balanced_accuracy"] == pytest.approx(sk.balanced_accuracy_score(y, p.argmax(axis=1)))


def test_regression_metrics_are_those_of_scikit_learn():
    y, p = np.array([[1.0], [2], [4]]), np.array([[1.5], [2], [3]])
    assert tasks.metrics("regression", y, p)["r2"] == pytest.approx(sk.r2_score(y, p))
    assert set(tasks.metrics("regression", y, p)) == set(tasks.METRICS["regression"])


def test_metrics_that_need_an_absent_class_are_none():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.8, 0.1]])
    assert tasks.metrics("multiclass", np.array([0, 1]), p)["auc"] is None
    assert tasks.metrics("binary", np.ones((3, 1)), np.full((3, 1), 0.9))["auc"] is None
    assert tasks.metrics("regression", np.ones((3, 1)), np.zeros((3, 1)))["r2"] is None


def test_predictions_are_decoded_to_class_names_and_values():
    columns = ()
    assert tasks.decode(Signature(columns, "y", "binary", ("no", "yes")), np.array([[0.4], [0.6]])) == [
        "no",
        "yes",
    ]
    assert tasks.decode(Signature(columns, "y", "multiclass", ("a", "b")), np.array([[0.4, 0.6]])) == ["b"]
    assert tasks.decode(Signature(columns, "y", "regression"), np.array([[1.5]])) == [1.5]


def test_every_task_has_a_default_metric_among_its_metrics():
    assert all(tasks.DEFAULT_METRIC[task] in names for task, names in tasks.METRICS.items())


def test_several_labels_a_row_are_decoded_to_lists():
    signature = Signature((), "y", "multilabel", ("a", "b", "c"))
    assert tasks.decode(signature, np.array([[0.9, 0.2, 0.6], [0.1, 0.5, 0.4]])) == [["a", "c"], []]


def test_labels_that_no_row_has_leave_the_other_metrics_defined():
    y, p = (
        np.array([[1.0, 0, 0], [0, 0, 1], [1, 0, 1]]),
        np.array([[0.9, 0.1, 0.2], [0.3, 0.2, 0.8], [0.4, 0.1, 0.9]]),
    )
    scores = tasks.metrics("multilabel", y, p)
    assert set(scores) == set(tasks.METRICS["multilabel"])
    assert scores["accuracy"] == pytest.approx(8 / 9)
    assert scores["exact_match"] == pytest.approx(2 / 3)
    assert scores["auc"] == 1
    assert scores["macro_f1"] == pytest.approx((2 / 3 + 1) / 2)
    assert tasks.metrics("multilabel", np.zeros((2, 2)), np.zeros((2, 2)))["macro_f1"] is None
