import json

import numpy as np
import pyarrow as pa
import pytest

from tests.workers.transfer.parts import parts_of
from workers.transfer.data import PARTS, Column, Signature, few_shot_subset, from_table

COLUMNS = (Column("n", "number"), Column("b", "boolean"), Column("c", "category"), Column("d", "date"))


def _table(**columns: pa.Array) -> pa.Table:
    values = {
        "n": pa.array([1.5, None, 1e300, 4.0]),
        "b": pa.array([True, None, False, True]),
        "c": pa.array(["x", None, "", "y"]),
        "d": pa.array(["2020-01-02", None, "2020-01-02T03:04:05", "2021-01-01"]),
        "y": pa.array(["no", "yes", "yes", "no"]),
    }
    return pa.table({**values, **columns})


def _read(
    table: pa.Table,
    task: str = "binary",
    classes: tuple[str, ...] = ("no", "yes"),
    parts: tuple[str, ...] = ("train", "test", "train", "validation"),
):
    places = np.array([PARTS.index(part) for part in parts], np.uint8)
    return from_table(table, Signature(COLUMNS, "y", task, classes), places)


def test_a_signature_survives_json():
    signature = Signature(COLUMNS, "y", "multiclass", ("a", "b", "c"))
    assert Signature.from_dict(json.loads(json.dumps(signature.to_dict()))) == signature


def test_missing_values_become_nan_and_the_empty_string():
    rows = _read(_table()).test
    assert rows is not None
    assert np.isnan(rows.inputs["n"][0])
    assert np.isnan(rows.inputs["b"][0])
    assert (rows.inputs["c"][0], rows.inputs["d"][0]) == ("", "")
    assert [rows.inputs[name].dtype for name in "nbcd"] == [np.float32, np.float32, object, object]


def test_numbers_beyond_float32_are_clipped():
    assert _read(_table()).train.inputs["n"].tolist() == [1.5, np.float32(1e18)]


def test_binary_targets_are_one_for_the_second_class():
    data = _read(_table())
    assert data.train.targets.tolist() == [[0.0], [1.0]]
    assert data.train.targets.dtype == np.float32


def test_multiclass_targets_are_class_numbers():
    targets = _read(_table(), "multiclass", ("yes", "maybe", "no")).train.targets
    assert targets.tolist() == [2, 0]
    assert targets.dtype == np.int64


def test_regression_targets_are_a_column_of_floats():
    data = _read(_table(y=pa.array([1.0, 2.0, 3.0, 4.0])), "regression", ())
    assert data.train.targets.tolist() == [[1.0], [3.0]]


def test_rows_without_a_label_are_left_out():
    data = _read(_table(y=pa.array(["no", "yes", None, "no"])))
    assert len(data.train) == 1


def test_a_label_outside_the_classes_is_refused_by_name():
    with pytest.raises(ValueError, match=r"among the classes no, yes\. Received: 'perhaps'"):
        _read(_table(y=pa.array(["no", "yes", "perhaps", "no"])))


def test_parts_of_other_rows_are_refused():
    with pytest.raises(ValueError, match=r"the parts of 4 rows\. Received: 2"):
        _read(_table(), parts=("train", "test"))


def test_a_missing_column_is_refused_by_name():
    with pytest.raises(ValueError, match="the columns d"):
        _read(_table().drop_columns(["d"]))


def test_data_without_a_train_row_is_refused():
    with pytest.raises(ValueError, match="rows to train on"):
        _read(_table(), parts=("test",) * 4)


def test_a_part_without_rows_is_none():
    assert _read(_table(), parts=("train",) * 4).validation is None


def test_rows_keep_their_order_inside_each_part_and_know_their_numbers_in_the_file():
    labels = pa.array([None if row % 7 == 0 else ("no", "yes")[row % 2] for row in range(40)])
    columns = {"b": pa.array([True] * 40), "c": pa.array(["x"] * 40), "d": pa.array(["2020-01-01"] * 40)}
    table = pa.table({"n": pa.array(np.arange(40.0)), **columns, "y": labels})
    data = from_table(table, Signature(COLUMNS, "y", "binary", ("no", "yes")), parts := parts_of(40))
    for place, rows in enumerate((data.train, data.validation, data.test)):
        assert rows is not None
        np.testing.assert_array_equal(
            rows.numbers, np.flatnonzero((parts == place) & (np.arange(40) % 7 > 0))
        )
        np.testing.assert_array_equal(rows.inputs["n"], rows.numbers)
    np.testing.assert_array_equal(
        data.unlabelled.numbers, np.flatnonzero((parts == 0) & (np.arange(40) % 7 == 0))
    )
    np.testing.assert_array_equal(data.unlabelled.inputs["n"], data.unlabelled.numbers)


def test_multilabel_targets_are_a_mark_for_each_label():
    table = _table(y=pa.array([["a", "c"], None, [], ["b", "b"]], pa.list_(pa.string())))
    data = _read(table, "multilabel", ("a", "b", "c"))
    assert data.train.targets.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert data.train.targets.dtype == np.float32
    assert data.validation.targets.tolist() == [[0, 1, 0]]
    assert data.test is None


def test_a_few_rows_of_a_multilabel_task_hold_every_label():
    marks = pa.array([["a"], ["a", "b"], ["c"], [], ["b"], ["c", "a"]] * 4, pa.list_(pa.string()))
    table = pa.table({"n": pa.array(np.arange(24.0)), "y": marks})
    signature = Signature((Column("n", "number"),), "y", "multilabel", ("a", "b", "c"))
    data = from_table(table, signature, parts_of(24, validation=0.1, test=0.1))
    two, three = few_shot_subset(data, 2, seed=5).train, few_shot_subset(data, 3, seed=5).train
    assert (two.targets.sum(axis=0) >= 2).all()
    assert len(two) <= 6
    assert set(two.inputs["n"]) <= set(three.inputs["n"])
    np.testing.assert_array_equal(two.inputs["n"], two.numbers)


def test_questions_have_the_answers_of_each_row_and_rows_of_no_part_are_left_out() -> None:
    answers = [[{"start": 3, "end": 6, "text": "cat"}], [{"start": 0, "end": 1, "text": "A"}] * 2, None, []]
    table = pa.table(
        {"question": ["a", "b", "c", "d"], "context": ["the cat", "A", "x", "y"], "answers": answers}
    )
    columns = (Column("question", "text"), Column("context", "text"))
    data = from_table(table, Signature(columns, "answers", "span"), np.array([0, 0, 0, 3], np.uint8))
    assert data.signature.kind == "qa"
    assert data.train.targets.tolist() == [((3, "cat"),), ((0, "A"), (0, "A"))]
    assert few_shot_subset(data, 1, 0).train.numbers.tolist() in ([0], [1])
