"""A head that is fitted in one go: what it answers, what it tells, and what is durable of it."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, log_loss
from sklearn.pipeline import make_pipeline
from threadpoolctl import threadpool_limits

from tests.workers.transfer.examples import NETWORKS, make
from tests.workers.transfer.training.durable import Durable
from tests.workers.transfer.training.scaler import FlooredScaler
from workers.transfer.data import Array, Data, Task
from workers.transfer.networks.network import Network, build, weights_digest
from workers.transfer.tasks import unit_of
from workers.transfer.training.closed_form import fit_head
from workers.transfer.training.features import FeatureStore, outputs, predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Hooks, Stopped, Training, TrainingDiverged

TRAINING = Training(epochs=None, batch_size=16, learning_rate=0.01, seed=3, budget=Budget())
MLP = {"kind": "mlp", "hidden_units": [8], "activation": "relu", "dropout": 0.2, "preprocessing": True}
MLP |= {"max_categories": 256}
Make = Callable[..., Data]


def _fit(hooks: Hooks | None = None, **changes: Any) -> Fit:
    return Fit(replace(TRAINING, **changes), hooks or Hooks())


def _fitted(data: Data, hooks: Hooks | None = None, **changes: Any) -> Network:
    network = build(MLP, data, 3)
    fit_head(network, data, _fit(hooks, **changes))
    return network


def _features(network: Network, inputs: dict[str, Array]) -> Array:
    return outputs(network, ["preprocessing", "backbone"], inputs).astype(np.float64)


def _answers(network: Network, data: Data, c: Any) -> Array:
    """Those of scikit-learn's pipelines on the backbone's outputs, for the test rows."""
    assert data.test is not None
    x, new = _features(network, data.train.inputs), _features(network, data.test.inputs)
    width, y = int((x.std(axis=0) > 1e-6).sum()), data.train.targets

    def pipeline(model: Any, targets: Array) -> Any:
        return make_pipeline(FlooredScaler(), model).fit(x, targets)

    def p(c: float, targets: Array) -> Array:
        model = LogisticRegression(C=c / width, tol=1e-7, max_iter=20_000)
        return pipeline(model, targets).predict_proba(new)

    if data.signature.task == "regression":
        mean, deviation = float(y.mean()), float(y.std())
        units = pipeline(Ridge(alpha=width / c), (y[:, 0] - mean) / deviation).predict(new)
        return (units * deviation + mean).reshape(-1, 1)
    if data.signature.task == "multilabel":
        return np.stack([p(c[k], y[:, k])[:, 1] for k in range(y.shape[1])], axis=1)
    return p(c, y.reshape(-1))[:, 1:] if data.signature.task == "binary" else p(c, y)


@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel", "regression"])
@pytest.mark.parametrize("kind", ["text", "image", "sequence"])
def test_the_network_answers_as_scikit_learn_on_its_backbones_outputs(kind: str, task: Task) -> None:
    data = make(kind, task, rows=80)
    network = build(NETWORKS[kind][0], data, 3)
    backbone = network.backbone.get_weights()
    history, report = fit_head(network, data, _fit())
    with threadpool_limits(1):
        wanted = _answers(network, data, report["C"])
    assert data.test is not None
    np.testing.assert_allclose(predict(network, data.test.inputs), wanted, rtol=2e-3, atol=2e-3)
    assert all(np.array_equal(a, b) for a, b in zip(backbone, network.backbone.get_weights(), strict=True))
    assert json.loads(json.dumps([history.epochs, report], allow_nan=False)) == [history.epochs, report]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_so_it_does_of_tables(task: Task, numbers: Make) -> None:
    data = numbers(120, task=task)
    network = build(MLP, data, 3)
    report = fit_head(network, data, _fit())[1]
    with threadpool_limits(1):
        wanted = _answers(network, data, report["C"])
    assert data.test is not None
    np.testing.assert_allclose(predict(network, data.test.inputs), wanted, rtol=2e-3, atol=2e-3)


def test_a_label_that_float32_cannot_hold_is_fitted_in_its_unit(numbers: Make) -> None:
    near = numbers(120, task="regression")
    assert near.validation is not None
    assert near.test is not None
    parts = [replace(rows, targets=rows.targets.astype(np.float64) + 1e9) for rows in (near.train, near.test)]
    far = replace(near, train=parts[0], test=parts[1], validation=None)
    one, other = _fitted(replace(near, validation=None)), _fitted(far)
    assert unit_of(other.head).dtype == "float64"
    differences = predict(other, near.test.inputs) - 1e9 - predict(one, near.test.inputs)
    assert np.abs(differences).max() < 0.01  # of a deviation of about 110


def test_the_history_has_one_entry_of_no_updates_with_the_losses_of_the_head(numbers: Make) -> None:
    data = numbers(120, task="multiclass")
    assert data.validation is not None
    told: list[Any] = []
    network = build(MLP, data, 3)
    fit = _fit(Hooks(run="probe", on_epoch=lambda *epoch: told.append(epoch)))
    history = fit_head(network, data, fit)[0]
    assert [(run, epoch, {"epoch": epoch, **values}) for run, epoch, values in told] == [
        ("probe", 1, history.epochs[0])
    ]
    entry = history.epochs[0]
    assert (entry["epoch"], entry["updates"], fit.cost.updates) == (1, 0.0, 0)
    for prefix, rows in (("", data.train), ("val_", data.validation)):
        p = predict(network, rows.inputs).astype(np.float64)
        wanted = log_loss(rows.targets, p / p.sum(axis=1, keepdims=True), labels=[0, 1, 2])
        assert entry[f"{prefix}loss"] == pytest.approx(wanted, rel=1e-4)
        assert entry[f"{prefix}accuracy"] == pytest.approx(accuracy_score(rows.targets, p.argmax(axis=1)))


def test_later_trainings_count_on_from_it(numbers: Make) -> None:
    data = numbers()
    network, fit = build(MLP, data, 3), _fit(budget=Budget(min_updates=64, max_updates=64))
    first = fit_head(network, data, fit)[0]
    then = fit(network, data, updates=64)
    again = fit_head(network, data, fit)[0]
    assert [entry["epoch"] for entry in (first + then + again).epochs] == [1, 2, 3, 4]
    assert [entry["updates"] for entry in (first + then + again).epochs] == [0, 32, 64, 64]
    assert fit.cost.updates == 64


def test_balanced_classes_are_weighed_as_in_training(numbers: Make) -> None:
    data = numbers(200)
    rare = np.flatnonzero(data.train.targets[:, 0])[8:]
    data = replace(
        data, train=data.train.take(np.setdiff1d(np.arange(len(data.train)), rare)), validation=None
    )
    network, plain = _fitted(data, class_weights="balanced"), _fitted(data)
    p = predict(network, data.train.inputs)
    by_class = [p[data.train.targets == label] for label in (0, 1)]
    # The slope in the bias is 0: both classes' weights are half of all.
    assert by_class[0].mean() == pytest.approx((1 - by_class[1]).mean(), abs=1e-3)
    assert predict(plain, data.train.inputs).mean() < p.mean()


def test_the_heads_values_before_do_not_matter_nor_does_the_seed(numbers: Make) -> None:
    data = numbers()
    network = build(MLP, data, 3)
    ends = []
    for seed in (3, 4):
        network.head.set_weights([weight + seed for weight in network.head.get_weights()])
        fit_head(network, data, _fit(seed=seed))
        ends.append(weights_digest(network))
    assert ends[0] == ends[1]


def test_features_that_are_kept_in_files_give_the_same_head(tmp_path: Path, numbers: Make) -> None:
    data, digests = numbers(), []
    for store in (None, FeatureStore(tmp_path / "a", 1 << 20), FeatureStore(tmp_path / "a", 1 << 20)):
        digests.append(weights_digest(_fitted(data, Hooks(features=store))))
    assert len(set(digests)) == 1
    assert list((tmp_path / "a").glob("*.npy"))


@pytest.mark.parametrize("question", [1, 8, 11, 26])
def test_a_stopped_fit_goes_on_after_the_folds_that_were_done_and_ends_bit_for_bit(
    question: int, tmp_path: Path, numbers: Make
) -> None:
    data, undisturbed = numbers(), Durable(tmp_path)
    wanted = weights_digest(_fitted(data, undisturbed.hooks()))
    assert undisturbed.asked == 26  # five C in five folds, and all rows
    durable = Durable(tmp_path)
    with pytest.raises(Stopped, match="cancelled"):
        _fitted(data, durable.hooks(stop_at=question))
    done = (question - 1) // 5
    assert (len(durable.values), len(durable.files)) == (done, 0)
    assert weights_digest(_fitted(data, durable.hooks())) == wanted
    assert durable.asked == 26 - 5 * done


def test_a_finished_head_is_found_by_other_runs_on_the_same_rows_and_by_no_others(
    tmp_path: Path, numbers: Make
) -> None:
    data, durable = numbers(), Durable(tmp_path)
    wanted = weights_digest(_fitted(data, durable.hooks("transfer/0")))
    other = durable.hooks("transfer/1")
    assert weights_digest(_fitted(data, other, seed=4, learning_rate=0.1)) == wanted
    assert durable.asked == 0
    for changed in ({"class_weights": {"yes": 2.0}}, {}):
        hooks = durable.hooks("transfer/1")
        rows = data if changed else numbers(seed=1)
        _fitted(rows, hooks, **changed)
        assert durable.asked == 26


def test_only_the_run_that_fitted_a_head_counts_its_seconds_but_in_every_attempt(
    tmp_path: Path, numbers: Make
) -> None:
    data, durable = numbers(), Durable(tmp_path)
    network = build(MLP, data, 3)

    def spent(run: str, stop_at: int | None = None) -> float:
        fit = _fit(durable.hooks(run, stop_at))
        fit_head(network, data, fit)
        return fit.cost.cpu_seconds

    with pytest.raises(Stopped):
        spent("transfer/0", stop_at=8)
    of_fold = next(iter(durable.values.values()))["cpu_seconds"]
    first = spent("transfer/0")
    assert first > of_fold > 0
    assert spent("transfer/0") == first
    assert spent("transfer/1") == 0


def test_outputs_that_are_not_finite_are_refused(numbers: Make) -> None:
    data = numbers()
    network = build(MLP, data, 3)
    network.backbone.set_weights([np.full_like(weight, np.nan) for weight in network.backbone.get_weights()])
    with pytest.raises(TrainingDiverged, match="finite outputs of the backbone"):
        fit_head(network, data, _fit())
