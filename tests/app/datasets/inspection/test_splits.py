from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.datasets.inspection.offers import is_called_like_a_group
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection, Notice
from tests.stored import Inspected, inspected

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]


def table(cells: list[tuple[object, object]], column: str = "split") -> str:
    return f"x,{column},y\n" + "".join(
        f"{n * 3 % 7},{word},{label}\n" for n, (word, label) in enumerate(cells)
    )


def test_each_class_is_split_and_a_regression_as_a_whole(inspect_text: Inspect) -> None:
    text = "x,y\n" + "".join(f"{n},{'a' if n % 13 else 'b'}\n" for n in range(400))
    inspection = inspect_text(text, seed=5, test_fraction=0.2)
    plan = inspection.description.split
    assert (plan.by, plan.column, plan.seed, plan.test_fraction) == ("key", None, 5, 0.2)
    assert sum(plan.rows.values()) == 400
    # These rows' hashes are what they are: within five deviations of a binomial share.
    assert plan.rows["test"] == pytest.approx(80, abs=40)
    assert plan.rows["validation"] == pytest.approx(60, abs=36)
    assert "class_without_test_rows" not in [notice.code for notice in inspection.warnings]
    numbers = "x,y\n" + "".join(f"{n},{n / 3}\n" for n in range(3))
    plan = inspect_text(numbers).description.split
    assert plan.rows == {"train": 1, "validation": 1, "test": 1}
    assert plan.borrowed <= 3


def test_too_few_different_rows_to_test_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text("x,y\n1,a\n2,b\n3,a\n4,b\n" + "3,a\n4,b\n" * 5)
    assert error.code == "too_few_rows"
    assert "Expected at least 3 different labelled rows of one class" in error.message
    assert error.message.endswith("Received: 2.")


def test_too_few_groups_to_test_are_refused(refuse_text: Refuse) -> None:
    text = "who,x,y\n" + "".join(f"{n % 2},{n},{'ab'[n % 2]}\n" for n in range(40))
    error = refuse_text(text, group="who")
    assert "Expected at least 3 different groups (who) with labelled rows of one class" in error.message
    assert error.message.endswith("Received: 1.")


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


def test_a_column_of_dates_as_split_is_refused_with_the_field_to_send(refuse_text: Refuse) -> None:
    error = refuse_text(table([(f"2024-01-{n:02}", "ab"[n % 2]) for n in range(1, 29)], "day"), split="day")
    assert (error.code, "Received: dates." in error.message) == ("wrong_split", True)
    assert error.hint == "To split by them, send `time=day` in place of `split`."


def test_other_words_in_a_declared_split_column_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(table([("train", "a"), ("later", "b")] * 4), split="split")
    assert (error.code, error.errors[0]["column"], error.errors[0]["received"]) == (
        "wrong_split",
        "split",
        "later",
    )
    assert "Expected train, validation (or val, valid, dev) or test" in error.message


@pytest.mark.parametrize("field", ["split", "group", "time"])
@pytest.mark.parametrize(("declared", "received"), [("part", "no such column"), ("y", "the label")])
def test_a_declared_column_that_cannot_be_one_is_refused(
    refuse_text: Refuse, field: str, declared: str, received: str
) -> None:
    error = refuse_text(table([("train", "a"), ("test", "b")] * 4), **{field: declared})
    assert (error.code, f"Received: {received}." in error.message) == (f"{field}_not_found", True)


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


DAYS = [date(2024, 1, 1) + timedelta(days=n * 37 % 100) for n in range(100)]
DATED = "day,x,y\n" + "".join(f"{day},{n * 29 % 53},{'ab'[n % 2]}\n" for n, day in enumerate(DAYS)) + ",1,a\n"


def told(inspection: Inspection) -> dict[str, Notice]:
    return {notice.code: notice for notice in inspection.warnings}


def kept(tmp_path: Path, text: str, **declared: Any) -> Inspected:
    path = tmp_path / "data.csv"
    path.write_text(text)
    return inspected(path, **declared)


def test_dated_rows_are_told_with_the_field_that_splits_them_by_time(tmp_path: Path) -> None:
    notice = told(kept(tmp_path, DATED).inspection)["dated_rows"]
    assert (notice.column, notice.send, "`-F time=day`" in notice.message) == ("day", {"time": "day"}, True)
    made = kept(tmp_path, DATED, **(notice.send or {}))
    plan = made.inspection.description.split
    assert (plan.by, plan.column, plan.rows) == ("time", "day", {"train": 71, "validation": 15, "test": 15})
    assert plan.since is not None
    assert (plan.since.validation, plan.since.test) == ("2024-03-11", "2024-03-26")
    assert "dated_rows" not in told(made.inspection)
    assert made.inspection.description.columns[0].role == "time"
    days = [
        [day for day, its in zip(DAYS, made.facts.parts, strict=False) if its == part] for part in range(3)
    ]
    assert max(days[0]) < min(days[1]) <= max(days[1]) < min(days[2])
    assert made.facts.parts[-1] == 0  # without a date


def test_numbers_say_when_as_well(tmp_path: Path) -> None:
    text = "year,x,y\n" + "".join(f"{1990 + n % 30},{n},{'ab'[n % 2]}\n" for n in range(300))
    plan = kept(tmp_path, text, time="year").inspection.description.split
    assert plan.since is not None
    assert (plan.since.validation, plan.since.test) == ("2010", "2015")


@pytest.mark.parametrize(("cells", "received"), [(("a", "b"), "category values"), (("", ""), "no values")])
def test_a_time_that_is_none_is_refused(refuse_text: Refuse, cells: tuple[str, str], received: str) -> None:
    text = "when,x,y\n" + "".join(f"{cells[n % 2]},{n},{'ab'[n % 2]}\n" for n in range(40))
    error = refuse_text(text, time="when")
    assert (error.code, f"Received: {received}." in error.message) == ("wrong_time", True)


def test_fewer_than_three_times_are_refused(refuse_text: Refuse) -> None:
    text = "when,x,y\n" + "".join(f"{2000 + n % 2},{n},{'ab'[n % 2]}\n" for n in range(40))
    assert (
        "at least 3 different times, in column when. Received: 2." in refuse_text(text, time="when").message
    )


def test_a_class_that_came_late_is_refused_by_time(refuse_text: Refuse) -> None:
    text = "when,x,y\n" + "".join(f"{n},{n},{'b' if n > 38 else 'ac'[n % 2]}\n" for n in range(40))
    error = refuse_text(text, time="when")
    assert error.code == "class_without_train_rows"
    assert "of every class, before 28 in when. Received: none of class b." in error.message


def patients(rows: int = 120) -> str:
    return "patient_id,x,y\n" + "".join(f"p{n // 4},{n},{'ab'[n // 2 % 2]}\n" for n in range(rows))


def test_ids_that_repeat_are_told_with_the_field_that_keeps_their_rows_together(tmp_path: Path) -> None:
    notice = told(kept(tmp_path, patients()).inspection)["grouped_rows"]
    assert (notice.column, notice.send) == ("patient_id", {"group": "patient_id"})
    assert "(30 different ones in 120 rows)" in notice.message
    made = kept(tmp_path, patients(), **(notice.send or {}))
    plan = made.inspection.description.split
    assert (plan.by, plan.column) == ("group", "patient_id")
    assert made.inspection.description.columns[0].role == "group"
    assert "grouped_rows" not in told(made.inspection)
    assert all(len(set(made.facts.parts[4 * n : 4 * n + 4].tolist())) == 1 for n in range(30))
    assert made.facts.groups is not None
    assert len(np.unique(made.facts.groups)) == 30


def test_a_group_follows_its_value_alone(tmp_path: Path) -> None:
    first = kept(tmp_path, patients(), group="patient_id").facts
    other = patients().replace("patient_id", "who").replace(",x,", ",z,")
    second = kept(tmp_path, other, group="who").facts
    np.testing.assert_array_equal(first.parts, second.parts)
    assert (first.keys != second.keys).all()


def test_groups_that_share_a_row_are_joined_and_told(tmp_path: Path) -> None:
    made = kept(tmp_path, patients() + "p0,100,a\n", group="patient_id")
    assert "2 groups (patient_id) share rows" in told(made.inspection)["groups_joined"].message
    assert len({made.facts.parts[row] for row in (0, 1, 100, 101, 120)}) == 1


def test_groups_that_all_share_rows_stay_apart_and_that_is_told(tmp_path: Path) -> None:
    text = "who,x,y\n" + "".join(f"p{n % 30},{n % 4},{'ab'[n % 2]}\n" for n in range(240))
    made = kept(tmp_path, text, group="who")
    assert "They were not joined" in told(made.inspection)["equal_rows_apart"].message
    assert made.inspection.description.split.rows["test"] > 0


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        *(
            (name, True)
            for name in ("patient_id", "userId", "Subject", "user", "session no", "id", "store_key")
        ),
        *((name, False) for name in ("valid", "width", "idea", "price", "users_age")),
    ],
)
def test_names_of_groups(name: str, is_one: bool) -> None:
    assert is_called_like_a_group(name) is is_one


def test_equal_rows_on_both_sides_of_given_words_are_told(inspect_text: Inspect) -> None:
    words = ("train", "train", "val", "test")
    text = "x,y,split\n" + "".join(f"{n},{'ab'[n // 4 % 2]},{words[n % 4]}\n" for n in range(80))
    assert "equal_rows_apart" not in told(inspect_text(text))
    notice = told(inspect_text(text + "3,a,train\n2,a,test\n"))["equal_rows_apart"]
    assert notice.rows == [3, 4, 82]
    assert "3 rows in validation or test have the same input as one in another part" in notice.message


def test_texts_stay_together_by_a_column_beside_them(tmp_path: Path) -> None:
    lines = [f'"what the author {n} says of it, the {n}th",a{n // 4},{"pq"[n // 2 % 2]}' for n in range(80)]
    text = "text,author,label\n" + "\n".join(lines) + "\n"
    notice = told(kept(tmp_path, text, kind="text").inspection)["grouped_rows"]
    assert notice.send == {"group": "author"}
    made = kept(tmp_path, text, kind="text", **(notice.send or {}))
    assert [column.role for column in made.inspection.description.columns] == ["feature", "group", "label"]
    assert all(len(set(made.facts.parts[4 * n : 4 * n + 4].tolist())) == 1 for n in range(20))


def test_groups_that_share_nearly_the_same_text_are_joined(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    words = [f"w{n}" for n in range(400)]
    texts = [" ".join(rng.choice(words, 30)) for _ in range(60)]
    texts[59] = texts[0] + " again"
    lines = [f'"{text}",a{n // 3},{"pq"[n % 2]}' for n, text in enumerate(texts)]
    text = "text,author,label\n" + "\n".join(lines) + "\n"
    made = kept(tmp_path, text, kind="text", group="author")
    assert (
        "2 groups (author) share rows of the same or nearly the same"
        in told(made.inspection)["groups_joined"].message
    )
    assert len({int(made.facts.parts[row]) for row in (0, 1, 2, 57, 58, 59)}) == 1


def test_given_words_come_before_time_and_time_before_groups(tmp_path: Path) -> None:
    words = ("train", "val", "test", "train")
    text = "who,day,part,x,y\n" + "".join(
        f"p{n % 20},{n},{words[n % 4]},{n},{'ab'[n // 4 % 2]}\n" for n in range(80)
    )
    both = kept(tmp_path, text, group="who", time="day")
    assert both.inspection.description.split.by == "time"
    assert both.facts.parts.tolist() == [0] * 56 + [1] * 12 + [2] * 12
    assert "groups_apart" in told(both.inspection)
    given = kept(tmp_path, text, group="who", time="day", split="part")
    assert given.inspection.description.split.by == "column"
    assert given.facts.parts.tolist() == [0, 1, 2, 0] * 20
    assert given.facts.groups is not None


def test_groups_that_do_not_split_are_not_told_to_be_joined_or_apart(tmp_path: Path) -> None:
    """Each pair of groups shares a row, and the times decide."""
    rows = "".join(f"g{n % 12},{n},{n % 7},{'ab'[n % 2]}\n" for n in range(84))
    made = kept(tmp_path, "group,day,x,label\n" + rows, group="group", time="day").inspection
    assert made.description.split.by == "time"
    assert [n.column for n in made.warnings if n.code in ("groups_joined", "equal_rows_apart")] == ["day"]


def test_a_column_of_groups_that_is_left_out_is_refused_as_such(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="Received: one that is declared to be left out") as caught:
        kept(tmp_path, patients(), group="patient_id", ignore=["patient_id"])
    assert caught.value.code == "group_not_found"
