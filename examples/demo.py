"""The demo: `python -m examples.demo [tabular|image|text|sequence]`.

Starts the service, does over HTTP what a user would do, shows what came of it, and stops the service. What is
transferred stands in `examples/data.py`; model, report and log of each run stay in a folder of their own in
`demo-output`.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, groupby
from operator import itemgetter
from pathlib import Path

from rich.console import Console
from rich.table import Table

from app.client import ApiError, Client, Dataset, Job, JobDidNotSucceed, NotReachable, Version
from app.client.commands.following import follow
from app.client.commands.session import dumped
from examples.data import DEMOS

OUTPUT = Path("demo-output")
MOST_ROWS = 12
"""Weights of one part and one fate that are shown one by one."""

console = Console(highlight=False)


def main() -> None:
    """Run the demo."""
    kind = (sys.argv[1:] or ["tabular"])[0]
    if kind not in DEMOS:
        raise SystemExit(f"Expected KIND={'|'.join(DEMOS)}. Received: {kind}.")
    folder = new_folder(kind)
    demo = DEMOS[kind](folder)
    console.print(DEMOS[kind].__doc__)
    try:
        with service(folder) as client:
            for name, path in demo.files.items():
                show_upload(client.upload(path, name, fields=demo.declared))
            job = client.start(demo.job)
            console.print(f"\n[bold]POST /v1/jobs[/] → {job.id}, {job.state}")
            follow(client, job.id)
            job = client.wait(job.id)
            assert job.result is not None  # of a job that succeeded
            version = client.version(job.result.version)
            show_result(job, version)
            show_files(files(client, job, version, folder))
    except (ApiError, JobDidNotSucceed, NotReachable) as error:
        raise SystemExit(str(error)) from error


def new_folder(kind: str) -> Path:
    """One that no run before has written to."""
    for number in count(1):
        folder = OUTPUT / f"{kind}-{number}"
        if not folder.exists():
            folder.mkdir(parents=True)
            return folder
    raise AssertionError


@contextmanager
def service(folder: Path) -> Iterator[Client]:
    """`model-transfer serve` on a free port, and a client of it."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = {"PORT": str(port), "DATA_DIR": str(folder / "service"), "LOG_LEVEL": "warning"}
    env = {**os.environ, **{f"MODEL_TRANSFER_{name}": value for name, value in settings.items()}}
    log = folder / "service.log"
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "app", "serve"], env=env, stdout=file, stderr=file)
    try:
        with Client(f"http://127.0.0.1:{port}") as client:
            with console.status("Starting the service: broker, API, worker, sweeper …"):
                wait_until_ready(client, process, log)
            console.print(f"[bold]The service runs[/] on {client.url}, its log is {log}.\n")
            yield client
    finally:
        process.send_signal(signal.SIGINT)
        process.wait()
        console.print("\nThe service is stopped.")


def wait_until_ready(client: Client, process: subprocess.Popen[bytes], log: Path) -> None:
    """Until it answers, or ends."""
    while process.poll() is None:
        if client.is_ready():
            return
        time.sleep(0.1)
    raise SystemExit(f"The service did not start:\n{log.read_text()}")


def show_upload(dataset: Dataset) -> None:
    """What the service found in a file."""
    described = dataset.description
    rows = ", ".join(f"{rows} {name}" for name, rows in described["split"]["rows"].items())
    classes = ", ".join(described["classes"])
    console.print(
        f"[bold]POST /v1/datasets[/] → {dataset.ref} ({dataset.kind}): classes {classes}; rows {rows}"
    )


def show_result(job: Job, version: Version) -> None:
    """Verdict, recommendation, metrics, cost and receipt."""
    result, receipt = dumped(job)["result"], dumped(version)["receipt"]
    gain = result["gain"]
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
    table = Table("part", "layer", "weight", "origin", "training", "moved", title="Receipt")
    weights = [
        (layer["part"], weight["origin"], weight["training"], layer["layer"], weight)
        for layer in receipt["layers"]
        for weight in layer["weights"]
        if layer["part"] != "preprocessing"
    ]
    for (part, origin, training), alike in groupby(weights, key=itemgetter(0, 1, 2)):
        rows = [(layer, weight["name"], weight["moved"]) for *_, layer, weight in alike]
        if len(rows) > MOST_ROWS:
            farthest = max((moved for *_, moved in rows if moved is not None), default=None)
            rows = [(f"{rows[0][0]} … {rows[-1][0]}", f"{len(rows)} weights", farthest)]
        for layer, name, moved in rows:
            table.add_row(part, layer, name, origin, training, number(moved))
    console.print(table)
    console.print("Why: " + "; ".join(dict.fromkeys(layer["why"] for layer in receipt["layers"])))


def number(value: float | None) -> str:
    """A metric to read."""
    return "-" if value is None else f"{value:.3f}"


def files(client: Client, job: Job, version: Version, folder: Path) -> list[Path]:
    """GET the model's files, and the report."""
    paths = [
        client.download(version.ref, folder, format=one.format, arm=one.arm) for one in version.artifacts
    ]
    report = folder / "report.html"
    report.write_text(client.report(job.id), encoding="utf-8")
    return [*paths, report]


def show_files(paths: list[Path]) -> None:
    """Where the model lies."""
    console.print("\n[bold]Your model:[/]")
    for path in paths:
        console.print(f"  {path} ({path.stat().st_size / 1024:.0f} KiB)")


if __name__ == "__main__":
    main()
