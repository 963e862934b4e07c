import numpy as np
import pytest
from sklearn import metrics as sk

from workers.transfer import tasks, text_metrics
from workers.transfer.proof.weighted_metrics import weighted_metric

WORDS = ["a", "dog", "runs", "home.", "Tom", "the"]


def _case(task: str):
    rng = np.random.default_rng(4)
    rows = 60
    if task == "regression":
        y = rng.normal(5, 2, (rows, 1))
        return y, y + rng.normal(0, 1, (rows, 1))
    if task == "binary":
        return rng.integers(0, 2, (rows, 1)).astype(np.float32), rng.random((rows, 1)).round(1)  # with ties
    if task == "multilabel":
        return rng.integers(0, 2, (rows, 3)).astype(np.float32), rng.random((rows, 3)).round(1)
    if task == "seq2seq":
        said, meant = ([" ".join(rng.choice(WORDS, 6)) for _ in range(rows)] for _ in range(2))
        losses = np.stack([rng.random(rows), rng.integers(1, 9, rows)], axis=1)
        return np.array(meant, dtype=object), text_metrics.statistics(task, meant, said, losses)
    return rng.integers(0, 4, rows), rng.dirichlet(np.ones(4), rows).round(1)


CASES = [(task, metric) for task, names in tasks.METRICS.items() for metric in names]


@pytest.mark.parametrize(("task", "metric"), CASES)
def test_each_closed_form_equals_the_metric_of_the_repeated_rows(task, metric):
    y, p = _case(task)
    weights = np.random.default_rng(0).multinomial(60, np.full(60, 1 / 60), size=8).astype(float)
    expected = [
        tasks.metrics(task, np.repeat(y, w, axis=0), np.repeat(p, w, axis=0))[metric]
        for w in weights.astype(int)
    ]
    assert weighted_metric(task, metric, y, p, weights) == pytest.approx(expected, rel=1e-9)


def _scikit_learn(task: str, metric: str, y, p, w) -> float:
    if task == "multilabel":
        return _of_labels(metric, y, p, w)
    y = y.ravel()
    decided = p.ravel() if task == "regression" else tasks.decide(task, p)
    if metric == "log_loss":
        return float(
            sk.log_loss(y, p / p.sum(axis=1, keepdims=True) if task == "multiclass" else p, sample_weight=w)
        )
    if metric == "auc" and task == "binary":
        return float(sk.roc_auc_score(y, p.ravel(), sample_weight=w))
    if metric == "auc":
        return float(np.mean([sk.roc_auc_score(y == k, p[:, k], sample_weight=w) for k in range(4)]))
    if metric == "macro_f1":
        return float(sk.f1_score(y, decided, average="macro", sample_weight=w))
    functions = {
        "accuracy": sk.accuracy_score,
        "balanced_accuracy": sk.balanced_accuracy_score,
        "f1": sk.f1_score,
        "rmse": sk.root_mean_squared_error,
        "mae": sk.mean_absolute_error,
        "r2": sk.r2_score,
    }
    return float(functions[metric](y, decided, sample_weight=w))


def _of_labels(metric: str, y, p, w) -> float:
    said = p > 0.5
    by_label = [(y[:, k], p[:, k], said[:, k]) for k in range(3)]
    if metric == "accuracy":
        return float(
            np.mean([sk.accuracy_score(true, label, sample_weight=w) for true, _, label in by_label])
        )
    if metric == "exact_match":
        return float(sk.accuracy_score(y, said, sample_weight=w))
    if metric == "auc":
        return float(sk.roc_auc_score(y, p, average="macro", sample_weight=w))
    if metric == "log_loss":
        losses = [sk.log_loss(true, np.clip(q, 1e-7, 1 - 1e-7), sample_weight=w) for true, q, _ in by_label]
        return float(np.mean(losses))
    return float(sk.f1_score(y, said, average=metric.removesuffix("_f1"), sample_weight=w))


@pytest.mark.parametrize(("task", "metric"), [case for case in CASES if case[0] not in ("seq2seq", "span")])
def test_each_closed_form_equals_scikit_learn_under_sample_weights(task, metric):
    y, p = _case(task)
    if metric == "log_loss":
        p = np.clip(p, 0.05, 0.95) / (
            np.clip(p, 0.05, 0.95).sum(axis=1, keepdims=True) if task == "multiclass" else 1
        )
    weights = np.random.default_rng(1).integers(1, 5, size=(5, 60)).astype(float)
    expected = [_scikit_learn(task, metric, y, p, w) for w in weights]
    assert weighted_metric(task, metric, y, p, weights) == pytest.approx(expected, rel=1e-9)


def test_a_draw_without_one_of_the_classes_has_no_auc():
    weights = np.array([[2.0, 0.0], [1.0, 1.0]])
    areas = weighted_metric("binary", "auc", np.array([[0.0], [1.0]]), np.array([[0.1], [0.9]]), weights)
    assert np.isnan(areas[0])
    assert areas[1] == 1


def test_a_draw_whose_label_never_varies_has_no_r2():
    y = np.array([[1.0], [2.0]])
    assert np.isnan(weighted_metric("regression", "r2", y, y, np.array([[2.0, 0.0]]))).all()
