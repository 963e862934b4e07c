from __future__ import annotations

from collections.abc import Callable

import pytest

from app.datasets.inspection.splits import planned_rows
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]


def table(cells: list[tuple[object, object]], column: str = "split") -> str:
    return f"x,{column},y\n" + "".join(
        f"{n * 3 % 7},{word},{label}\n" for n, (word, label) in enumerate(cells)
    )


def test_fractions_are_rounded_half_up_with_at_least_one_row_each() -> None:
    assert planned_rows([3], 0.15, 0.15) == {"train": 1, "validation": 1, "test": 1}
    assert planned_rows([10], 0.15, 0.15) == {"train": 6, "validation": 2, "test": 2}
    assert planned_rows([2, 1], 0.15, 0.15) == {"train": 3, "validation": 0, "test": 0}
    assert planned_rows([100, 2], 0.1, 0.2) == {"train": 72, "validation": 10, "test": 20}


@pytest.mark.parametrize(("validation", "test"), [(0.4, 0.2), (0.2, 0.4), (0.3, 0.3), (0.01, 0.4)])
def test_every_class_of_three_rows_or_more_is_trained_on(validation: float, test: float) -> None:
    for count in range(3, 200):
        rows = planned_rows([count], validation, test)
        assert min(rows.values()) >= 1
        assert sum(rows.values()) == count


def test_each_class_is_split_and_a_regression_as_a_whole(inspect_text: Inspect) -> None:
    text = "x,y\n" + "".join(f"{n * 3 % 7},{'a' if n % 4 else 'b'}\n" for n in range(40))
    plan = inspect_text(text, seed=5, test_fraction=0.2).description.split
    assert (plan.column, plan.seed, plan.test_fraction) == (None, 5, 0.2)
    assert plan.rows == {"train": 40 - 5 - 2 - 6 - 2, "validation": 5 + 2, "test": 6 + 2}
    numbers = "x,y\n" + "".join(f"{n * 3 % 7},{n / 3}\n" for n in range(40))
    assert inspect_text(numbers).description.split.rows == {"train": 28, "validation": 6, "test": 6}


def test_too_few_rows_to_test_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text("x,y\n1,a\n2,b\n3,a\n4,b\n")
    assert error.code == "too_few_rows"
    assert "Expected at least 3 labelled rows of one class" in error.message
    assert error.message.endswith("Received: 2.")


def test_a_column_called_split_is_honoured(inspect_text: Inspect) -> None:
    words = ["train", "Train", "", "val", "dev", "valid", "validation", "test"]
    inspection = inspect_text(table([(word, label) for word in words for label in "ab"]))
    plan = inspection.description.split
    assert (plan.column, plan.rows) == ("split", {"train": 6, "validation": 8, "test": 2})
    assert inspection.description.columns[1].role == "split"


def test_rows_without_a_label_are_not_counted(inspect_text: Inspect) -> None:
    cells = [("train", "a"), ("train", "b"), ("train", ""), ("test", "a"), ("test", "")] * 3
    assert inspect_text(table(cells)).description.split.rows == {"train": 6, "validation": 0, "test": 3}


def test_a_declared_split_column_of_any_name_is_honoured(inspect_text: Inspect) -> None:
    inspection = inspect_text(table([("train", 0.5), ("test", 1.5)] * 4, "part"), split="part")
    assert inspection.description.split.rows == {"train": 4, "validation": 0, "test": 4}


def test_absent_validation_and_test_rows_are_noticed(inspect_text: Inspect) -> None:
    notices = inspect_text(table([("train", "a"), ("train", "b")] * 4)).warnings
    messages = {notice.code: notice.message for notice in notices}
    assert "No labelled row is marked validation" in messages["no_validation_rows"]
    assert "the gain cannot be measured" in messages["no_test_rows"]


def test_a_column_called_split_of_other_words_is_a_feature_with_a_notice(inspect_text: Inspect) -> None:
    inspection = inspect_text(table([("left", "a"), ("right", "b"), ("right", "a"), ("left", "b")] * 4))
    assert inspection.description.columns[1].role == "feature"
    assert inspection.description.split.column is None
    notice = next(notice for notice in inspection.warnings if notice.code == "split_not_used")
    assert "The column split is an ordinary feature" in notice.message


def test_other_words_in_a_declared_split_column_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(table([("train", "a"), ("later", "b")] * 4), split="split")
    assert (error.code, error.errors[0]["column"], error.errors[0]["received"]) == (
        "wrong_split",
        "split",
        "later",
    )
    assert "Expected train, validation (or val, valid, dev) or test" in error.message


@pytest.mark.parametrize(("declared", "received"), [("part", "no such column"), ("y", "the label")])
def test_a_declared_split_column_that_cannot_be_one_is_refused(
    refuse_text: Refuse, declared: str, received: str
) -> None:
    error = refuse_text(table([("train", "a"), ("test", "b")] * 4), split=declared)
    assert (error.code, f"Received: {received}." in error.message) == ("split_not_found", True)


def test_a_split_without_train_rows_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(table([("val", "a"), ("test", "b")] * 4))
    assert (error.code, "Expected rows to train on, in column split" in error.message) == (
        "no_train_rows",
        True,
    )


def test_a_class_without_a_train_row_is_refused_by_name(refuse_text: Refuse) -> None:
    error = refuse_text(table([("train", 1), ("train", 2), ("test", 3)] * 4))
    assert error.code == "class_without_train_rows"
    assert "Received: none of class 3." in error.message


def test_rows_without_a_word_in_the_split_column_are_told(inspect_text: Inspect) -> None:
    words = ("train", "test", "val", "None")
    text = "x,y,split\n" + "".join(f"{n * 29 % 53},{'ab'[n % 5 % 2]},{words[n % 4]}\n" for n in range(80))
    (notice,) = [notice for notice in inspect_text(text).warnings if notice.code == "split_missing"]
    assert "20 rows have no word in the column split ('None' was read as missing)" in notice.message
