from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]
CSV = "a,y\n" + "1,0\n2,1\n3,0\n4,1\n5,0\n6,1\n"
JSONL = "".join(f'{{"a": {n}, "y": {n % 2}}}\n' for n in range(6))


def parquet() -> bytes:
    sink = io.BytesIO()
    pq.write_table(pa.table({"a": [*range(6)], "y": [0, 1] * 3}), sink)
    return sink.getvalue()


def archive() -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("a.csv", CSV)
    return sink.getvalue()


@pytest.mark.parametrize(
    ("content", "filename", "expected"),
    [
        (CSV, "data.csv", "csv"),
        (CSV, "DATA.CSV", "csv"),
        (CSV, "data", "csv"),
        (CSV, None, "csv"),
        (CSV.replace(",", "\t"), "data.tsv", "tsv"),
        (JSONL, "data.jsonl", "jsonl"),
        (JSONL, "data.ndjson", "jsonl"),
        (JSONL, "data.json", "jsonl"),
        (JSONL, None, "jsonl"),
        (parquet(), "data.parquet", "parquet"),
        (parquet(), None, "parquet"),
    ],
)
def test_the_format_is_found(
    inspect_text: Inspect, content: str | bytes, filename: str | None, expected: str
) -> None:
    assert inspect_text(content, filename).description.format == expected


def test_a_declared_format_wins_over_the_name(inspect_text: Inspect) -> None:
    assert inspect_text(JSONL, "data.csv", format="jsonl").description.format == "jsonl"


@pytest.mark.parametrize(
    ("content", "filename", "expected", "received"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(50), "data.csv", "CSV", "a PNG image"),
        (archive(), "data.csv", "CSV", "a ZIP archive"),
        (archive(), "data.xlsx", "a table, FASTA, or a zip of examples", "a ZIP archive"),
        (parquet(), "data.csv", "CSV", "a Parquet file"),
        (parquet(), "data.jsonl", "JSON lines", "a Parquet file"),
        (CSV, "data.parquet", "Parquet", "text"),
        (JSONL, "data.csv", "CSV", "JSON"),
        ("<!DOCTYPE html><html></html>", "data.csv", "CSV", "an HTML or XML document"),
        (b"%PDF-1.7", "data.tsv", "TSV", "a PDF document"),
    ],
)
def test_a_file_that_is_not_what_it_says_is_refused(
    refuse_text: Refuse, content: str | bytes, filename: str | None, expected: str, received: str
) -> None:
    error = refuse_text(content, filename)
    assert error.code == "not_what_it_says"
    assert f"Expected a file that is {expected}, as it says. Received: {received}" in error.message
    assert error.hint is not None


def test_bytes_of_no_known_kind_are_refused(refuse_text: Refuse) -> None:
    error = refuse_text(bytes(range(256)) * 20, "data.csv")
    assert (error.code, "Received: bytes that are none" in error.message) == ("not_text", True)


def test_an_empty_file_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(b"")
    assert (error.code, "Received: an empty file" in error.message) == ("empty_file", True)


def test_csv_called_jsonl_is_refused_with_the_line(refuse_text: Refuse) -> None:
    error = refuse_text(CSV, "data.jsonl")
    assert error.code == "not_json_lines"
    assert "Received: a,y in line 1" in error.message


def test_a_json_array_is_refused_with_the_way_to_lines(refuse_text: Refuse) -> None:
    error = refuse_text(json.dumps([{"a": 1, "y": 2}]), "data.json")
    assert error.code == "not_json_lines"
    assert "jq -c" in str(error.hint)
