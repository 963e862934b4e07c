"""Inputs are found by the names of their columns, whatever these are and whatever else is given."""

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from tests.plain_python import PlainPython
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.networks.network import Network, build, load
from workers.transfer.training.features import predict

ODD = [
    "a.b", "x[0]", "sp ace", "x:0", "name", "inputs", "__index__", "training", "mask", "self", "dtype",
    "kwargs", "number_scale", "Größe €", "Age", "age", "日本", "{json}", 'a"b', "%s", "é" * 200, "column_0",
    "-", "0", "\t", "any", "where", "concatenate", "\u2028", "network", "input_layer", "y\nz",
]  # fmt: skip
RENAMED = {
    "price/unit": "price_unit_2", "price_unit": "price_unit", "~/x": "~_x", "/": "_",
    "preprocessing": "preprocessing_input", "backbone": "backbone_input", "head": "head_input",
    "checks": "checks_input", "a/b": "a_b_2", "a/b_2": "a_b_2_2", "a_b": "a_b",
}  # fmt: skip


def _data(names: list[str], rows: int = 40) -> Data:
    rng = np.random.default_rng(0)
    columns = tuple(
        Column(name, "category" if place % 5 == 4 else "number") for place, name in enumerate(names)
    )
    inputs = {
        column.name: rng.normal(size=rows).astype(np.float32)
        if column.is_numeric
        else np.array(rng.choice(["u", "v"], rows), object)
        for column in columns
    }
    part = Rows(inputs, (np.arange(rows) % 2).astype(np.float32).reshape(-1, 1), np.arange(rows))
    return Data(Signature(columns, "y", "binary", ("a", "b")), part, None, None)


@pytest.fixture(scope="module")
def odd() -> tuple[Network, dict[str, Any]]:
    options = {"kind": "mlp", "hidden_units": [6], "activation": "relu", "dropout": 0.0}
    data = _data([*ODD, *RENAMED])
    network = build({**options, "preprocessing": True, "max_categories": 256}, data, 0)
    return network, data.train.inputs


def test_a_column_is_called_as_in_the_file_unless_keras_refuses_the_name(odd: Any) -> None:
    assert odd[0].signature.keys == {**{name: name for name in ODD}, **RENAMED}


def test_the_key_of_each_column_is_told_with_the_signature(odd: Any) -> None:
    signature = odd[0].signature
    told = json.loads(json.dumps(signature.to_dict()))
    assert {column["name"]: column["key"] for column in told["columns"]} == signature.keys
    assert Signature.from_dict(told) == signature


def _calls(network: Network, inputs: dict[str, Any]) -> dict[str, dict[str, Any]]:
    call = {network.signature.keys[name]: values for name, values in inputs.items()}
    rows = len(next(iter(call.values())))
    more = {
        "AAA": np.full(rows, 1e6),
        "an id": np.array(["x"] * rows, object),
        "price/unit": np.ones(rows),
        "\uffff": np.arange(rows),
    }
    return {
        "as they are": call,
        "turned": dict(reversed(call.items())),
        "with more": {**more, **call},
        "turned, with more": {**dict(reversed(call.items())), **more},
    }


def test_order_and_other_keys_change_no_prediction(odd: Any, tmp_path: Path) -> None:
    network, inputs = odd
    expected = predict(network, inputs)
    network.save(tmp_path / "model.keras")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        loaded = load(tmp_path / "model.keras", network.signature, {}).model
    assert [one for one in told if issubclass(one.category, UserWarning)] == []
    for model in (network.model, loaded):
        for about, call in _calls(network, inputs).items():
            np.testing.assert_allclose(model.predict(call, verbose=0), expected, atol=1e-6, err_msg=about)
            tensors = {name: tf.constant(values.tolist()) for name, values in call.items()}
            np.testing.assert_allclose(np.asarray(model(tensors)), expected, atol=1e-6, err_msg=about)
            batches = tf.data.Dataset.from_tensor_slices(tensors).batch(7)
            np.testing.assert_allclose(model.predict(batches, verbose=0), expected, atol=1e-6, err_msg=about)


def test_a_missing_key_is_named(odd: Any) -> None:
    network, inputs = odd
    call = _calls(network, inputs)["turned, with more"]
    for key in ("Age", "price_unit_2"):
        less = {name: values for name, values in call.items() if name != key}
        for asked in (lambda rows: network.model.predict(rows, verbose=0), network.model):
            with pytest.raises(ValueError, match=f'Missing data for input "{key}"'):
                asked(less)


@pytest.mark.parametrize("wrong", [np.array(["1", "x"], object), np.array(["2024-01-01"] * 2)])
def test_text_for_a_number_and_a_number_for_text_are_errors(odd: Any, wrong: Any) -> None:
    network, inputs = odd
    call = {name: values[:2] for name, values in _calls(network, inputs)["as they are"].items()}
    with pytest.raises((ValueError, tf.errors.OpError)):
        network.model.predict({**call, "a.b": wrong}, verbose=0)
    with pytest.raises((ValueError, TypeError, tf.errors.OpError)):
        network.model.predict({**call, "name": np.zeros(2)}, verbose=0)


def test_the_order_of_a_list_is_that_of_the_columns(odd: Any) -> None:
    network, inputs = odd
    columns = [tf.constant(inputs[name].tolist()) for name in network.signature.keys]
    np.testing.assert_allclose(np.asarray(network.model(columns)), predict(network, inputs), atol=1e-6)


PROGRAM = """
import json, sys, warnings
warnings.simplefilter("error", UserWarning)
import keras, numpy as np
model = keras.saving.load_model("model.keras")
rows = {name: np.array(values, "float32" if isinstance(values[0], float) else object)
        for name, values in json.load(sys.stdin).items()}
print(json.dumps(model.predict(rows, verbose=0).tolist()))
"""


def test_plain_keras_loads_odd_names_without_a_warning(odd: Any, tmp_path: Path, plain: PlainPython) -> None:
    network, inputs = odd
    network.save(tmp_path / "model.keras")
    call = {name: values.tolist() for name, values in _calls(network, inputs)["turned, with more"].items()}
    call = {name: [float(x) for x in values] if name == "\uffff" else values for name, values in call.items()}
    done = plain.run("-c", PROGRAM, cwd=tmp_path, input=json.dumps(call))
    np.testing.assert_allclose(json.loads(done.stdout.splitlines()[-1]), predict(network, inputs), atol=1e-6)
