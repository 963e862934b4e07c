from __future__ import annotations

from collections.abc import Callable

import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]


def table(labels: list[object], name: str = "y") -> str:
    return f"x,{name}\n" + "".join(f"{n * 29 % 1009},{label}\n" for n, label in enumerate(labels))


def codes(inspection: Inspection) -> list[str]:
    return [notice.code for notice in inspection.warnings]


@pytest.mark.parametrize("name", ["label", "Target", "Y", "class"])
def test_a_usual_name_makes_the_label_and_a_notice(inspect_text: Inspect, name: str) -> None:
    inspection = inspect_text(table(["a", "b"] * 5, name))
    assert inspection.description.label == name
    assert "label_guessed" in codes(inspection)


def test_a_declared_label_is_no_guess(inspect_text: Inspect) -> None:
    inspection = inspect_text(table(["a", "b"] * 5, "outcome"), label="outcome")
    assert inspection.description.label == "outcome"
    assert "label_guessed" not in codes(inspection)


def test_no_label_at_all_is_refused_with_the_columns(refuse_text: Refuse) -> None:
    error = refuse_text(table(["a", "b"] * 5, "outcome"))
    assert error.code == "label_not_found"
    assert "Received: the columns x, outcome." in error.message


def test_two_usual_names_are_refused(refuse_text: Refuse) -> None:
    assert refuse_text("y,label\n1,2\n").code == "label_not_found"


def test_an_absent_declared_label_is_refused_with_the_columns(refuse_text: Refuse) -> None:
    error = refuse_text(table(["a", "b"] * 5), label="outcome")
    assert (error.code, error.errors[0]["column"]) == ("label_not_found", "outcome")
    assert "Expected a column outcome, the declared label. Received: the columns x, y." in error.message


@pytest.mark.parametrize(
    ("labels", "task", "classes"),
    [
        (["no", "maybe", "yes"] * 4, "multiclass", ["maybe", "no", "yes"]),
        (["ham", "spam"] * 5, "binary", ["ham", "spam"]),
        (["yes", "no"] * 5, "binary", ["no", "yes"]),
        ([0, 1] * 5, "binary", ["0", "1"]),
        (["1.0", "2"] * 5, "binary", ["1", "2"]),
        ([10, 9, 2] * 4, "multiclass", ["2", "9", "10"]),
        (list(range(20)) * 3, "multiclass", [str(n) for n in range(20)]),
        (list(range(21)) * 3, "regression", []),
        ([0.5, 1] * 5, "regression", []),
        ([n / 3 for n in range(30)], "regression", []),
    ],
)
def test_the_task_and_the_classes_are_inferred(
    inspect_text: Inspect, labels: list[object], task: str, classes: list[str]
) -> None:
    description = inspect_text(table(labels)).description
    assert (description.task, description.classes) == (task, classes)


def test_a_task_inferred_from_whole_numbers_is_noticed_with_the_way_out(inspect_text: Inspect) -> None:
    notice = next(n for n in inspect_text(table([1, 2, 3] * 4)).warnings if n.code == "task_inferred")
    assert "3 different whole numbers" in notice.message
    assert "Declare the task regression" in notice.message


def test_a_declared_task_wins(inspect_text: Inspect) -> None:
    inspection = inspect_text(table([1, 2, 3] * 4), task="regression")
    assert (inspection.description.task, inspection.description.classes) == ("regression", [])
    assert "task_inferred" not in codes(inspection)
    assert inspect_text(table([*range(30)] * 4), task="multiclass").description.classes[-1] == "29"


def test_categories_that_are_numbers_are_sorted_as_numbers(inspect_text: Inspect) -> None:
    inspection = inspect_text(table(["10", "9"] * 5), types={"y": "category"})
    assert inspection.description.classes == ["9", "10"]


@pytest.mark.parametrize(
    ("labels", "task", "expected", "received"),
    [
        (["a", "b"] * 5, "regression", "numbers, for a regression", "a category column, such as a"),
        (["a", "b", "c"] * 5, "binary", "two classes, for a binary task", "3"),
        ([n / 7 for n in range(50)], "binary", "two classes, for a binary task", "50"),
    ],
)
def test_a_declared_task_that_does_not_fit_is_refused(
    refuse_text: Refuse, labels: list[object], task: str, expected: str, received: str
) -> None:
    error = refuse_text(table(labels), task=task)
    assert error.code == "task_does_not_fit"
    assert f"Expected {expected}, in column y. Received: {received}." in error.message


def test_a_class_that_was_read_as_missing_is_told_where_one_is_left(
    refuse_text: Refuse, inspect_text: Inspect
) -> None:
    text = table(["None", "spam"] * 10)
    error = refuse_text(text)
    assert error.code == "one_class"
    assert """-F 'missing={"y": []}'""" in str(error.hint)
    assert inspect_text(text, missing={"y": []}).description.classes == ["None", "spam"]


@pytest.mark.parametrize("only", ["a", "1", "2.5", "true"])
def test_one_class_only_is_refused(refuse_text: Refuse, only: str) -> None:
    error = refuse_text(table([only] * 10))
    assert (error.code, error.errors[0]["column"]) == ("one_class", "y")
    assert f"Received: only {only}" in error.message


def test_a_label_that_is_mostly_missing_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(table(["a", "b", "", "", "?"] * 4))
    assert error.code == "label_missing"
    assert "Received: none in 12 of 20 rows" in error.message
    assert refuse_text(table([""] * 9)).code == "label_missing"


def test_rows_without_a_label_are_noticed_and_not_planned(inspect_text: Inspect) -> None:
    inspection = inspect_text(table(["a", "b", ""] * 8))
    notice = next(notice for notice in inspection.warnings if notice.code == "label_missing")
    assert "8 of 24 rows have no label" in notice.message
    assert (inspection.description.rows, inspection.description.labelled_rows) == (24, 16)
    assert sum(inspection.description.split.rows.values()) == 16


def test_a_label_of_free_text_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(table([f"text {n}" for n in range(40)]))
    assert error.code == "label_is_text"
    assert "40 different values in 40 rows" in error.message


def test_more_than_a_thousand_classes_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(table([f"class {n}" for n in range(1001)] * 3))
    assert (error.code, "at most 1000 classes" in error.message) == ("label_is_text", True)
    numbers = refuse_text(table([*range(12_000)] * 2), task="multiclass")
    assert (numbers.code, "at least 1200" in numbers.message) == ("label_is_text", True)


def test_a_label_of_dates_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(table(["2024-01-01", "2024-01-02"] * 4))
    assert (error.code, "Received: dates" in error.message) == ("label_is_date", True)


def test_a_label_without_features_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text("y\n" + "a\nb\n" * 4)
    assert error.code == "no_features"
    assert "Expected a column to learn from beside the label y" in error.message
    assert refuse_text("y,empty\n" + "a,\nb,\n" * 4).code == "no_features"


def test_a_label_declared_boolean_has_the_classes_false_and_true(inspect_text: Inspect) -> None:
    inspection = inspect_text(table(["yes", "no", "T"] * 5), types={"y": "boolean"})
    assert inspection.description.classes == ["false", "true"]


def test_rows_without_a_label_are_kept_however_many_if_they_are_meant_so(
    inspect_text: Inspect, refuse_text: Refuse
) -> None:
    text = table(["a", "b"] * 5 + [""] * 30)
    assert "declare `unlabelled=true`" in (refuse_text(text).hint or "")
    inspection = inspect_text(text, unlabelled=True)
    assert inspection.description.classes == ["a", "b"]
    assert sum(inspection.description.split.rows.values()) == 10
    assert "label_missing" in codes(inspection)


def _several(cells: list[str], separator: str = "|") -> str:
    return "x,y\n" + "".join(f'{n * 7},"{cell}"\n' for n, cell in enumerate(cells))


def test_a_row_of_a_multilabel_task_has_any_number_of_labels(inspect_text: Inspect) -> None:
    text = _several(["b|a", " a | a ", "|", "", "c"] * 4)
    inspection = inspect_text(text, task="multilabel")
    description = inspection.description
    assert (description.task, description.classes, description.separator) == (
        "multilabel",
        ["a", "b", "c"],
        "|",
    )
    assert (description.rows, description.labelled_rows) == (20, 16)
    assert [known.count for known in inspection.profile.classes] == [12, 4, 4]
    assert sum(description.split.rows.values()) == 16
    assert min(description.split.rows.values()) >= 1


def test_the_labels_of_a_row_stand_between_the_declared_separator(inspect_text: Inspect) -> None:
    text = _several(["1; 2", "2", "10;2", ";"] * 5)
    inspection = inspect_text(text, task="multilabel", separator=";")
    assert inspection.description.classes == ["1", "2", "10"]


def test_free_text_is_no_label_of_many_unless_it_holds_the_separator(refuse_text: Refuse) -> None:
    cells = [f"a{n}|b{n}" for n in range(60)]
    error = refuse_text(_several(cells))
    assert (error.code, error.hint) == (
        "label_is_text",
        "If a row has several labels, declare the task multilabel.",
    )
    error = refuse_text(_several(cells), task="multilabel")
    assert error.code == "label_is_text"
    assert "Received: 120 different labels in 60 rows" in error.message


def test_one_label_alone_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(_several(["a", "|", "a"] * 5), task="multilabel")
    assert error.code == "one_class"
    assert "Expected two labels or more, in column y. Received: a." in error.message


def test_every_label_needs_rows_to_train_on(refuse_text: Refuse) -> None:
    rows = "".join(
        f"{n},{label},{part}\n" for n, (label, part) in enumerate([("a|b", "train"), ("a|c", "test")] * 9)
    )
    error = refuse_text("x,y,split\n" + rows, task="multilabel")
    assert error.code == "class_without_train_rows"
    assert "none of class c" in error.message


def test_labels_of_more_digits_than_a_number_has_stay_different_classes(inspect_text: Inspect) -> None:
    labels = ["9007199254740992", "9007199254740993"]
    inspection = inspect_text(table([labels[n % 2] for n in range(12)]))
    assert inspection.description.classes == labels
    jsonl = "".join(f'{{"x": {n}, "y": {labels[n % 2]}}}\n' for n in range(12))
    assert inspect_text(jsonl, "a.jsonl").description.classes == labels
    many = inspect_text(table([9007199254740992 + 1000 * n for n in range(40)]))
    assert many.description.task == "regression"


def test_many_whole_numbers_are_a_regression_and_told(inspect_text: Inspect) -> None:
    inspection = inspect_text(table([n % 25 for n in range(100)]))
    notice = next(n for n in inspection.warnings if n.code == "task_inferred")
    assert (inspection.description.task, notice.send) == ("regression", {"task": "multiclass"})
    assert len(inspect_text(table([n % 25 for n in range(100)]), task="multiclass").description.classes) == 25
