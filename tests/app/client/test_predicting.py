"""Files of rows, as they are sent to the service."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from typer import Exit

from app.client.commands.predicting import _rows, _sent, _Writer


@pytest.mark.parametrize(
    ("name", "content", "kind", "rows"),
    [
        ("a.csv", 'a,b\n1,x\n,"y, z"\n', "tabular", [{"a": "1", "b": "x"}, {"a": "", "b": "y, z"}]),
        ("a.tsv", "\ufeffa\tb\n1\tx\n", "tabular", [{"a": "1", "b": "x"}]),
        ("a.jsonl", '{"a": 1, "b": null}\n\n{"a": 2}\n', "tabular", [{"a": 1, "b": None}, {"a": 2}]),
        ("a.txt", "one text, of two\nanother\n", "text", [{"text": "one text, of two"}, {"text": "another"}]),
        ("a.fa", ">p x\nAC\nGT\n>q\nGG\n", "sequence", ["ACGT", "GG"]),
    ],
)
def test_a_file_is_read_as_its_name_says(
    name: str, content: str, kind: str, rows: list[object], tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    found = list(_rows(tmp_path / name, kind))
    assert [row["sequence"] for row in found] == rows if kind == "sequence" else found == rows


@pytest.mark.parametrize(("name", "content"), [("a.parquet", "PAR1"), ("a.jsonl", "[1]"), ("b.jsonl", "{")])
def test_what_cannot_be_read_is_told_before_it_is_sent(
    name: str, content: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(Exit):
        list(_rows(tmp_path / name, "tabular"))
    told = capsys.readouterr().err.replace("\n", "")
    assert "expected" in told
    assert "Received: " in told


def test_cells_beyond_the_header_are_not_sent(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("a\n1,2,3\n")
    assert [_sent(row) for row in _rows(tmp_path / "a.csv", "tabular")] == [{"a": "1"}]


def test_answers_of_all_tasks_are_rows_of_one_table() -> None:
    rows = [{"id": "7", "a": 1}]
    written = {}
    for task, answer in {
        "class": {
            "class": "no",
            "probabilities": {"no": 0.75, "yes": 0.25},
            "calibrated_probabilities": None,
        },
        "labels": {"classes": ["x", "y"], "probabilities": {"x": 0.6, "y": 0.7}},
        "value": {"value": 2.5},
    }.items():
        target = io.StringIO()
        _Writer(target, ["id"], as_json=False).write(rows, [answer])
        written[task] = target.getvalue()
    assert written == {
        "class": "id,prediction,probability_no,probability_yes\n7,no,0.75,0.25\n",
        "labels": "id,prediction,probability_x,probability_y\n7,x|y,0.6,0.7\n",
        "value": "id,prediction\n7,2.5\n",
    }
