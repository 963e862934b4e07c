"""The demo: `python -m examples.demo [tabular|image|text|sequence]`.

Starts the service, does over HTTP what a user would do, shows what came of it, and stops the service. What is
transferred stands in `examples/data.py`; everything is left in the folder `demo-output`.
"""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from typing import Any

import httpx2
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from examples.data import DEMOS

FOLDER = Path("demo-output")
MOST_ROWS = 12
"""Weights of one part and one fate that are shown one by one."""

console = Console(highlight=False)


def main() -> None:
    """Run the demo."""
    kind = (sys.argv[1:] or ["tabular"])[0]
    if kind not in DEMOS:
        raise SystemExit(f"Expected KIND={'|'.join(DEMOS)}. Received: {kind}.")
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir()
    demo = DEMOS[kind](FOLDER)
    console.print(DEMOS[kind].__doc__)
    with service() as http:
        for name, path in demo.files.items():
            show_upload(upload(http, name, path, demo.declared))
        job = answer(http.post("/v1/jobs", json=demo.job))
        console.print(f"\n[bold]POST /v1/jobs[/] → {job['id']}, {job['state']}")
        job = watch(http, job["id"])
        if job["state"] != "succeeded":
            raise SystemExit(f"The job is {job['state']}: {job['error']}")
        version = answer(http.get(f"/v1/models/{job['result']['version']}"))
        show_result(job, version)
        show_files(download(http, version))


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


def upload(http: httpx2.Client, name: str, path: Path, declared: dict[str, str]) -> Any:
    """POST a file as a data set."""
    with path.open("rb") as file:
        return answer(http.post("/v1/datasets", files={"file": file}, data={"name": name, **declared}))


def show_upload(dataset: Any) -> None:
    """What the service found in a file."""
    described = dataset["description"]
    rows = ", ".join(f"{count} {name}" for name, count in described["split"]["rows"].items())
    classes = ", ".join(described["classes"])
    console.print(
        f"[bold]POST /v1/datasets[/] → {dataset['ref']} ({dataset['kind']}): classes {classes}; rows {rows}"
    )


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
    """Verdict, recommendation, metrics, cost and receipt."""
    result, gain = job["result"], job["result"]["gain"]
    colour = {"helped": "green", "hurt": "red"}.get(result["verdict"], "yellow")
    console.print(f"\n[bold]Verdict: [{colour}]{result['verdict'] or 'none'}[/][/]. {result['reason']}")
    console.print(f"[bold]Use: {result['recommendation']}[/]. {result['recommendation_reason']}")
    arms = {"transfer": "transfer", "control": "control", "baseline": "baseline", "constant": "one answer"}
    arms = {arm: words for arm, words in arms.items() if arm in result["metrics"]}
    title = f"{gain['rows']} test rows" if gain else "test rows"
    table = Table("metric, on test rows", *arms.values(), title=title)
    for name in result["metrics"]["transfer"]:
        table.add_row(name, *(number(result["metrics"][arm][name]) for arm in arms))
    console.print(table)
    spent, saved = result["cost"]["total"], result["cost"]["saved"]
    console.print(
        f"Cost: {spent['updates']:,} updates, {spent['cpu_seconds']:.1f} CPU seconds. "
        + " ".join(saved["why"])
    )
    receipt = Table("part", "layer", "weight", "origin", "training", "moved", title="Receipt")
    weights = [
        (layer["part"], weight["origin"], weight["training"], layer["layer"], weight)
        for layer in version["receipt"]["layers"]
        for weight in layer["weights"]
        if layer["part"] != "preprocessing"
    ]
    for (part, origin, training), alike in groupby(weights, key=itemgetter(0, 1, 2)):
        rows = [(layer, weight["name"], weight["moved"]) for *_, layer, weight in alike]
        if len(rows) > MOST_ROWS:
            farthest = max((moved for *_, moved in rows if moved is not None), default=None)
            rows = [(f"{rows[0][0]} … {rows[-1][0]}", f"{len(rows)} weights", farthest)]
        for layer, name, moved in rows:
            receipt.add_row(part, layer, name, origin, training, number(moved))
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
