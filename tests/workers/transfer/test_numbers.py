"""Numbers keep their digits: large and tiny labels, and columns that never vary."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow as pa
import pytest
from sklearn import metrics as sk

from tests.workers.transfer.parts import parts_of
from workers.transfer import tasks
from workers.transfer.data import Array, Column, Data, Rows, Signature, from_table
from workers.transfer.delivery.export import verify
from workers.transfer.methods.combined import combined
from workers.transfer.methods.distillation import distillation
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.schema_map import start
from workers.transfer.methods.scratch import scratch
from workers.transfer.methods.structure import structure
from workers.transfer.networks.network import load, weights_digest
from workers.transfer.proof.comparison import compare
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

OPTIONS: dict[str, Any] = {
    "kind": "mlp",
    "hidden_units": [16],
    "activation": "relu",
    "dropout": 0.0,
    "preprocessing": True,
    "max_categories": 256,
}
FIT = Fit(Training(epochs=12, batch_size=16, learning_rate=0.02, seed=3))
UNITS = [(0.0, 1.0), (1.5e9, 10.0), (-3e12, 1.0), (6e18, 1e18), (1e35, 1e33), (0.0, 1e-20), (5.0, 1e-6)]


def _regression(mean: float, deviation: float, seed: int = 0, rows: int = 150) -> Data:
    """Labels mean + deviation · (x0 - 2 x1), as a table has them."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, 2))
    table = pa.table({"x0": x[:, 0], "x1": x[:, 1], "y": mean + deviation * (x[:, 0] - 2 * x[:, 1])})
    columns = (Column("x0", "number"), Column("x1", "number"))
    return from_table(table, Signature(columns, "y", "regression"), parts_of(rows, seed=3))


def _plain(network: Any, folder: Path) -> Any:
    """As plain Keras loads it, in its safe mode."""
    network.save(folder / "model.keras")
    return keras.saving.load_model(folder / "model.keras")


@functools.cache
def _usual() -> tuple[Any, Array]:
    made = scratch(OPTIONS, _regression(0.0, 1.0), FIT.named("source"))
    return made, predict(made.network, _regression(0.0, 1.0).test.inputs)


@pytest.mark.parametrize(("mean", "deviation"), UNITS[1:])
def test_a_label_of_any_offset_and_size_is_learnt_and_measured_alike(mean, deviation, tmp_path):
    data, (usual, p_usual) = _regression(mean, deviation), _usual()
    made = scratch(OPTIONS, data, FIT.named("source"))
    y, p = data.test.targets, predict(made.network, data.test.inputs)
    np.testing.assert_allclose((p - mean) / deviation, p_usual, atol=2e-3)
    measured = tasks.metrics("regression", y, p)
    errors = (y - p.astype(np.float64)) / deviation
    assert measured["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)) * deviation, rel=1e-6)
    assert measured["r2"] == pytest.approx(
        sk.r2_score((y - mean) / deviation, (p - mean) / deviation), abs=1e-6
    )
    assert measured["r2"] == pytest.approx(
        tasks.metrics("regression", (y - mean) / deviation, p_usual)["r2"], abs=1e-3
    )
    losses = [[epoch["val_loss"] for epoch in one.history.epochs] for one in (made, usual)]
    np.testing.assert_allclose(*losses, rtol=1e-2, atol=1e-5)
    inputs = {name: values.astype(np.float32) for name, values in data.test.inputs.items()}
    plain = _plain(made.network, tmp_path).predict(inputs, verbose=0)
    np.testing.assert_allclose((plain - p) / deviation, 0, atol=1e-5)
    path = tmp_path / "model.keras"
    assert verify(path, made.network, weights_digest(made.network), data.test.inputs, p) <= 1e-6


@pytest.mark.parametrize(("mean", "deviation"), [(1.5e9, 10.0), (6e18, 1e18)])
def test_transfer_and_distillation_keep_a_labels_digits(mean, deviation):
    data, target = _regression(mean, deviation), _regression(mean, deviation, seed=1)
    source = scratch(OPTIONS, data, FIT.named("source")).network
    for made in (parameter(source, OPTIONS, target, FIT), distillation(source, OPTIONS, target, FIT)):
        p = predict(made.network, target.test.inputs)
        assert tasks.metrics("regression", target.test.targets, p)["r2"] > 0.98


@pytest.mark.parametrize(
    "method",
    [
        functools.partial(parameter, strategy="lp_ft"),
        functools.partial(parameter, strategy="full", regulariser="l2_sp"),
        distillation,
        functools.partial(distillation, strategy="hints"),
        functools.partial(combined, strategy="adapter"),
        functools.partial(structure, strategy="reuse"),
    ],
)
def test_every_method_trains_on_a_tiny_label_as_on_an_ordinary_one(method: Any, tmp_path: Path) -> None:
    losses, scores = [], []
    for deviation in (1.0, 1e-5):
        made = scratch(OPTIONS, _regression(3 * deviation, deviation), FIT.named("source")).network
        made.save(tmp_path / "version.keras")  # continued from, as from a version
        source = load(tmp_path / "version.keras", made.signature, OPTIONS)
        target = _regression(-2 * deviation, deviation, seed=1)
        learnt = method(source, OPTIONS, target, FIT.named("target", epochs=4))
        losses.append([epoch[key] for epoch in learnt.history.epochs for key in ("loss", "val_loss")])
        p = predict(learnt.network, target.test.inputs)
        scores.append(tasks.metrics("regression", target.test.targets, p)["r2"])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-3)
    assert scores[1] == pytest.approx(scores[0], abs=1e-3)


def test_a_label_of_another_size_is_learnt_in_the_targets_unit_and_the_receipt_says_so():
    source = scratch(OPTIONS, _regression(0.0, 1.0), FIT.named("source")).network
    target = _regression(1.5e9, 10.0, seed=1)
    made = parameter(source, OPTIONS, target, FIT, strategy="full")
    p = predict(made.network, target.test.inputs)
    assert tasks.metrics("regression", target.test.targets, p)["r2"] > 0.95
    layer = next(one for one in made.receipt["layers"] if one["layer"] == "label_unit")
    assert (layer["origin"], "whose unit the predictions have" in layer["why"]) == ("new", True)


@pytest.mark.parametrize(("mean", "deviation"), UNITS[1:])
@pytest.mark.parametrize("metric", ["rmse", "mae", "r2"])
def test_a_gain_and_its_interval_follow_the_labels_size(mean, deviation, metric):
    rng = np.random.default_rng(0)
    y = rng.normal(size=(60, 1))
    near, far = (y + noise * rng.normal(size=(60, 1)) for noise in (0.1, 0.5))
    usual = compare("regression", y, [near], [far], metric, draws=500)
    y, near, far = (mean + deviation * values for values in (y, near, far))
    size = 1.0 if metric == "r2" else deviation
    gain = compare("regression", y, [near], [far], metric, draws=500)
    told, expected = ([one.value, one.low, one.high] for one in (gain, usual))
    np.testing.assert_allclose(np.array(told) / size, expected, rtol=1e-3)


def _constants(rows: int, seed: int, *, fixed: bool) -> dict[str, Array]:
    """Columns of every type; fixed to one value, or with whatever may come later."""
    rng = np.random.default_rng(seed)
    if fixed:
        values: dict[str, list[Any]] = {
            "fee": [0],
            "big": [1e12],
            "flag": [1],
            "city": ["a"],
            "day": ["2024-02-03"],
        }
    else:
        values = {
            "fee": [50, -1e18, np.inf, -np.inf, np.nan],
            "big": [0, 3e38, np.nan],
            "flag": [0, np.nan],
            "city": ["b", "", "ü"],
            "day": ["1999-12-31T23:59:59", ""],
        }
    types = {"fee": np.float32, "big": np.float32, "flag": np.float32, "city": object, "day": object}
    return {name: rng.choice(np.array(some, types[name]), rows) for name, some in values.items()}


def _with_constants(data: Data, *, fixed: bool = True) -> Data:
    types = {"fee": "number", "big": "number", "flag": "boolean", "city": "category", "day": "date"}
    columns = tuple(Column(name, kind) for name, kind in types.items())  # type: ignore[arg-type]

    def more(rows: Rows | None) -> Rows | None:
        return rows and replace(rows, inputs={**_constants(len(rows), 1, fixed=fixed), **rows.inputs})

    signature = replace(data.signature, columns=(*columns, *data.signature.columns))
    return Data(signature, *(more(rows) for rows in (data.train, data.validation, data.test)))  # type: ignore[arg-type]


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_what_never_varied_in_training_has_no_influence_whatever_it_holds_later(
    task: str, numbers: Callable[..., Data], tmp_path: Path
) -> None:
    data = _with_constants(numbers(task=task))
    fit = FIT.named("", epochs=2)
    source = scratch(OPTIONS, data, fit).network
    begun, _ = start(source, data, 1)
    for network in (source, begun, distillation(source, OPTIONS, data, fit).network):
        model = _plain(network, tmp_path)
        expected = model.predict(data.test.inputs, verbose=0)
        for seed in (2, 3):
            later = {**data.test.inputs, **_constants(len(data.test), seed, fixed=False)}
            np.testing.assert_array_equal(model.predict(later, verbose=0), expected)


def test_what_never_varied_in_the_source_is_new_in_the_target(numbers: Callable[..., Data]) -> None:
    rng = np.random.default_rng(0)
    source = scratch(OPTIONS, _with_constants(numbers()), FIT.named("source")).network
    target = _with_constants(numbers(seed=1))
    fee = (rng.random(len(target.train)) * 40 + 10).astype(np.float32)
    city = rng.choice(np.array(["a", "b"], object), len(target.train))
    target = replace(
        target, train=replace(target.train, inputs={**target.train.inputs, "fee": fee, "city": city})
    )
    network, origins = start(source, target, 1)
    first = origins["backbone/dense_1"]
    assert {"fee", "city=a", "city=b"} <= set(first.new)
    assert "fee, city=a never varied in the source" in origins["preprocessing"].why
    scale = network.preprocessing.get_layer("number_scale").get_weights()
    np.testing.assert_allclose(scale[0].reshape(-1)[0], fee.mean(), rtol=1e-5)
    np.testing.assert_allclose(scale[1].reshape(-1)[0], fee.var(), rtol=1e-5)
    kernel = network.backbone.layers[0].kernel.numpy()
    assert not kernel[0].any()
    same = {name: values[: len(target.test)] for name, values in target.train.inputs.items()}
    before = {**same, **_constants(len(target.test), 1, fixed=True)}
    np.testing.assert_array_equal(predict(network, same), predict(source, before))


@pytest.mark.parametrize("value", [np.inf, -np.inf, 3e38, -3e38, np.nan])
def test_infinite_and_missing_inputs_give_finite_predictions(value, numbers, tmp_path):
    data = numbers()
    model = _plain(scratch(OPTIONS, data, FIT.named("", epochs=1)).network, tmp_path)
    others = [np.inf, -np.inf, 3e38, -3e38, np.nan, 0]
    inputs = {name: np.array([value] * 6, np.float32) for name in data.test.inputs}
    inputs["x1"] = np.array(others, np.float32)
    assert np.isfinite(model.predict(inputs, verbose=0)).all()
