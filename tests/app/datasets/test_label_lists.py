"""Several labels a row as lists, in JSON lines and Parquet alike."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]
Write = Callable[..., bytes]

LISTS: list[Any] = [["b", "a|c"], ["b"], [], None, [" d ", ""]]


def jsonl(x: list[Any], **columns: list[Any]) -> bytes:
    rows = (dict(zip(("x", *columns), row, strict=True)) for row in zip(x, *columns.values(), strict=True))
    return "".join(f"{json.dumps(row)}\n" for row in rows).encode()


def parquet(x: list[Any], **columns: Any) -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"x": x, **columns}), sink)
    return sink.getvalue()


both = pytest.mark.parametrize(
    ("write", "filename"), [(jsonl, "d.jsonl"), (parquet, "d.parquet")], ids=["jsonl", "parquet"]
)


@both
def test_a_label_of_lists_is_a_multilabel_task_without_saying_so(
    inspect_text: Inspect, tmp_path: Path, write: Write, filename: str
) -> None:
    inspection = inspect_text(write(list(range(20)), labels=LISTS * 4), filename)
    description = inspection.description
    assert (description.label, description.task, description.separator) == ("labels", "multilabel", None)
    assert description.classes == ["a|c", "b", "d"]
    assert (description.rows, description.labelled_rows) == (20, 16)
    assert [known.count for known in inspection.profile.classes] == [4, 8, 4]
    assert sum(description.split.rows.values()) == 16
    table = read(tmp_path / "upload", description)
    assert table["labels"].to_pylist() == [["b", "a|c"], ["b"], [], None, ["d"]] * 4


@both
def test_lists_are_shown_as_lists(inspect_text: Inspect, write: Write, filename: str) -> None:
    inspection = inspect_text(write(list(range(20)), y=LISTS * 4), filename)
    assert [row["y"] for row in inspection.preview[:4]] == LISTS[:4]
    label = next(column for column in inspection.profile.columns if column.name == "y")
    assert {known.value: known.count for known in label.top}['["b", "a|c"]'] == 4
    assert (label.missing, label.distinct) == (4, 4)


@both
@pytest.mark.parametrize(
    ("lists", "classes"),
    [
        ([[1, 2], [10], None, []], ["1", "2", "10"]),
        ([[0.5, 2], [0.5]], ["0.5", "2"]),
        ([[True, False], [True]], ["false", "true"]),
        ([["a", None], ["b"], [None]], ["a", "b"]),
    ],
)
def test_numbers_and_booleans_in_lists_are_labels_by_their_text(
    inspect_text: Inspect, write: Write, filename: str, lists: list[Any], classes: list[str]
) -> None:
    inspection = inspect_text(write(list(range(len(lists) * 8)), y=lists * 8), filename)
    assert inspection.description.classes == classes


@both
def test_a_split_column_stands_beside_lists(inspect_text: Inspect, write: Write, filename: str) -> None:
    split = ["train", "train", "test", "validation"] * 5
    content = write(list(range(20)), y=[["a", "b"], ["a"], ["b"], []] * 5, split=split)
    plan = inspect_text(content, filename).description.split
    assert plan.rows == {"train": 10, "validation": 5, "test": 5}


@both
def test_a_list_of_another_column_is_refused(refuse_text: Refuse, write: Write, filename: str) -> None:
    error = refuse_text(write([1, 2] * 5, y=["p", "q"] * 5, tags=[["a"], ["b"]] * 5), filename)
    assert (error.code, error.errors[0]["column"]) == (
        {"d.jsonl": "nested_value", "d.parquet": "unsupported_column"}[filename],
        "tags",
    )


@both
def test_lists_called_labels_beside_another_label_are_refused(
    refuse_text: Refuse, write: Write, filename: str
) -> None:
    error = refuse_text(write([1, 2] * 5, label=["p", "q"] * 5, labels=[["a"], ["b"]] * 5), filename)
    assert error.code == "nested_value"
    assert "Expected lists only in the label, label. Received: lists in labels." in error.message


@both
@pytest.mark.parametrize(
    ("declared", "message"),
    [
        ({"task": "multiclass"}, "Expected the task multilabel for a label of lists. Received: multiclass."),
        (
            {"task": "multilabel", "separator": ";"},
            "Expected no separator, since y holds lists. Received: ';'.",
        ),
    ],
)
def test_what_does_not_go_with_lists_is_refused(
    refuse_text: Refuse, write: Write, filename: str, declared: dict[str, str], message: str
) -> None:
    error = refuse_text(write([1, 2] * 5, y=[["a"], ["b"]] * 5), filename, **declared)
    assert (error.code, error.message) == ("task_does_not_fit", message)


@both
def test_a_label_with_the_character_between_the_items_is_refused(
    refuse_text: Refuse, write: Write, filename: str
) -> None:
    error = refuse_text(write([1, 2] * 5, y=[["a\ufdd0"], ["b"]] * 5), filename)
    assert (error.code, "Received: one, in y." in error.message) == ("unsupported_label", True)


@both
def test_one_label_in_all_lists_is_refused(refuse_text: Refuse, write: Write, filename: str) -> None:
    error = refuse_text(write([1, 2] * 5, y=[["a"], []] * 5), filename)
    assert (error.code, "Expected two labels or more, in column y. Received: a." in error.message) == (
        "one_class",
        True,
    )


@pytest.mark.parametrize(
    ("second", "code", "expected", "received"),
    [
        (["b", 1], "mixed_types", "text, as in the rows before", "1"),
        ([["b"]], "nested_value", "a number, text, a boolean or null", '["b"]'),
        ([{"name": "b"}], "nested_value", "a number, text, a boolean or null", '{"name": "b"}'),
        ("b", "mixed_types", "a list, as in the rows before", '"b"'),
    ],
)
def test_a_list_that_does_not_fit_is_refused_with_its_row(
    refuse_text: Refuse, second: Any, code: str, expected: str, received: str
) -> None:
    error = refuse_text(jsonl([1, 2, 3], y=[["a"], second, None]), "d.jsonl")
    assert error.code == code
    assert error.errors == [{"row": 2, "line": 2, "column": "y", "expected": expected, "received": received}]


def test_a_list_after_single_values_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(jsonl([1, 2], y=["a", ["b"]]), "d.jsonl")
    assert (error.code, error.errors[0]["expected"]) == ("mixed_types", "text, as in the rows before")


def test_integers_beyond_64_bits_may_stand_in_lists(inspect_text: Inspect) -> None:
    inspection = inspect_text(jsonl([*range(10)], y=[[2**70], [1, 2**70]] * 5), "d.jsonl")
    assert len(inspection.description.classes) == 2


@pytest.mark.parametrize(
    "list_type",
    [
        pa.list_(pa.string()),
        pa.large_list(pa.large_string()),
        pa.list_(pa.string(), 1),
        pa.list_(pa.dictionary(pa.int8(), pa.string())),
    ],
    ids=str,
)
def test_every_type_of_list_in_parquet_is_read(
    inspect_text: Inspect, tmp_path: Path, list_type: pa.DataType
) -> None:
    lists = pa.array([["a"], ["b"], None] * 4, list_type)
    inspection = inspect_text(parquet(list(range(12)), y=lists), "d.parquet")
    table = read(tmp_path / "upload", inspection.description)
    assert table["y"].to_pylist() == [["a"], ["b"], None] * 4


def test_lists_in_parquet_of_what_is_no_label_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(parquet([1, 2] * 5, y=pa.array([[b"a"], [b"b"]] * 5)), "d.parquet")
    assert (error.code, error.errors[0]["received"]) == ("unsupported_column", "list<element: binary>")


def test_lists_that_come_in_many_batches_are_one_table(
    inspect_text: Inspect, small_blocks: None, tmp_path: Path
) -> None:
    lists = [[f"label {n % 7}", f"label {n % 3}"] if n % 5 else [] for n in range(3000)]
    inspection = inspect_text(jsonl(list(range(3000)), y=lists), "d.jsonl")
    assert read(tmp_path / "upload", inspection.description)["y"].to_pylist() == lists


def test_the_texts_example_is_uploaded_shown_and_downloaded_as_it_is(client: TestClient) -> None:
    rows = [
        {"text": f"{word} and so on, number {n}", "labels": labels}
        for n in range(12)
        for word, labels in (("sport", ["sport"]), ("votes", ["politics", "news|today"]), ("rain", []))
    ]
    content = "".join(f"{json.dumps(row)}\n" for row in rows)
    made = client.post("/v1/datasets", files={"file": ("news.jsonl", content)})
    assert made.status_code == 201, made.text
    description = made.json()["description"]
    assert (description["kind"], description["task"]) == ("text", "multilabel")
    assert description["classes"] == ["news|today", "politics", "sport"]
    shown = client.get("/v1/datasets/news/rows", params={"limit": 3}).json()["data"]
    assert [row["labels"] for row in shown] == [["sport"], ["politics", "news|today"], []]
    assert client.get("/v1/datasets/news/content").text == content
