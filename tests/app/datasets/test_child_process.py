from __future__ import annotations

import gzip
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from app.datasets import child_process
from app.datasets.child_process import Inspector
from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection
from tests.app.datasets.inspections import inspecting, suspend_one
from tests.conftest import wait_for

MEMORY = 1 << 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small file of five columns."""
    file = tmp_path / "upload"
    file.write_text("a,b,y\n" + "".join(f"{n},u,0\n2,v{n},1\n" for n in range(20)))
    return file


def test_a_child_process_answers_what_the_inspection_does(path: Path) -> None:
    declaration = Declaration(label="y")
    answer = child_process.run(path, declaration, memory_bytes=MEMORY, seconds=60)
    assert answer == inspect(path, declaration)


def test_the_child_finds_its_modules_from_any_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert child_process.run(path, Declaration(), memory_bytes=MEMORY, seconds=60).description.rows == 40


def test_a_refusal_comes_through_whole(path: Path) -> None:
    path.write_text("a,y\n1,2\n3\n")
    with pytest.raises(DatasetError) as caught:
        child_process.run(path, Declaration(), memory_bytes=MEMORY, seconds=60)
    assert caught.value.code == "ragged_row"
    assert caught.value.errors[0]["row"] == 2
    assert caught.value.hint is not None


def test_an_inspection_that_takes_too_long_is_refused(path: Path) -> None:
    with Inspector(path, Declaration(), Limits(), memory_bytes=MEMORY, seconds=0.05) as child:
        suspend_one()
        with pytest.raises(DatasetError, match=r"within 0\.05 seconds") as caught:
            child.finish()
    assert caught.value.code == "inspection_too_slow"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
@pytest.mark.parametrize("megabytes", [40, 110])
def test_an_inspection_that_needs_too_much_memory_is_refused(path: Path, megabytes: int) -> None:
    path.write_text("a,y\n" + "".join(f"{n}{'x' * 400},{n % 2}\n" for n in range(200_000)))
    with pytest.raises(DatasetError, match=f"in {megabytes} MB of memory") as caught:
        child_process.run(path, Declaration(), memory_bytes=megabytes << 20, seconds=60)
    assert caught.value.code == "inspection_too_large"


def grow(path: Path, parts: list[bytes], **declared: Any) -> Inspection:
    """What is said of a file that comes in parts after its inspection began."""
    path.write_bytes(b"")
    with path.open("ab", buffering=0) as file:
        file.write(parts[0])
        with Inspector(path, Declaration(**declared), Limits(), memory_bytes=MEMORY, seconds=60) as child:
            for part in parts[1:]:
                time.sleep(0.2)
                file.write(part)
            return child.finish()


BIG = b"n,city,y\n" + b"".join(b"%d,Rome,%d\n" % (n, n % 2) for n in range(1_200_000))


@pytest.mark.parametrize("cuts", [[5, 10], [8 << 20], [len(BIG) - 3]])
def test_a_file_is_inspected_while_it_grows(tmp_path: Path, cuts: list[int]) -> None:
    path, whole = tmp_path / "growing", tmp_path / "whole"
    whole.write_bytes(BIG)
    ends = [*cuts, len(BIG)]
    parts = [BIG[start:end] for start, end in zip([0, *cuts], ends, strict=True)]
    assert grow(path, parts) == inspect(whole, Declaration())


def test_a_growing_file_that_turns_out_otherwise_is_read_again(tmp_path: Path) -> None:
    text = "city,y\n" + "Rome,0\nParis,1\nBern,0\nOslo,1\n" * 250_000
    inspection = grow(tmp_path / "growing", [text.encode(), '"Köln, Rhein",1\n'.encode("cp1252")])
    options = inspection.description.options
    assert (options.encoding, options.quote, inspection.description.rows) == ("cp1252", '"', 1_000_001)


def test_a_growing_gzip_or_parquet_file_is_waited_for(tmp_path: Path) -> None:
    packed = gzip.compress(BIG[: 1 << 20].rpartition(b"\n")[0])
    rows = grow(tmp_path / "gzip", [packed[:5000], packed[5000:]]).description.rows
    assert rows == BIG[: 1 << 20].count(b"\n") - 1
    parquet.write_table(
        pa.table({"a": [float(n) for n in range(40)], "y": ["u", "v"] * 20}), tmp_path / "parquet"
    )
    table = (tmp_path / "parquet").read_bytes()
    assert grow(tmp_path / "table", [table[:100], table[100:]]).description.rows == 40


def test_a_refusal_of_a_growing_file_is_that_of_the_whole_one(tmp_path: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        grow(tmp_path / "growing", [BIG, b"x,Rome\n", b"1,Rome,1\n"])
    assert (caught.value.code, caught.value.errors[0]["row"]) == ("ragged_row", 1_200_001)


def test_an_inspection_ends_with_its_upload(path: Path) -> None:
    with Inspector(path, Declaration(), Limits(), memory_bytes=MEMORY, seconds=60):
        wait_for(lambda: len(inspecting()) == 1)
    assert inspecting() == []


def test_whatever_a_decoder_raises_is_the_files_fault_and_is_logged(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    program = """
import app.datasets.inspection.inspect_file
from app.datasets.inspection import child

def decode(*_):
    raise KeyError("half a pair: \\ud800")

app.datasets.inspection.inspect_file.inspect = decode
child.main()
"""
    request = {
        "path": str(path),
        "declaration": Declaration().model_dump(mode="json"),
        "limits": Limits().model_dump(mode="json"),
        "memory_bytes": MEMORY,
        "seconds": 60,
    }
    told = json.dumps(request).encode() + b"\nwhole\n"
    ended = subprocess.run([sys.executable, "-c", program], input=told, capture_output=True, check=True)
    with pytest.raises(DatasetError) as caught:
        child_process._answer(ended.returncode, json.loads(ended.stdout), ended.stderr, MEMORY, 60)
    assert (caught.value.code, "KeyError" in caught.value.message) == ("broken_file", True)
    assert caplog.records[0].levelname == "ERROR"
    assert "in decode" in caplog.text  # where it was raised


def test_a_fault_of_the_inspection_itself_is_no_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        child_process.run(tmp_path / "absent", Declaration(), memory_bytes=MEMORY, seconds=60)
