from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa

from app.datasets.reading.conventions import Conventions
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read

Inspect = Callable[..., Inspection]


def test_the_table_is_canonical(inspect_text: Inspect, tmp_path: Path) -> None:
    text = "n,c,b,d,part,empty,y\n" + (
        "1,a,yes,2024-01-01,Train,,3.0\n,,,,,,\n2,b,F,2024-01-02 10:00,val,,7\n3,a,t,2024-01-02,test,,3\n" * 3
        + "1,a,yes,2024-01-01,train,,7\n"
    )
    inspection = inspect_text(text, split="part")
    table = read(tmp_path / "upload", inspection.description)
    assert table.schema == pa.schema(
        [
            ("n", pa.float64()),
            ("c", pa.string()),
            ("b", pa.bool_()),
            ("d", pa.string()),
            ("y", pa.string()),
        ]
    )
    assert table.num_rows == 13
    assert table.slice(0, 4).to_pylist() == [
        {"n": 1.0, "c": "a", "b": True, "d": "2024-01-01", "y": "3"},
        {"n": None, "c": None, "b": None, "d": None, "y": None},
        {"n": 2.0, "c": "b", "b": False, "d": "2024-01-02T10:00:00", "y": "7"},
        {"n": 3.0, "c": "a", "b": True, "d": "2024-01-02", "y": "3"},
    ]


def test_every_class_label_is_one_of_the_classes(inspect_text: Inspect, tmp_path: Path) -> None:
    inspection = inspect_text("x,y\n" + "1,1.50\n2,1e0\n3,-0\n4,-0\n5,-0\n" * 2, task="multiclass")
    labels = read(tmp_path / "upload", inspection.description)["y"]
    assert inspection.description.classes == ["0", "1", "1.5"]
    assert set(labels.to_pylist()) == set(inspection.description.classes)


def test_a_regression_label_is_a_number(inspect_text: Inspect, tmp_path: Path) -> None:
    inspection = inspect_text("x,y\n" + "1,1.5\n2,2\n3,\n4,5.5\n" * 4)
    labels = read(tmp_path / "upload", inspection.description)["y"]
    assert labels.type == pa.float64()
    assert labels.to_pylist()[:3] == [1.5, 2.0, None]


def test_several_labels_a_row_are_read_as_lists(inspect_text: Inspect, tmp_path: Path) -> None:
    inspection = inspect_text("x,y\n" + "1,b|a\n2,|\n3,\n4, c \n5,a\n6,b\n" * 2, task="multilabel")
    table = read(tmp_path / "upload", inspection.description)
    assert table["y"].to_pylist() == [["b", "a"], [], None, ["c"], ["a"], ["b"]] * 2


def test_a_description_says_how_its_cells_are_written(inspect_text: Inspect, tmp_path: Path) -> None:
    csv = inspect_text("x,c,y\n" + "1,NA,a\n2,b,b\n3,c,a\n4,d,a\n").description
    assert (csv.conventions, csv.exceptions) == (Conventions.of("csv"), {})
    otherwise = csv.model_copy(update={"exceptions": {"c": Conventions()}})
    assert read(tmp_path / "upload", csv)["c"].to_pylist()[:2] == [None, "b"]
    assert read(tmp_path / "upload", otherwise)["c"].to_pylist()[:2] == ["NA", "b"]
