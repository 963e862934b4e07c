"""The demo: handwritten digits 0-4 help to tell 5-9 apart from ten examples each.

Starts the service, does over HTTP what a user would do, shows what came of it, and stops the service.
The digits come with scikit-learn; everything is left in the folder `demo-output`.
"""

from __future__ import annotations

import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from sklearn.datasets import load_digits

FOLDER = Path("demo-output")
EXAMPLES_PER_CLASS = 10
VALIDATION_PER_CLASS = 10
JOB: dict[str, Any] = {
    "model": "digits-5-to-9",
    "source": {"dataset": "digits-0-to-4"},
    "target": {"dataset": "digits-5-to-9"},
    "method": {"kind": "parameter", "strategy": "full", "backbone_learning_rate_factor": 1.0},
    "network": {"kind": "mlp", "hidden_units": [64, 64]},
    "training": {"epochs": 60, "batch_size": 8, "learning_rate": 0.001, "seed": 0},
    "evaluation": {"control": True},
}

console = Console(highlight=False)


def main() -> None:
    """Run the demo."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    source, target = write_data()
    with service() as http:
        for name, path in (("digits-0-to-4", source), ("digits-5-to-9", target)):
            show_upload(upload(http, name, path))
        job = answer(http.post("/v1/jobs", json=JOB))
        console.print(f"\n[bold]POST /v1/jobs[/] → {job['id']}, {job['state']}")
        job = watch(http, job["id"])
        if job["state"] != "succeeded":
            raise SystemExit(f"The job is {job['state']}: {job['error']}")
        version = answer(http.get(f"/v1/models/{job['result']['version']}"))
        show_result(job, version)
        show_files(download(http, version))


def write_data() -> tuple[Path, Path]:
    """Pixels as columns; of the target, ten examples a class train, ten validate, the rest test."""
    digits = load_digits()
    draw = np.random.default_rng(0)
    paths = FOLDER / "digits-0-to-4.csv", FOLDER / "digits-5-to-9.csv"
    header = [*(f"pixel_{number}" for number in range(64)), "digit"]
    for path, first, split in ((paths[0], 0, False), (paths[1], 5, True)):
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow([*header, "split"] if split else header)
            for digit in range(first, first + 5):
                for place, row in enumerate(draw.permutation(np.flatnonzero(digits.target == digit))):
                    cells = [*digits.data[row].astype(int), digit]
                    writer.writerow([*cells, part(place)] if split else cells)
    return paths


def part(place: int) -> str:
    """Where the n-th row of a class goes."""
    if place < EXAMPLES_PER_CLASS:
        return "train"
    return "validation" if place < EXAMPLES_PER_CLASS + VALIDATION_PER_CLASS else "test"


@contextmanager
def service() -> Iterator[httpx2.Client]:
    """`model-transfer serve` on a free port, and a client of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"PORT": str(port), "DATA_DIR": str(FOLDER / "service"), "LOG_LEVEL": "warning"}
    env = {**os.environ, **{f"MODEL_TRANSFER_{name}": value for name, value in settings.items()}}
    log = FOLDER / "service.log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "app", "serve"], env=env, stdout=file, stderr=file)
    try:
        with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
            with console.status("Starting the service: broker, API, worker, sweeper …"):
                wait_until_ready(http, process, log)
            console.print(f"[bold]The service runs[/] on {http.base_url}, its log is {log}.\n")
            yield http
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        console.print("\nThe service is stopped.")


def wait_until_ready(http: httpx2.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers, or ends."""
    while process.poll() is None:
        try:
            if http.get("/readyz").status_code == 200:
                return
        except httpx2.TransportError:
            time.sleep(0.1)
    raise SystemExit(f"The service did not start:\n{log.read_text()}")


def answer(response: httpx2.Response) -> Any:
    """The answer, or the service's own explanation of what was wrong."""
    if response.is_error:
        problem = response.json()
        raise SystemExit(f"{problem['detail']} {problem.get('hint') or ''}")
    return response.json()


def upload(http: httpx2.Client, name: str, path: Path) -> Any:
    """POST a file as a data set."""
    with path.open("rb") as file:
        fields = {"name": name, "label": "digit", "task": "multiclass"}
        return answer(http.post("/v1/datasets", files={"file": file}, data=fields))


def show_upload(dataset: Any) -> None:
    """What the service found in a file."""
    described = dataset["description"]
    rows = ", ".join(f"{count} {name}" for name, count in described["split"]["rows"].items())
    classes = ", ".join(described["classes"])
    console.print(f"[bold]POST /v1/datasets[/] → {dataset['ref']}: classes {classes}; rows {rows}")


def watch(http: httpx2.Client, job_id: str) -> Any:
    """Poll the job and draw its progress."""
    columns = (TextColumn("{task.description:>10}"), BarColumn(50), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("queued", total=1.0)
        while True:
            job = answer(http.get(f"/v1/jobs/{job_id}", params={"wait": 0.2}))
            if job["progress"]:
                bar.update(task, completed=job["progress"]["fraction"], description=job["progress"]["stage"])
            if job["terminal"]:
                return job


def show_result(job: Any, version: Any) -> None:
    """Verdict, metrics and receipt."""
    result, gain = job["result"], job["result"]["gain"]
    colour = {"helped": "green", "hurt": "red"}.get(result["verdict"], "yellow")
    console.print(f"\n[bold]Verdict: [{colour}]{result['verdict']}[/][/]. {result['reason']}")
    table = Table("metric, on test rows", "transfer", "from scratch", title=f"{gain['rows']} test rows")
    for name, value in result["metrics"]["transfer"].items():
        table.add_row(name, number(value), number(result["metrics"]["control"][name]))
    console.print(table)
    receipt = Table("part", "layer", "weight", "origin", "training", "moved", title="Receipt")
    for layer in version["receipt"]["layers"]:
        for weight in layer["weights"] if layer["part"] != "preprocessing" else []:
            words = (weight["origin"], weight["training"], number(weight["moved"]))
            receipt.add_row(layer["part"], layer["layer"], weight["name"], *words)
    console.print(receipt)
    console.print("Why: " + "; ".join(dict.fromkeys(layer["why"] for layer in version["receipt"]["layers"])))


def number(value: float | None) -> str:
    """A metric to read."""
    return "-" if value is None else f"{value:.3f}"


def download(http: httpx2.Client, version: Any) -> list[Path]:
    """GET the model's files."""
    paths = []
    for artifact in version["artifacts"]:
        path = FOLDER / artifact["filename"]
        with http.stream("GET", artifact["url"]) as stream, path.open("wb") as file:
            for chunk in stream.iter_bytes():
                file.write(chunk)
        paths.append(path)
    return paths


def show_files(paths: list[Path]) -> None:
    """Where the model lies."""
    console.print("\n[bold]Your model:[/]")
    for path in paths:
        console.print(f"  {path} ({path.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    main()
