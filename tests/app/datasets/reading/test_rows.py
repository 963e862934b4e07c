"""Rows to predict are read by what the data set's own rows were read by."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from app.datasets.reading.declaration import Declaration
from app.datasets.reading.description import Reading
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection
from app.datasets.reading.rows import RowsFile, read_instances

Inspect = Callable[..., Inspection]
TABLE = (
    "age,city,when,on,y\n"
    + "41.5,rome,2024-01-31,yes,a\n,oslo,,no,b\n7, rome,2024-01-31T10:00:00Z,,a\n" * 4
    + "8,,,,a\n"
)


@pytest.fixture
def table(inspect_text: Inspect) -> Reading:
    return inspect_text(TABLE).description.reading


def _read(path: Path, content: str | bytes, reading: Reading, keep: Any = (), **declared: Any) -> Any:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    file = RowsFile(path, reading, Declaration(**declared))
    rows = list(file.read(keep))
    inputs = [row for some in rows for row in some.inputs.to_pylist()]
    if not keep:
        return inputs
    return inputs, [
        dict(zip(some.kept, row, strict=True))
        for some in rows
        for row in zip(*some.kept.values(), strict=True)
    ]


def _refused(path: Path, content: str | bytes, reading: Reading, keep: Any = ()) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        _read(path, content, reading, keep)
    return caught.value


def test_columns_may_be_turned_and_others_are_kept_as_they_are_written(
    table: Reading, tmp_path: Path
) -> None:
    content = 'id,on,when,city,age\n007,t,2024-02-01 10:00,"=1+1", 3 \nNA,,,,NA\n'
    inputs, kept = _read(tmp_path / "r.csv", content, table, ["id", "age"])
    assert inputs == [
        {"age": 3.0, "city": "=1+1", "when": "2024-02-01T10:00:00", "on": True},
        {"age": None, "city": None, "when": None, "on": None},
    ]
    assert kept == [{"id": "007", "age": " 3 "}, {"id": "NA", "age": "NA"}]


def test_a_delimiter_that_is_not_found_by_itself_is_that_of_the_data_set(
    inspect_text: Inspect, tmp_path: Path
) -> None:
    reading = inspect_text(TABLE.replace(",", "^"), delimiter="^").description.reading
    assert _read(tmp_path / "r.csv", "age^city^when^on\n1^a^^t\n", reading)[0]["age"] == 1
    assert _read(tmp_path / "r.csv", "age;city;when;on\n1;a;;t\n", reading)[0]["city"] == "a"


def test_an_encoding_that_is_no_unicode_is_that_of_the_data_set(
    inspect_text: Inspect, tmp_path: Path
) -> None:
    content = "city,y\n" + "Łódź,a\nKraków,b\n" * 9 + "Gdańsk,a\nToruń,a\n"
    reading = inspect_text(
        content.encode("iso8859-2"), encoding="iso8859-2", kind="tabular"
    ).description.reading
    for encoding in ("iso8859-2", "utf-8", "utf-16"):
        assert _read(tmp_path / "r.csv", "city\nŁódź\n".encode(encoding), reading) == [{"city": "Łódź"}]


def test_a_word_of_json_lines_stays_a_word_in_csv_where_numbers_are_missing_in_words(
    inspect_text: Inspect, tmp_path: Path
) -> None:
    lines = '{"age": 1, "city": "NA", "y": "a"}\n{"age": null, "city": null, "y": "b"}\n' * 9
    lines += "".join(f'{{"age": {n}, "city": "x", "y": "a"}}\n' for n in (2, 3))
    reading = inspect_text(lines, "r.jsonl").description.reading
    assert _read(tmp_path / "r.csv", "age,city\nNA,NA\n2,\n", reading) == [
        {"age": None, "city": "NA"},
        {"age": 2.0, "city": None},
    ]


def test_a_word_that_is_missing_in_csv_is_missing_in_json_lines(table: Reading, tmp_path: Path) -> None:
    line = json.dumps({"age": "NA", "city": "n/a", "when": "", "on": "true"})
    assert _read(tmp_path / "r.jsonl", line, table) == [{"age": None, "city": None, "when": None, "on": True}]


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("age,city,when\n1,a,\n", "missing_columns", "Expected the columns on."),
        ("AGE,city,when,on\n1,a,,t\n", "missing_columns", "Received: AGE, city, when, on."),
        ("age,city,when,on\n1,a,,t\n1,a,,perhaps\n", "wrong_type", "perhaps, in row 2, column on."),
        ("age,city,when,on\n1,a,,t\n1e999,a,,t\n", "infinite_number", "in row 2, column age."),
        ("age,city,when,on\n1,a,,t\n2,b\n", "ragged_row", "in row 2 (line 3)"),
    ],
)
def test_a_refusal_names_what_is_at_fault(
    content: str, code: str, told: str, table: Reading, tmp_path: Path
) -> None:
    refused = _refused(tmp_path / "r.csv", content, table)
    assert refused.code == code
    assert told in refused.message


def test_a_column_of_another_spelling_is_told_with_its_name(table: Reading, tmp_path: Path) -> None:
    assert _refused(tmp_path / "r.csv", "AGE,city,when\n1,a,\n", table).hint == (
        "Rename AGE to age. Add on; cells that are missing may be empty."
    )


def test_a_column_to_keep_must_be_there(table: Reading, tmp_path: Path) -> None:
    refused = _refused(tmp_path / "r.csv", "age,city,when,on\n1,a,,t\n", table, ["id"])
    assert "Expected the columns id. Received: age, city, when, on." in refused.message


def test_text_files_hold_a_text_a_line(inspect_text: Inspect, tmp_path: Path) -> None:
    rows = "sentence,y\n" + "so good,a\nso bad,b\nvery good,a\nrather good,a\n" * 5
    reading = inspect_text(rows, kind="text").description.reading
    for encoding in ("utf-8", "utf-8-sig", "utf-16"):
        read = _read(tmp_path / "r.txt", "one, two\r\n\nNA\n\u2028x".encode(encoding), reading)
        assert [row["text"] for row in read] == ["one, two", None, "NA", "\u2028x"]
    for header in ("sentence", "text", "anything"):
        assert _read(tmp_path / "r.csv", f"{header}\nx\n", reading) == [{"text": "x"}]
    assert "Expected the columns sentence" in _refused(tmp_path / "r.csv", "a,b\nx,y\n", reading).message


@pytest.fixture
def fasta(inspect_text: Inspect) -> Reading:
    return inspect_text(
        ">1 label=a\nACGT\n>2 label=b\nGGCC\n>3 label=a\nAC\n>4 label=a\nAG\n" * 5, "s.fa"
    ).description.reading


def test_fasta_is_read_without_labels_and_its_headers_can_be_kept(fasta: Reading, tmp_path: Path) -> None:
    content = ">one x\n;ACGT\nac\n gt \n\n>two\nNNU-\n"
    inputs, kept = _read(tmp_path / "r.fa", content, fasta, ["header"])
    assert [row["sequence"] for row in inputs] == ["ACGT", "NNU-"]
    assert kept == [{"header": "one x"}, {"header": "two"}]


@pytest.mark.parametrize(
    ("content", "code", "told"),
    [
        ("ACGT\n", "not_fasta", "Received: ACGT in line 1"),
        (">a\nAC\nA1\n", "wrong_letters", "'1', in row 1, column sequence"),
        (">a\n>b\nAC\n", "empty_sequence", ">a"),
        ("sequence,n\nAC,1\n,2\n", "empty_sequence", "row 2"),
    ],
)
def test_sequences_are_refused_as_at_the_upload(
    content: str, code: str, told: str, fasta: Reading, tmp_path: Path
) -> None:
    name = "r.csv" if content.startswith("sequence") else "r.fa"
    refused = _refused(tmp_path / name, content, fasta)
    assert refused.code == code
    assert told in refused.message


def test_a_file_of_another_kind_is_refused(table: Reading, tmp_path: Path) -> None:
    assert _refused(tmp_path / "r.fa", ">a\nAC\n", table).code == "kind_differs"


def _png() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (4, 3), "red").save(out, "PNG")
    return out.getvalue()


def test_instances_are_read_as_lines_of_json_are(table: Reading) -> None:
    batch = read_instances(
        [
            {"age": 1, "city": " rome", "when": "2024-01-01T10:00:00+02:00", "on": True, "id": 7},
            {"age": 2.5, "city": "NA", "on": None, "when": None},
        ],
        table,
    )
    assert batch.to_pylist() == [
        {"age": 1.0, "city": "rome", "when": "2024-01-01T08:00:00", "on": True},
        {"age": 2.5, "city": None, "when": None, "on": None},
    ]


@pytest.mark.parametrize(
    ("instances", "told"),
    [
        ([{"Age": 1, "city": "a", "when": "", "on": True}], "Expected the columns age."),
        ([{"id": 7}], "Expected the columns age, city, when, on."),
        ([{"age": [1], "city": "a", "when": "", "on": True}], "[1], in row 1, column age."),
        ([{"age": 1}, {"age": "x", "city": "a", "when": "", "on": True}], "'x', in row 2, column age."),
        ([{"age": "x", "city": "a", "when": "", "on": True}], "x, in row 1, column age."),
        ([{"age": 1, "city": "a\0", "when": "", "on": True}], "text without NUL"),
    ],
)
def test_an_instance_that_cannot_be_read_is_refused_by_its_place(
    instances: list[dict[str, Any]], told: str, table: Reading
) -> None:
    with pytest.raises(DatasetError) as caught:
        read_instances(instances, table)
    assert told in caught.value.message


def test_a_column_that_no_row_has_is_missing_in_all(table: Reading) -> None:
    batch = read_instances([{"age": 1}, {"age": None}], table)
    nothing = {"city": None, "when": None, "on": None}
    assert batch.to_pylist() == [{"age": 1.0, **nothing}, {"age": None, **nothing}]


@pytest.mark.parametrize("value", [7, 2**53 + 1, 12345678901, -1, 0.5, 1e21, 2**70])
@pytest.mark.parametrize("column_type", ["category", "text"])
def test_a_number_in_a_column_of_texts_is_the_text_that_it_is_in_a_file(
    value: float, column_type: str, table: Reading, tmp_path: Path
) -> None:
    kind = {"kind": "text"} if column_type == "text" else {}
    named = "text" if column_type == "text" else "city"
    reading = Reading.model_validate(
        {**table.model_dump(), **kind, "format": "jsonl", "columns": [_column(named, column_type)]}
    )
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps({named: value}) + "\n")
    try:
        (of_file,) = RowsFile(path, reading).read()
    except DatasetError:  # more digits than either keeps
        return
    assert read_instances([{named: value}], reading).to_pylist() == of_file.inputs.to_pylist()


def test_the_one_input_of_a_request_is_called_by_its_name(table: Reading) -> None:
    columns = [_column("letters", "nucleotide")]
    reading = Reading.model_validate({**table.model_dump(), "kind": "sequence", "columns": columns})
    for name in ("letters", "sequence"):
        assert read_instances([{name: "ACGT", "id": 1}], reading).to_pylist() == [{"sequence": "ACGT"}]
    with pytest.raises(DatasetError, match="Expected the columns letters"):
        read_instances([{"x": "ACGT"}], reading)


def test_base64_may_be_broken_into_lines(table: Reading) -> None:
    columns = [_column("image", "image")]
    reading = Reading.model_validate({**table.model_dump(), "kind": "image", "columns": columns})
    lines = base64.encodebytes(_png()).decode()
    assert read_instances([{"image": lines}], reading).to_pylist() == [{"image": _png()}]
    with pytest.raises(DatasetError, match="an image's file in base64") as caught:
        read_instances([{"image": f"data:image/png;base64,{lines}"}], reading)
    assert caught.value.code == "no_image"


def test_an_image_of_a_request_is_its_file_in_base64(table: Reading) -> None:
    columns = [_column("image", "image")]
    reading = Reading.model_validate({**table.model_dump(), "kind": "image", "columns": columns})
    encoded = base64.b64encode(_png()).decode()
    assert read_instances([{"image": encoded}], reading).to_pylist() == [{"image": _png()}]
    for wrong in ("no base64", base64.b64encode(_png()[:30]).decode(), None):
        with pytest.raises(DatasetError):
            read_instances([{"image": wrong}], reading)


def _column(name: str, column_type: str) -> Any:
    return {"name": name, "type": column_type, "role": "feature"}


def test_an_image_that_is_too_large_is_refused_before_it_is_decoded(table: Reading, tmp_path: Path) -> None:
    columns = [_column("image", "image")]
    reading = Reading.model_validate({**table.model_dump(), "kind": "image", "columns": columns})
    (tmp_path / "a.png").write_bytes(_png())
    assert len(list(RowsFile(tmp_path / "a.png", reading).read())) == 1
    for limits in (Limits(pixels=11), Limits(example_bytes=20)):
        with pytest.raises(DatasetError, match=str(tmp_path / "a.png")):
            list(RowsFile(tmp_path / "a.png", reading, limits=limits).read())
