"""A job as somebody watches it: its stages, rounds and time left, what happens to it, and what it came to."""

from __future__ import annotations

import sys
import threading
from collections.abc import Mapping
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn, TimeElapsedColumn

from app.client.commands.session import err, out, print_table

if TYPE_CHECKING:
    from app.client.client import Client
    from app.client.views import Event, Job

_STYLES = {"warning": "yellow", "error": "red"}
_VERDICTS = {"helped": "green", "hurt": "red"}
_LOOK_SECONDS = 1.0


def follow(client: Client, ref: str) -> None:
    """Print a job's events to its end; below them a bar where somebody looks."""
    job = client.job(ref)
    if not sys.stderr.isatty():
        for event in client.events(job.id):
            _tell(err(), event)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    over = threading.Event()
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task(job.state, total=1.0, left="")
        looking = threading.Thread(target=_look, args=(client.url, job.id, bar, task, over), daemon=True)
        looking.start()
        try:
            for event in client.events(job.id):
                _tell(bar.console, event)
        finally:
            over.set()
            looking.join()


def _look(url: str, job_id: str, bar: Progress, task: TaskID, over: threading.Event) -> None:
    """Draw how far the job is, with a connection of its own: the other one reads the events."""
    from app.client.client import Client
    from app.client.problems import ApiError, NotReachable

    with Client(url) as client:
        while not over.wait(_LOOK_SECONDS):
            try:
                job = client.job(job_id)
            except (ApiError, NotReachable):
                continue  # who reads the events tells it
            done = job.progress
            if done is None:
                bar.update(task, description=job.state)
                continue
            rounds = f", round {done.epoch}" if done.epoch else ""
            rounds += f" of {done.epochs}" if done.epoch and done.epochs else ""
            left = f"about {_duration(done.seconds_remaining)} left" if done.seconds_remaining else ""
            bar.update(task, completed=done.fraction, description=f"{done.stage}{rounds}", left=left)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _tell(console: Console, event: Event) -> None:
    style = _STYLES.get(event.level, "")
    console.print(f"[dim]{event.created_at:%H:%M:%S}[/] {escape(event.message)}", style=style)


def tell_result(job: Job) -> None:
    """The verdict, what to use, the metrics of all arms, and how to get the model."""
    result = job.result
    assert result is not None  # of a job that succeeded
    colour = _VERDICTS.get(result.verdict or "", "yellow")
    verdict = result.verdict or f"none ({', '.join(result.verdict_details) or 'nothing to compare with'})"
    out().print(f"[bold]Verdict: [{colour}]{escape(verdict)}[/][/]. {escape(result.reason)}")
    if result.recommendation:
        out().print(f"[bold]Use: {result.recommendation}[/]. {escape(result.recommendation_reason or '')}")
    if result.proof is not None and result.proof.kind == "cross-validation":
        _tell_metrics("in folds", result.proof.metrics)
    _tell_metrics("test rows", result.metrics)
    out().print(escape(f"Get it: model-transfer models get {result.version}"))


def _tell_metrics(measured_on: str, metrics: Mapping[str, Mapping[str, float | None]]) -> None:
    names = dict.fromkeys(name for measured in metrics.values() for name in measured)
    rows = ((name, *(_number(measured.get(name)) for measured in metrics.values())) for name in names)
    print_table((measured_on, *metrics), rows)


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
