"""What a user types, from a file to a model that answers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.conftest import WriteCsv
from tests.e2e.conftest import Service


def test_a_model_is_made_and_fetched_from_a_shell(
    service: Service, tmp_path: Path, write_csv: WriteCsv
) -> None:
    def typed(*words: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "app", *map(str, words)]
        environment = {**os.environ, "MODEL_TRANSFER_URL": service.address}
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    for seed, name in enumerate(("shell-source", "shell-target")):
        added = typed("datasets", "add", write_csv(tmp_path / f"{name}.csv", 240, seed=seed), "--label", "y")
        assert added.returncode == 0, added.stderr
    spec = {"model": "shell", "training": {"epochs": 2}, "evaluation": {"seeds": 2, "baseline": False}}
    (tmp_path / "job.yaml").write_text(json.dumps(spec))
    sides = ("--source", "shell-source", "--target", "shell-target")
    followed = typed("jobs", "start", tmp_path / "job.yaml", *sides, "--follow", "--json")
    assert followed.returncode == 0, followed.stderr
    assert json.loads(followed.stdout)["result"]["version"] == "shell@1"
    assert "Made shell@1" in followed.stderr
    fetched = typed("models", "get", "shell@champion", "--output", tmp_path, "--json")
    assert fetched.returncode == 0, fetched.stderr
    size = (tmp_path / "shell-1.keras").stat().st_size
    assert json.loads(fetched.stdout) == {"path": str(tmp_path / "shell-1.keras"), "size": size}
    predicted = typed("predict", "shell@champion", tmp_path / "shell-target.csv", "--id", "city")
    assert predicted.returncode == 0, predicted.stderr
    header, *rows = predicted.stdout.splitlines()
    assert header == "city,prediction,probability_fail,probability_pass"
    assert len(rows) == 240
