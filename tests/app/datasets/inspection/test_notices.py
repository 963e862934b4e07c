from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection, Notice

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]


def table(rows: int = 60, **columns: Callable[[int], object]) -> str:
    """Random noise `x`, a balanced label `y`, and the given columns."""
    generator = random.Random(3)
    lines = [",".join(["x", *columns, "y"])]
    for n in range(rows):
        cells = [generator.gauss(0, 1), *(column(n) for column in columns.values()), "ab"[n % 2]]
        lines.append(",".join(map(str, cells)))
    return "\n".join(lines) + "\n"


def found(inspection: Inspection, code: str) -> list[Notice]:
    return [notice for notice in inspection.warnings if notice.code == code]


def test_a_sound_file_has_no_warning(inspect_text: Inspect) -> None:
    noise = random.Random(1)
    assert inspect_text(table(z=lambda n: noise.randrange(5)), label="y").warnings == []


def test_duplicate_rows_are_noticed_with_a_few_of_them(inspect_text: Inspect) -> None:
    text = table(40)
    lines = text.splitlines(keepends=True)
    inspection = inspect_text(text + lines[1] + lines[2])
    (notice,) = found(inspection, "duplicate_rows")
    assert notice.rows == [41, 42]
    assert (
        "2 rows have the input and the label of an earlier row. Equal rows are in one part" in notice.message
    )
    assert inspection.profile.duplicate_rows == 2


@pytest.mark.parametrize("value", ["Paris", "3", "true"])
def test_a_constant_column_is_noticed(inspect_text: Inspect, value: str) -> None:
    (notice,) = found(inspect_text(table(place=lambda n: value)), "constant_column")
    assert notice.column == "place"
    assert f"is {value} in every row" in notice.message


def test_an_empty_column_is_left_out_unless_its_type_is_declared(inspect_text: Inspect) -> None:
    text = table(nothing=lambda n: "")
    inspection = inspect_text(text)
    (notice,) = found(inspection, "empty_column")
    assert (notice.column, inspection.description.columns[1].role) == ("nothing", "ignored")
    assert "Declare its type to keep it" in notice.message
    kept = inspect_text(text, types={"nothing": "number"})
    assert (kept.description.columns[1].role, kept.description.columns[1].type) == ("feature", "number")


def test_a_counter_is_noticed_as_an_identifier(inspect_text: Inspect) -> None:
    (notice,) = found(inspect_text(table(id=lambda n: n + 1000)), "identifier")
    assert notice.column == "id"
    assert "it counts up by 1" in notice.message


@pytest.mark.parametrize("make", [lambda n: f"u{n * 37 % 101}", lambda n: n * 37 % 101])
def test_values_that_never_repeat_are_noticed_as_an_identifier(
    inspect_text: Inspect, make: Callable[[int], object]
) -> None:
    (notice,) = found(inspect_text(table(key=make)), "identifier")
    assert "no value comes twice in the first 60 values" in notice.message


def test_a_number_with_a_decimal_comma_is_noticed(inspect_text: Inspect) -> None:
    text = "price;y\n" + "".join(f"1.234,{n % 7}5;{'ab'[n % 2]}\n" for n in range(20))
    inspection = inspect_text(text)
    (notice,) = found(inspection, "decimal_comma")
    assert (notice.column, inspection.description.columns[0].type) == ("price", "category")
    assert "(1.234,05)" in notice.message
    assert "it was read as text" in notice.message


def test_classes_with_few_rows_are_noticed(inspect_text: Inspect) -> None:
    text = "x,y\n" + "".join(f"{n % 7},{'rare' if n % 20 == 0 else 'ab'[n % 2]}\n" for n in range(80))
    (notice,) = found(inspect_text(text), "few_rows_in_class")
    assert "rare (4)" in notice.message


def test_a_category_that_stands_for_the_class_is_noticed(inspect_text: Inspect) -> None:
    text = table(200, code=lambda n: "tw"[n % 2] if n != 7 else "t")
    (notice,) = found(inspect_text(text), "gives_label_away")
    assert notice.column == "code"
    assert "by itself tells the label in 99.5% of the first 200 labelled rows" in notice.message


def test_several_values_for_each_class_are_noticed_too(inspect_text: Inspect) -> None:
    (notice,) = found(inspect_text(table(200, code=lambda n: f"c{n % 8}")), "gives_label_away")
    assert notice.column == "code"


def test_a_number_that_separates_the_classes_is_noticed(inspect_text: Inspect) -> None:
    generator = random.Random(0)
    (notice,) = found(inspect_text(table(score=lambda n: n % 2 + generator.random() / 2)), "gives_label_away")
    assert notice.column == "score"


def test_a_feature_that_only_follows_the_usual_class_is_not_noticed(inspect_text: Inspect) -> None:
    text = "x,y\n" + "".join(f"{n % 3},{'rare' if n % 100 == 50 else 'usual'}\n" for n in range(1000))
    assert not found(inspect_text(text), "gives_label_away")


def test_an_identifier_does_not_give_the_label_away(inspect_text: Inspect) -> None:
    assert not found(inspect_text(table(key=lambda n: f"u{n}")), "gives_label_away")


def test_a_number_that_is_the_label_in_other_units_is_noticed(inspect_text: Inspect) -> None:
    generator = random.Random(0)
    values = [generator.gauss(0, 1) for _ in range(50)]
    text = "x,inches,y\n" + "".join(f"{generator.random()},{v / -2.54},{v}\n" for v in values)
    (notice,) = found(inspect_text(text), "gives_label_away")
    assert notice.column == "inches"
    assert "correlates with the label by -1.0000" in notice.message


@pytest.mark.parametrize(
    "labels", [("<=50K", ">50K"), ("A+", "A-"), ("C", "C#", "C++"), ("-1", "1"), ("x1", "x-1")]
)
def test_classes_that_differ_by_signs_are_no_variants(inspect_text: Inspect, labels: tuple[str, ...]) -> None:
    text = "x,y\n" + "".join(f"{n * 29 % 53},{labels[n % len(labels)]}\n" for n in range(60))
    assert found(inspect_text(text), "label_variants") == []


@pytest.mark.parametrize(
    "labels",
    [
        ("yes", "Yes"),
        ("Caf\u00e9", "cafe"),
        ("e\u0301", "\u00e9"),
        ("New York", "new-york"),
        ("ok", "ok."),
        ("a  b", "a b"),
    ],
)
def test_classes_that_differ_by_spelling_are_variants(inspect_text: Inspect, labels: tuple[str, ...]) -> None:
    text = "x,y\n" + "".join(f"{n * 29 % 53},{[*labels, 'other'][n % 3]}\n" for n in range(60))
    assert len(found(inspect_text(text), "label_variants")) == 1


def test_the_same_input_under_different_labels_is_told_where_inputs_hardly_repeat(
    inspect_text: Inspect,
) -> None:
    lines = [f"{n},{n * 29 % 53},{'ab'[n % 2]}" for n in range(40)]
    assert found(inspect_text("x,z,y\n" + "\n".join(lines) + "\n"), "contradicting_labels") == []
    (notice,) = found(
        inspect_text("x,z,y\n" + "\n".join([*lines, "3,34,a", "4,10,"]) + "\n"), "contradicting_labels"
    )
    assert notice.rows == [4, 41]
    few = "x,z,y\n" + "".join(f"{n % 3},{n % 2},{'ab'[n % 7 % 2]}\n" for n in range(40))
    assert found(inspect_text(few), "contradicting_labels") == []


def test_a_class_that_is_never_tested_is_told(inspect_text: Inspect) -> None:
    text = "x,y\n" + "".join(f"{n * 29 % 53},{'rare' if n == 5 else 'usual'}\n" for n in range(60))
    (notice,) = found(inspect_text(text), "class_without_test_rows")
    assert "in test, so that nobody will know how well they are told: rare." in notice.message
    assert "every model looks perfect" in notice.message


def test_more_values_than_a_network_keeps_are_told(inspect_text: Inspect) -> None:
    (notice,) = found(inspect_text(table(900, c=lambda n: f"name {n % 300}")), "many_categories")
    assert (notice.column, "the other 44 share one place" in notice.message) == ("c", True)


def test_a_column_that_is_nearly_numbers_is_told_to_be_no_identifier(inspect_text: Inspect) -> None:
    inspection = inspect_text(table(v=lambda n: "unknown" if n == 3 else n * 37 % 101))
    assert found(inspection, "identifier") == []
    assert len(found(inspection, "mostly_numbers")) == 1


def test_numbers_that_are_days_are_told(inspect_text: Inspect) -> None:
    (notice,) = found(inspect_text(table(day=lambda n: 20240101 + n % 28)), "mostly_dates")
    assert notice.send == {"date_format": '{"day": "%Y%m%d"}'}
    assert found(inspect_text(table(day=lambda n: 20240101 + n * 7)), "mostly_dates") == []
