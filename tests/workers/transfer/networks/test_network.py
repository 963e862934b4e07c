from pathlib import Path

import numpy as np
import pytest

from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.networks.network import PARTS, build, load, weights_digest
from workers.transfer.training.features import predict


def test_equal_seeds_give_equal_initial_weights_bit_for_bit(options, mixed):
    assert weights_digest(build(options, mixed, 5)) == weights_digest(build(options, mixed, 5))


def test_other_seeds_give_other_initial_weights(options, mixed):
    assert weights_digest(build(options, mixed, 5)) != weights_digest(build(options, mixed, 6))


def test_a_network_is_made_of_three_named_parts(options, mixed):
    network = build(options, mixed, 0)
    assert [network.part(part).name for part in PARTS] == list(PARTS)


def test_a_saved_network_is_loaded_with_the_same_weights_and_predictions(options, mixed, tmp_path: Path):
    network = build(options, mixed, 0)
    network.save(tmp_path / "a.keras")
    again = load(tmp_path / "a.keras", network.signature, network.options)
    assert weights_digest(again) == weights_digest(network)
    assert np.array_equal(predict(again, mixed.train.inputs), predict(network, mixed.train.inputs))


@pytest.mark.parametrize(
    "names", [("head", "backbone", "preprocessing"), ("a/b", "a b", "größe é"), ("columns", "", "a.b:c")]
)
def test_any_column_name_can_be_an_input(names: tuple[str, ...], options, tmp_path: Path):
    types = ("number", "category", "date")
    columns = tuple(Column(name, kind) for name, kind in zip(names, types, strict=True))
    values = [
        np.array([1.0, 2.0], np.float32),
        np.array(["x", ""], object),
        np.array(["2020-01-01", ""], object),
    ]
    rows = Rows(dict(zip(names, values, strict=True)), np.array([[0.0], [1.0]], np.float32), np.arange(2))
    data = Data(Signature(columns, "y", "binary", ("0", "1")), rows, None, None)
    network = build(options, data, 0)
    network.save(tmp_path / "a.keras")
    again = load(tmp_path / "a.keras", network.signature, network.options)
    assert np.array_equal(predict(again, rows.inputs), predict(network, rows.inputs))


def test_predictions_do_not_depend_on_how_many_rows_come_at_once(options, numbers):
    data = numbers(5000)
    network = build(options, data, 0)
    first = {name: values[:1500] for name, values in data.train.inputs.items()}
    assert np.array_equal(predict(network, data.train.inputs)[:1500], predict(network, first))


def test_no_rows_give_no_predictions(options, numbers):
    data = numbers(50)
    none = {name: values[:0] for name, values in data.train.inputs.items()}
    assert predict(build(options, data, 0), none).shape == (0, 1)


def test_an_unknown_kind_of_network_is_refused(options, numbers):
    with pytest.raises(ValueError, match=r"Received: 'transformer\.x'"):
        build({**options, "kind": "transformer.x"}, numbers(), 0)


def test_a_network_without_hidden_layers_is_refused(options, numbers):
    with pytest.raises(ValueError, match="hidden_units"):
        build({**options, "hidden_units": []}, numbers(), 0)
