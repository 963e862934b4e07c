from __future__ import annotations

from pathlib import Path

import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.table import read
from tests.app.datasets.conftest import Inspect, Refuse
from tests.app.datasets.inspection.kinds.conftest import packed

REVIEWS = "".join(f'"It was {"good" if n % 2 else "bad"}, the {n}. time!",{n % 2}\n' for n in range(20))


def test_sentences_beside_a_label_are_taken_for_texts_and_it_is_told(inspect_text: Inspect) -> None:
    inspection = inspect_text("review,label\n" + REVIEWS)
    assert inspection.description.kind == "text"
    assert inspection.description.columns[0].input == "text"
    notice = next(notice for notice in inspection.warnings if notice.code == "kind_guessed")
    assert (notice.column, "Declare `kind` as tabular" in notice.message) == ("review", True)


def test_the_same_file_is_a_table_where_it_is_declared_so(inspect_text: Inspect) -> None:
    description = inspect_text("review,label\n" + REVIEWS, kind="tabular").description
    assert (description.kind, description.columns[0].type) == ("tabular", "category")


def test_short_categories_stay_categories(inspect_text: Inspect) -> None:
    rows = "".join(f"city {n},{n % 2}\n" for n in range(20))
    assert inspect_text("city,label\n" + rows).description.kind == "tabular"


def test_texts_come_back_as_they_were_written(tmp_path: Path) -> None:
    cells = ["  blanks  ", "NA", "null", "日本語 🎉", 'a ""quote"", and\na line', ""] * 2
    path = tmp_path / "a.csv"
    path.write_text("note,label\n" + "".join(f'"{cell}",{n % 2}\n' for n, cell in enumerate(cells)))
    inspection = inspect(path, Declaration(filename="a.csv", kind="text", input="note"))
    column = inspection.profile.columns[0]
    assert (column.missing, column.measures["characters"].maximum) == (2, 21)
    assert "empty_texts" in {notice.code for notice in inspection.warnings}
    expected = [cell.replace('""', '"') or None for cell in cells]
    assert read(path, inspection.description)["text"].to_pylist() == expected


def test_the_profile_counts_words(inspect_text: Inspect) -> None:
    column = inspect_text("review,label\n" + REVIEWS).profile.columns[0]
    counts = {value.value: value.count for value in column.top}
    assert (counts["it"], counts["good"]) == (20, 10)
    assert column.measures["words"].median == 6
    assert column.distinct == 26


def test_other_columns_are_left_out_and_told(inspect_text: Inspect) -> None:
    rows = REVIEWS.replace('!",', '!",7,')
    inspection = inspect_text("text,stars,label\n" + rows, kind="text")
    assert [(c.name, c.role) for c in inspection.description.columns][1] == ("stars", "ignored")
    assert "columns_left_out" in {notice.code for notice in inspection.warnings}


@pytest.mark.parametrize("field", [{"kind": "text", "input": "b"}, {"types": {"b": "text"}}])
def test_the_input_is_the_column_that_is_declared(inspect_text: Inspect, field: dict[str, object]) -> None:
    text = "a,b,label\n" + "".join(f"one two,three four {n},x\nsix,seven {n},y\n" for n in range(3))
    inspection = inspect_text(text, **field)
    assert [(c.name, c.type) for c in inspection.description.columns if c.role == "feature"] == [
        ("b", "text")
    ]


def test_several_columns_that_could_be_the_text_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text("a,b,label\n" + "one two,three,x\nsix,seven,y\n" * 3, kind="text")
    assert (error.code, "Received: a, b" in error.message) == ("input_not_found", True)


def test_a_text_that_is_too_long_is_refused_with_its_row(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(f'{{"text": "{"word " * (n * 100)}", "label": {n % 2}}}\n' for n in range(1, 7)))
    with pytest.raises(DatasetError) as caught:
        inspect(path, Declaration(filename="a.jsonl", kind="text"), Limits(example_bytes=2100))
    assert (caught.value.code, caught.value.errors[0]["row"]) == ("example_too_large", 5)


def test_a_row_of_10_mb_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text("text,label\nshort one here,a\n" + "x" * 10_000_000 + ",b\n", kind="text")
    assert "at most 4 MB whose quotes close. Received: more in line 3" in error.message
    assert error.errors[0]["line"] == 3


def test_quotes_are_ordinary_characters_where_it_is_declared(inspect_text: Inspect) -> None:
    rows = 'text\tlabel\n" begins with a quote\ta\nthe "best" there is\tb\n' + "".join(
        f"some {n} words more\ta\n" for n in range(5)
    )
    with pytest.raises(DatasetError) as refused:
        inspect_text(rows, "a.tsv", kind="text")
    assert (refused.value.code, "`-F quote=none`" in str(refused.value.hint)) == ("stray_quote", True)
    inspection = inspect_text(rows, "a.tsv", kind="text", quote="none")
    assert inspection.description.rows == 7
    assert inspection.preview[0]["text"] == '" begins with a quote'


def test_texts_that_differ_by_capitals_and_signs_alone_are_told(inspect_text: Inspect) -> None:
    inspection = inspect_text("text,label\n" + REVIEWS + '"it was BAD the 0 time",1\n')
    notice = next(notice for notice in inspection.warnings if notice.code == "near_duplicates")
    assert notice.rows == [21]


def test_labels_that_differ_by_spelling_alone_are_told(inspect_text: Inspect) -> None:
    rows = "".join(f"this is sentence {n},{label}\n" for n in range(6) for label in ("pos", "Pos.", "neg"))
    notice = next(
        notice for notice in inspect_text("text,label\n" + rows).warnings if notice.code == "label_variants"
    )
    assert "'Pos.', 'pos'" in notice.message


def test_text_files_in_folders_are_texts(inspect_text: Inspect) -> None:
    files = {
        f"{label}/{n}.txt": f"\ufeffa text of {label} no {n}" for label in ("good", "bad") for n in range(5)
    }
    inspection = inspect_text(packed(dict(files)), "a.zip")
    assert (inspection.description.kind, inspection.description.classes) == ("text", ["bad", "good"])
    assert inspection.preview[0]["text"] == "a text of good no 0"


def test_a_text_file_in_another_encoding_is_refused_with_its_name(refuse_text: Refuse) -> None:
    files = {f"{label}/{n}.txt": b"caf\xe9" for label in ("good", "bad") for n in range(5)}
    error = refuse_text(packed(dict(files)), "a.zip")
    assert (error.code, "good/0.txt" in error.message) == ("not_text", True)
