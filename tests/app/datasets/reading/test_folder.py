"""The folder as a whole: a copy of it, under any name, reads data sets without the service."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from app.datasets import reading
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read

READ = """
import importlib, pkgutil, sys
from pathlib import Path

sys.path.insert(0, sys.argv[1])
import copied

for module in pkgutil.walk_packages(copied.__path__, "copied."):
    importlib.import_module(module.name)
    assert Path(sys.modules[module.name].__file__).is_relative_to(sys.argv[1])
from copied.description import Description
from copied.table import read

table = read(Path(sys.argv[2]), Description.model_validate_json(sys.stdin.read()))
assert not [name for name in sys.modules if name.split(".")[0] in ("app", "workers", "migrations")]
print(table.to_pylist())
"""


MORE = '{"age": 1, "city": "Bern", "y": "a"}\n{"age": 2, "city": "", "y": "a"}\n'


@pytest.mark.parametrize(
    ("filename", "content"),
    [
        ("t.csv", "age,city,y\n" + "41.5,Rome,a\nNA,Oslo,b\n1,Bern,a\n2,,a\n"),
        ("t.jsonl", '{"age": 41.5, "city": "Rome", "y": "a"}\n{"age": null, "city": "", "y": "b"}\n' + MORE),
        ("t.fasta", ">1 a\nACGT\n>2 b\nGGCC\n>3 a\nTTAA\n>4 a\nCCAT\n"),
    ],
)
def test_a_copy_of_the_folder_reads_a_file_as_the_service_does(
    filename: str, content: str, inspect_text: Callable[..., Inspection], tmp_path: Path
) -> None:
    description = inspect_text(content, filename).description
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(Path(str(reading.__file__)).parent, tmp_path / "elsewhere" / "copied", ignore=ignored)
    command = [sys.executable, "-I", "-c", READ, str(tmp_path / "elsewhere"), str(tmp_path / "upload")]
    told = description.model_dump_json()
    done = subprocess.run(command, input=told, capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.stdout.strip() == str(read(tmp_path / "upload", description).to_pylist())
