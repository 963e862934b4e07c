from __future__ import annotations

import sys
from pathlib import Path

import pytest

from app.datasets import inspector
from app.datasets.inspection import inspect
from app.datasets.schema import DatasetError, Declaration

MEMORY = 1 << 30


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A small file of five columns."""
    file = tmp_path / "upload"
    file.write_text("a,b,y\n" + "1,u,0\n2,v,1\n" * 20)
    return file


def test_a_child_process_answers_what_the_inspection_does(path: Path) -> None:
    declaration = Declaration(label="y")
    answer = inspector.run(path, declaration, memory_bytes=MEMORY, seconds=60)
    assert answer == inspect(path, declaration)


def test_the_child_finds_its_modules_from_any_folder(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert inspector.run(path, Declaration(), memory_bytes=MEMORY, seconds=60).description.rows == 40


def test_a_refusal_comes_through_whole(path: Path) -> None:
    path.write_text("a,y\n1,2\n3\n")
    with pytest.raises(DatasetError) as caught:
        inspector.run(path, Declaration(), memory_bytes=MEMORY, seconds=60)
    assert caught.value.code == "ragged_row"
    assert caught.value.errors[0]["row"] == 2
    assert caught.value.hint is not None


def test_an_inspection_that_takes_too_long_is_refused(path: Path) -> None:
    with pytest.raises(DatasetError, match=r"within 0\.05 seconds") as caught:
        inspector.run(path, Declaration(), memory_bytes=MEMORY, seconds=0.05)
    assert caught.value.code == "inspection_too_slow"


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux limits a process's memory")
@pytest.mark.parametrize("megabytes", [40, 110])
def test_an_inspection_that_needs_too_much_memory_is_refused(path: Path, megabytes: int) -> None:
    path.write_text("a,y\n" + "".join(f"{n}{'x' * 400},{n % 2}\n" for n in range(200_000)))
    with pytest.raises(DatasetError, match=f"in {megabytes} MB of memory") as caught:
        inspector.run(path, Declaration(), memory_bytes=megabytes << 20, seconds=60)
    assert caught.value.code == "inspection_too_large"


def test_a_fault_of_the_inspection_itself_is_no_fault_of_the_file(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="FileNotFoundError"):
        inspector.run(tmp_path / "absent", Declaration(), memory_bytes=MEMORY, seconds=60)
