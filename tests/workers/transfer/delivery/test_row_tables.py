from __future__ import annotations

import csv
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from workers.transfer.data import Column, Rows, Signature
from workers.transfer.delivery import row_tables
from workers.transfer.proof.label_issues import LabelIssues

TABLE = Signature((Column("a", "number"), Column("city", "category")), "y", "binary", ("no", "yes"))


def rows() -> Rows:
    a, city = np.array([1, np.nan, 3], np.float32), np.array(["rome", "", "=1+1"], object)
    return Rows({"a": a, "city": city}, np.array([[1], [0], [1]], np.float32), np.array([4, 7, 9]))


def test_rows_stand_by_the_transfers_loss_with_what_every_arm_answers(tmp_path: Path) -> None:
    answers = {"transfer": np.array([[0.8], [0.9], [0.4]]), "control": np.array([[0.1], [0.2], [0.3]])}
    row_tables.write_wrong_rows(tmp_path / "w.parquet", TABLE, rows(), answers)
    found = pq.read_table(tmp_path / "w.parquet").to_pydict()
    assert found["row"] == [7, 9, 4]
    assert found["label"] == ["no", "yes", "yes"]
    assert found["transfer/answer"] == ["yes", "no", "yes"]
    assert found["control/answer"] == ["no", "no", "no"]
    np.testing.assert_allclose(found["transfer/loss"], -np.log([0.1, 0.4, 0.8]))
    np.testing.assert_allclose(found["control/probability"], [0.8, 0.3, 0.1])
    assert found["input/a"] == [None, 3, 1]
    assert found["input/city"] == [None, "=1+1", "rome"]
    shown = row_tables.shown_wrong(TABLE, rows(), answers)
    assert [one["row"] for one in shown] == [7, 9, 4]
    assert shown[0]["inputs"] == {"a": None, "city": None}
    assert shown[0]["arms"]["control"]["answer"] == "no"


def test_several_labels_are_lists_also_where_no_row_has_any(tmp_path: Path) -> None:
    signature = Signature((Column("a", "number"),), "y", "multilabel", ("u", "v"))
    some = Rows({"a": np.zeros(2, np.float32)}, np.zeros((2, 2), np.float32), np.arange(2))
    answers = {"transfer": np.array([[0.9, 0.8], [0.1, 0.6]])}
    row_tables.write_wrong_rows(tmp_path / "w.parquet", signature, some, answers)
    found = pq.read_table(tmp_path / "w.parquet").to_pydict()
    assert (found["label"], found["transfer/answer"]) == ([[], []], [["u", "v"], ["v"]])


def test_images_have_thumbnails(tmp_path: Path) -> None:
    out = io.BytesIO()
    Image.new("RGB", (200, 100), "red").save(out, "PNG")
    values = np.empty(2, object)
    values[:] = [out.getvalue(), b"none"]
    images = Rows({"image": values}, np.array([0, 1]), np.array([0, 1]))
    signature = Signature((Column("image", "image"),), "class", "multiclass", ("a", "b", "c"))
    answers = {"transfer": np.array([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])}
    row_tables.write_wrong_rows(tmp_path / "w.parquet", signature, images, answers)
    first, second = pq.read_table(tmp_path / "w.parquet")["thumbnail"].to_pylist()
    assert Image.open(io.BytesIO(first)).size == (64, 32)
    assert second is None
    shown = row_tables.shown_wrong(signature, images, answers)
    assert shown[0]["thumbnail"].startswith("data:image/jpeg;base64,")


def test_doubtful_labels_are_a_csv_file_to_correct_that_runs_nothing(tmp_path: Path) -> None:
    issues = LabelIssues(np.array([0.5, 0.9, 0.1]), np.array([True, False, True]))
    p = np.array([[0.2], [0.1], [0.3]])
    row_tables.write_doubtful_labels(tmp_path / "d.csv", TABLE, rows(), p, issues)
    found = list(csv.DictReader((tmp_path / "d.csv").read_text().splitlines()))
    assert [(one["row"], one["label"], one["corrected"], one["suggested"]) for one in found] == [
        ("9", "yes", "", "no"),
        ("4", "yes", "", "no"),
    ]
    assert found[0]["city"] == "'=1+1"
    row_tables.write_doubtful_labels(tmp_path / "none.csv", TABLE, rows(), p, None)
    assert (tmp_path / "none.csv").read_text() == "row,label,corrected,suggested,quality,a,city\n"


@pytest.mark.parametrize(
    "cell", ["=1", "+a", "-a", "@a", "\t=1", "\r=1", "\n=1", "\uff1d1", "\uff0ba", "\uff0da", "\uff20a"]
)
def test_a_label_that_is_a_formula_is_written_as_text_and_one_that_is_a_number_as_a_number(
    tmp_path: Path, cell: str
) -> None:
    signature = replace(TABLE, classes=(cell, "-0.5"))
    issues = LabelIssues(np.array([0.5, 0.9, 0.1]), np.array([True, False, True]))
    row_tables.write_doubtful_labels(tmp_path / "d.csv", signature, rows(), np.full((3, 1), 0.2), issues)
    with (tmp_path / "d.csv").open(newline="", encoding="utf-8") as file:
        found = list(csv.DictReader(file))
    assert {(one["label"], one["suggested"]) for one in found} == {("-0.5", f"'{cell}")}
