"""The same checks for every format."""

from __future__ import annotations

import csv
import io
import json
import random
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats.contents import MODULES
from app.datasets.reading.table import read
from app.datasets.reading.words import Format

Row = dict[str, Any]
FORMATS: list[Format] = ["csv", "tsv", "jsonl", "parquet"]
TYPES: dict[str, pa.DataType] = {
    "age": pa.float64(),
    "city": pa.string(),
    "member": pa.bool_(),
    "joined": pa.string(),
    "score, total": pa.int64(),
    "label": pa.string(),
}


def rows_of(seed: int, count: int = 60) -> list[Row]:
    """Random rows with missing cells, and texts that are hard to write."""
    generator = random.Random(seed)
    words = ["Köln", "a,b", 'the "x"', "two\nlines", "tab\there", "semi;colon", "x" * 300, "東京"]

    def moment() -> str:
        day = datetime(1999, 12, 31) + timedelta(days=generator.randrange(9000))
        seconds = timedelta(seconds=generator.choice([0, generator.randrange(86400)]))
        text = (day + seconds).isoformat()
        return text.removesuffix("T00:00:00")

    def row(number: int) -> Row:
        cells = {
            "age": round(generator.uniform(-1e6, 1e6), generator.randrange(8)),
            "city": generator.choice(words),
            "member": generator.random() < 0.5,
            "joined": moment(),
            "score, total": generator.randrange(-5, 10**12),
        }
        missing = {name: None if generator.random() < 0.2 else cell for name, cell in cells.items()}
        return {**missing, "label": f"class {number % 3}"}

    return [row(number) for number in range(count)]


def write(path: Path, file_format: Format, rows: list[Row]) -> None:
    """Write rows as the usual tool of the format does."""
    if file_format == "parquet":
        pq.write_table(pa.Table.from_pylist(rows, pa.schema(list(TYPES.items()))), path, row_group_size=25)
    elif file_format == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    else:
        sink = io.StringIO(newline="")
        writer = csv.DictWriter(sink, list(rows[0]), delimiter="\t" if file_format == "tsv" else ",")
        writer.writeheader()
        writer.writerows(rows)
        path.write_text(sink.getvalue(), encoding="utf-8", newline="")


def canonical(rows: list[Row]) -> list[Row]:
    return [
        {name: float(cell) if name in ("age", "score, total") and cell is not None else cell
         for name, cell in row.items()}
        for row in rows
    ]  # fmt: skip


@pytest.mark.parametrize("file_format", FORMATS)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.usefixtures("small_blocks")
def test_a_table_written_in_any_format_reads_back_as_the_same_table(
    tmp_path: Path, file_format: Format, seed: int
) -> None:
    rows = rows_of(seed)
    path = tmp_path / "file"
    write(path, file_format, rows)
    inspection = inspect(path, Declaration(format=file_format))
    table = read(path, inspection.description)
    assert table.to_pylist() == canonical(rows)
    assert table.schema.types == [
        pa.float64(),
        pa.string(),
        pa.bool_(),
        pa.string(),
        pa.float64(),
        pa.string(),
    ]


def test_all_formats_are_described_and_profiled_alike(tmp_path: Path) -> None:
    rows, seen = rows_of(7), []
    for file_format in FORMATS:
        path = tmp_path / file_format
        write(path, file_format, rows)
        inspection = inspect(path, Declaration(format=file_format))
        assert inspection.description.format == file_format
        described = inspection.description.model_dump(exclude={"format", "options", "conventions"})
        profiled = inspection.profile.model_dump(exclude={"bytes"})
        seen.append((described, profiled, inspection.warnings, inspection.preview))
    assert all(one == seen[0] for one in seen[1:])


@pytest.mark.parametrize("file_format", FORMATS)
def test_what_was_recognised_survives_json_and_opens_the_file_again(
    tmp_path: Path, file_format: Format
) -> None:
    path = tmp_path / "file"
    write(path, file_format, rows_of(1))
    module = MODULES[file_format]
    options = module.recognise(path, Declaration())
    again = type(options).model_validate_json(options.model_dump_json())
    batches = list(module.open_batches(path, again))
    assert sum(batch.num_rows for batch in batches) == 60
    assert all(batch.schema.names == list(TYPES) for batch in batches)


@pytest.mark.parametrize("file_format", FORMATS)
def test_a_declared_number_that_is_none_is_refused_in_any_format(tmp_path: Path, file_format: Format) -> None:
    path = tmp_path / "file"
    rows = [{**row, "city": "12"} for row in rows_of(2)]
    rows[40]["city"] = "twelve"
    write(path, file_format, rows)
    with pytest.raises(DatasetError) as caught:
        inspect(path, Declaration(format=file_format, types={"city": "number"}))
    error = caught.value.errors[0]
    assert caught.value.code == "wrong_type"
    assert (error["row"], error["column"], error["received"]) == (41, "city", "twelve")
    assert error.get("line") == (42 if file_format in ("csv", "tsv") else None)
