"""What the parts of uploaded files hold to, whatever is done to the files; and the pages' test vectors."""

from __future__ import annotations

import io
import json
import os
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from app.datasets.partition.input_keys import key_of_image, keys_of_sequences, keys_of_texts
from app.datasets.partition.keys import cell_keys, mix, table_keys
from app.datasets.partition.parts import drawn
from app.datasets.reading.formats import csv as csv_format
from tests.app.datasets.partition.plain import plain_row
from tests.stored import Inspected, inspected

DOCS = Path(__file__).parents[4] / "docs" / "data-sets.md"
Row = dict[str, Any]


def rows(count: int, seed: int = 0) -> list[Row]:
    """Numbers with gaps, categories, booleans and dates; labels of which one is rare."""
    draw = random.Random(seed)
    return [
        {
            "age": None if draw.random() < 0.1 else round(draw.gauss(40, 10), 2),
            "city": draw.choice(["Bern", "Zürich", "", "new york"]),
            "member": draw.choice(["true", "false", ""]),
            "joined": f"20{draw.randint(10, 24)}-0{draw.randint(1, 9)}-1{draw.randint(0, 9)}",
            "y": draw.choices(["a", "b", "c"], [60, 38, 2])[0],
        }
        for _ in range(count)
    ]


def written(path: Path, table: list[Row], names: list[str] | None = None) -> Path:
    names = names or list(table[0])
    lines = [",".join("" if row[name] is None else str(row[name]) for name in names) for row in table]
    path.write_text("\n".join([",".join(names), *lines]) + "\n")
    return path


def kept(path: Path, table: list[Row], names: list[str] | None = None, **declared: Any) -> Inspected:
    return inspected(written(path, table, names), label="y", **declared)


def typed(row: Row) -> dict[str, object]:
    """The inputs of a row as they are read."""
    member = {"true": True, "false": False}.get(row["member"])
    return {"age": row["age"], "city": row["city"] or None, "member": member, "joined": row["joined"]}


def test_the_keys_of_a_file_are_those_of_the_definition(tmp_path: Path) -> None:
    table = rows(60)
    facts = kept(tmp_path / "t.csv", table).facts
    assert facts.keys[:, 0].tolist() == [plain_row(typed(row)) for row in table]


def test_the_order_of_columns_and_rows_changes_no_part(tmp_path: Path) -> None:
    table = rows(400)
    first = kept(tmp_path / "t.csv", table).facts
    order = random.Random(1).sample(range(400), 400)
    names = ["y", "joined", "city", "age", "member"]
    other = kept(tmp_path / "u.csv", [table[place] for place in order], names).facts
    np.testing.assert_array_equal(other.keys, first.keys[order])
    np.testing.assert_array_equal(other.parts, first.parts[order])


def test_the_size_of_batches_and_the_format_change_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = rows(400)
    first = kept(tmp_path / "t.csv", table).facts
    lines = [
        json.dumps({name: None if value == "" else value for name, value in row.items()}) for row in table
    ]
    (tmp_path / "t.jsonl").write_text("\n".join(lines))
    columns = {name: [typed(row)[name] for row in table] for name in ("age", "city", "member", "joined")}
    pq.write_table(
        pa.table({**columns, "y": [row["y"] for row in table]}), tmp_path / "t.parquet", row_group_size=7
    )
    monkeypatch.setattr(csv_format, "BLOCK", 1 << 10)
    for name in ("t.csv", "t.jsonl", "t.parquet"):
        types = {"joined": "date", "member": "boolean"}
        facts = inspected(tmp_path / name, label="y", types=types).facts
        np.testing.assert_array_equal(facts.keys, first.keys, err_msg=name)
        np.testing.assert_array_equal(facts.parts, first.parts, err_msg=name)


def test_a_subset_under_another_name_has_the_same_parts_but_for_borrowed_rows(tmp_path: Path) -> None:
    table = rows(400)
    whole = kept(tmp_path / "t.csv", table)
    some = sorted(random.Random(2).sample(range(400), 90))
    part = kept(tmp_path / "other.csv", [table[place] for place in some])
    moved = int((part.facts.parts != whole.facts.parts[some]).sum())
    borrowed = (made.inspection.description.split.borrowed for made in (whole, part))
    assert moved <= sum(borrowed)


@pytest.mark.parametrize("seed", range(4))
def test_a_data_set_that_grows_moves_no_row_from_train(tmp_path: Path, seed: int) -> None:
    table = rows(500, seed)
    before: Inspected | None = None
    for count in (40, 60, 120, 500):
        now = kept(tmp_path / f"{count}.csv", table[:count])
        if before is not None:
            old = before.facts.parts
            left = np.flatnonzero((old == 0) & (now.facts.parts[: len(old)] != 0))
            few = {label for label in "abc" if len({*of(table[: len(old)], label)}) < 3}
            natural = inspected_naturally(before)
            assert all(table[row]["y"] in few or natural[row] != 0 for row in left)
        before = now


def of(table: list[Row], label: str) -> list[int]:
    return [plain_row(typed(row)) for row in table if row["y"] == label]


def inspected_naturally(made: Inspected) -> Any:
    """The parts by the hashes alone."""
    u = drawn(made.facts.keys[:, 0], 0) / 2.0**64
    return np.select([u < 0.15, u < 0.3], [2, 1], 0)


def test_a_column_that_becomes_categories_in_a_grown_data_set_moves_nothing(tmp_path: Path) -> None:
    table = rows(300)
    first = kept(tmp_path / "t.csv", table).facts
    grown = kept(tmp_path / "u.csv", [*table, {**table[0], "age": "unknown", "member": "maybe"}])
    types = {column.name: column.type for column in grown.inspection.description.columns}
    assert (types["age"], types["member"]) == ("category", "category")
    np.testing.assert_array_equal(grown.facts.keys[:300], first.keys)
    assert not ((first.parts == 0) & (grown.facts.parts[:300] != 0)).any()


def test_equal_rows_are_in_one_part(tmp_path: Path) -> None:
    table = rows(100)
    facts = kept(tmp_path / "t.csv", [*table, *table[::-1]]).facts
    np.testing.assert_array_equal(facts.parts[:100], facts.parts[:99:-1])


def test_an_index_and_left_out_columns_are_no_part_of_the_key(tmp_path: Path) -> None:
    table = rows(80)
    first = kept(tmp_path / "t.csv", table).facts
    more = [{"": number, **row, "note": f"n{number}"} for number, row in enumerate(table)]
    other = kept(tmp_path / "u.csv", more, ignore=["note"]).facts
    np.testing.assert_array_equal(other.keys, first.keys)


def test_two_processes_with_other_seeds_of_their_hashes_write_equal_files(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", rows(80))
    program = (
        "import sys; from pathlib import Path; from app.datasets import child_process\n"
        "from app.datasets.reading.declaration import Declaration\n"
        "asked = Declaration(label='y', filename='t.csv')\n"
        "child_process.run(Path(sys.argv[1]), asked, memory_bytes=1 << 30,\n"
        "    seconds=60, rows_file=sys.stdout.buffer.write)"
    )
    made = [
        subprocess.run(
            [sys.executable, "-c", program, str(path)],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    ]
    assert made[0] == made[1]
    facts = inspected(path, label="y").facts
    read = pq.read_table(pa.BufferReader(made[0]))
    assert read["key"].to_pylist() == facts.keys[:, 0].tolist()
    assert read["part"].to_pylist() == facts.parts.tolist()


def vectors() -> dict[str, int]:
    """The keys in the page's table, by the first words of their rows."""
    found = re.findall(r"^\| (.+?) \| `([0-9a-f]{16})`", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    return {what: int(key, 16) for what, key in found}


def test_the_pages_vectors_are_what_is_computed() -> None:
    table = pa.table({"age": [1.5, None], "city": ["Bern", "Zürich"]})
    whole, other = table_keys(table, ["city", "age"]).tolist()
    pixels = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
    assert vectors() == {
        "the state 0 (mix), and a row without any value": int(mix(np.zeros(1, np.uint64))[0]),
        "the cell 1.5": int(cell_keys(pa.array([1.5]))[0]),
        "the cell `Bern`": int(cell_keys(pa.array(["Bern"]))[0]),
        "the cell `2024-01-02`, a date": int(cell_keys(pa.array(["2024-01-02"]))[0]),
        "the row age = 1.5, city = `Bern`": whole,
        "the row age missing, city = `Zürich`": other,
        "the text `It  was⇥good.`": int(keys_of_texts(pa.array(["It  was\tgood."]))[0]),
        "the sequence `GAUUACA`": int(keys_of_sequences(pa.array(["GAUUACA"]))[0]),
        "the image of 2 by 2 pixels red, green; blue, white": key_of_image(Image.fromarray(pixels)),
    }
    assert whole == 0x29A17E67F63B7A06  # pinned here as well: to change the page would not do
    u = [float(drawn(np.array([whole], np.uint64), seed)[0]) / 2.0**64 for seed in (0, 1)]
    assert u == pytest.approx([0.81109, 0.56369], abs=5e-6)


def test_images_of_equal_pixels_in_other_files_are_in_one_part(tmp_path: Path) -> None:
    noise = np.random.default_rng(0)
    with zipfile.ZipFile(tmp_path / "i.zip", "w") as archive:
        for number in range(12):
            image = Image.fromarray(noise.integers(0, 256, (6, 5), np.uint8))
            for form, mode in (("PNG", "L"), ("BMP", "RGB")):
                out = io.BytesIO()
                image.convert(mode).save(out, form)
                archive.writestr(f"{'ab'[number % 2]}/{number:02}-{mode}.{form.lower()}", out.getvalue())
    facts = inspected(tmp_path / "i.zip").facts
    keys = dict.fromkeys(facts.keys[:, 0].tolist())
    assert len(keys) == 12
    assert all(len(set(facts.parts[facts.keys[:, 0] == key].tolist())) == 1 for key in keys)
