"""The quick-start notebook, as somebody runs it from its first cell to its last."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import examples
from tests.e2e.conftest import Service

NOTEBOOK = Path(examples.__file__).with_name("quick_start.ipynb")


@pytest.mark.slow
def test_the_notebook_runs_from_two_files_to_a_model_that_answers(service: Service, tmp_path: Path) -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    program = "\n\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    script = tmp_path / "notebook.py"
    script.write_text(program)
    environment = {**os.environ, "MODEL_TRANSFER_URL": service.address, "PYTHONPATH": os.getcwd()}
    run = subprocess.run(
        [sys.executable, script], env=environment, capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "is ready: True" in run.stdout
    assert "stays@1" in run.stdout
    assert "probabilities" in run.stdout
    assert "stays-1.keras" in run.stdout


def test_the_notebook_is_kept_without_outputs() -> None:
    code = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert code
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
