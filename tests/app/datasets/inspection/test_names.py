from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from app.datasets.inspection.names import meant
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]
LINES = (f"{n * 29 % 7},{n},Oslo{n % 3},{'ab'[n % 2]}\n" for n in range(40))
TEXT = "Age, Customer ID,city, y\n" + "".join(LINES)


@pytest.mark.parametrize("label", ["y", " y", "y "])
def test_blanks_around_a_declared_name_do_not_count(inspect_text: Inspect, label: str) -> None:
    assert inspect_text(TEXT, label=label).description.label == "y"


@pytest.mark.parametrize(
    "declared",
    [
        {"label": "Y"},
        {"label": "y", "split": "cty"},
        {"types": {"age": "number"}},
        {"ignore": ["Customer Id"]},
        {"missing": {"ctiy": ["-"]}},
        {"date_format": {"age": "%Y%m%d"}},
    ],
)
def test_a_name_that_is_nearly_a_column_is_answered_with_it(
    refuse_text: Refuse, declared: dict[str, Any]
) -> None:
    error = refuse_text(TEXT, **declared)
    assert error.code in ("label_not_found", "split_not_found", "unknown_column")
    assert str(error.hint).startswith("Did you mean: ")


def test_several_columns_in_one_ignore_are_answered_with_the_list(refuse_text: Refuse) -> None:
    hint = refuse_text(TEXT, ignore=["Customer ID, Age"]).hint
    assert hint == 'Send several columns as a list: `-F \'ignore=["Customer ID", "Age"]\'`.'


def test_a_name_that_is_near_none_is_answered_with_all() -> None:
    assert meant("zzzz", ["a", "b"]) == "The file has the columns a, b."
    assert meant("x" * 10_000, ["a"]) == "The file has the columns a."


@pytest.mark.parametrize("declared", [{"ignore": ["Customer ID"]}, {"types": {"Customer ID": "ignore"}}])
@pytest.mark.parametrize("file_format", ["csv", "jsonl"])
def test_a_column_can_be_left_out(inspect_text: Inspect, declared: dict[str, Any], file_format: str) -> None:
    text = TEXT
    if file_format == "jsonl":
        line = '{{"Age": {}, "Customer ID": {{"n": [1]}}, "y": "{}"}}\n'
        text = "".join(line.format(n * 29 % 53, "ab"[n % 2]) for n in range(40))
    inspection = inspect_text(text, f"a.{file_format}", **declared)
    roles = {column.name: column.role for column in inspection.description.columns}
    assert roles["Customer ID"] == "ignored"
    assert "Customer ID" not in inspection.preview[0]
    assert "Customer ID" not in [notice.column for notice in inspection.warnings]


def test_the_label_cannot_be_left_out(refuse_text: Refuse) -> None:
    assert refuse_text(TEXT, label="y", ignore=["y"]).code == "label_not_found"


def test_the_notice_of_an_identifier_says_what_leaves_it_out(inspect_text: Inspect) -> None:
    notice = next(notice for notice in inspect_text(TEXT).warnings if notice.code == "identifier")
    assert "`-F 'ignore=Customer ID'`" in notice.message
    inspection = inspect_text(TEXT, ignore=[(notice.send or {})["ignore"]])
    assert "identifier" not in [notice.code for notice in inspection.warnings]
