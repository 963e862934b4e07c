import json

import numpy as np
import pyarrow as pa
import pytest

from workers.transfer.data import Column, Signature, few_shot_subset, from_table, split_rows

COLUMNS = (Column("n", "number"), Column("b", "boolean"), Column("c", "category"), Column("d", "date"))


def _table(**columns: pa.Array) -> pa.Table:
    values = {
        "n": pa.array([1.5, None, 1e300, 4.0]),
        "b": pa.array([True, None, False, True]),
        "c": pa.array(["x", None, "", "y"]),
        "d": pa.array(["2020-01-02", None, "2020-01-02T03:04:05", "2021-01-01"]),
        "y": pa.array(["no", "yes", "yes", "no"]),
        "part": pa.array(["train", "test", "train", "validation"]),
    }
    return pa.table({**values, **columns})


def _read(table: pa.Table, task: str = "binary", classes: tuple[str, ...] = ("no", "yes"), split="part"):
    signature = Signature(COLUMNS, "y", task, classes)
    fractions = {"validation_fraction": 0.1, "test_fraction": 0.1}
    return from_table(table, signature, split_column=split, seed=0, **fractions)


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


def test_an_unknown_part_in_the_split_column_is_refused():
    with pytest.raises(ValueError, match="Expected train, validation or test"):
        _read(_table(part=pa.array(["train", "dev", "train", "test"])))


def test_a_missing_column_is_refused_by_name():
    with pytest.raises(ValueError, match="the columns d"):
        _read(_table().drop_columns(["d"]))


def test_data_without_a_train_row_is_refused():
    with pytest.raises(ValueError, match="rows to train on"):
        _read(_table(part=pa.array(["test"] * 4)))


def test_a_part_without_rows_is_none():
    assert _read(_table(part=pa.array(["train"] * 4))).validation is None


@pytest.mark.parametrize(("rows", "expected"), [(2, (0, 0)), (3, (1, 1)), (25, (3, 3)), (100, (10, 10))])
def test_each_class_gives_its_rounded_share_and_at_least_one_row(rows: int, expected: tuple[int, int]):
    parts = split_rows(np.zeros(rows, np.int64), "multiclass", 0, 0.1, 0.1)
    assert (int((parts == "validation").sum()), int((parts == "test").sum())) == expected


def test_every_class_keeps_a_row_to_train_on():
    parts = split_rows(np.zeros(4, np.int64), "multiclass", 0, 0.49, 0.49)
    assert (parts == "train").any()


def test_a_fraction_of_zero_gives_no_rows():
    assert set(split_rows(np.zeros(50, np.int64), "multiclass", 0, 0.0, 0.2)) == {"train", "test"}


def test_a_regression_is_split_as_one_class():
    parts = split_rows(np.linspace(0, 1, 50).reshape(-1, 1), "regression", 0, 0.1, 0.2)
    assert [int((parts == part).sum()) for part in ("train", "validation", "test")] == [35, 5, 10]


def test_rows_keep_their_order_inside_each_part():
    labels = pa.array(["no", "yes"] * 20)
    columns = {"b": pa.array([True] * 40), "c": pa.array(["x"] * 40), "d": pa.array(["2020-01-01"] * 40)}
    data = _read(pa.table({"n": pa.array(np.arange(40.0)), **columns, "y": labels}), split=None)
    for rows in (data.train, data.validation, data.test):
        assert rows is not None
        assert (np.diff(rows.inputs["n"]) > 0).all()


def test_multilabel_targets_are_a_mark_for_each_label():
    table = _table(y=pa.array([["a", "c"], None, [], ["b", "b"]], pa.list_(pa.string())))
    data = _read(table, "multilabel", ("a", "b", "c"))
    assert data.train.targets.tolist() == [[1, 0, 1], [0, 0, 0]]
    assert data.train.targets.dtype == np.float32
    assert data.validation.targets.tolist() == [[0, 1, 0]]
    assert data.test is None


def test_rare_labels_of_a_multilabel_task_are_spread_over_the_parts():
    rng = np.random.default_rng(0)
    targets = (rng.random((400, 5)) < [0.5, 0.3, 0.1, 0.05, 0.025]).astype(np.float32)
    parts = split_rows(targets, "multilabel", 7, 0.15, 0.15)
    assert {part: int((parts == part).sum()) for part in ("train", "validation", "test")} == {
        "train": 280,
        "validation": 60,
        "test": 60,
    }
    for part, fraction in (("train", 0.7), ("validation", 0.15), ("test", 0.15)):
        counts = targets[parts == part].sum(axis=0)
        np.testing.assert_allclose(counts, fraction * targets.sum(axis=0), atol=1)
    np.testing.assert_array_equal(parts, split_rows(targets, "multilabel", 7, 0.15, 0.15))
    assert (parts != split_rows(targets, "multilabel", 8, 0.15, 0.15)).any()


def test_a_few_rows_of_a_multilabel_task_hold_every_label():
    marks = pa.array([["a"], ["a", "b"], ["c"], [], ["b"], ["c", "a"]] * 4, pa.list_(pa.string()))
    table = pa.table({"n": pa.array(np.arange(24.0)), "y": marks})
    signature = Signature((Column("n", "number"),), "y", "multilabel", ("a", "b", "c"))
    data = from_table(table, signature, split_column=None, seed=0, validation_fraction=0.1, test_fraction=0.1)
    two, three = few_shot_subset(data, 2, seed=5).train, few_shot_subset(data, 3, seed=5).train
    assert (two.targets.sum(axis=0) >= 2).all()
    assert len(two) <= 6
    assert set(two.inputs["n"]) <= set(three.inputs["n"])
