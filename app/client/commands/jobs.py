"""`model-transfer jobs`: start them, follow them, stop them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from app.client.commands.following import follow, tell_result
from app.client.commands.job_files import job_of
from app.client.commands.session import AsJson, dumped, err, out, print_json, print_table, session

if TYPE_CHECKING:
    from app.client.client import Client
    from app.client.views import Job

jobs = typer.Typer(help="Start transfer jobs, follow them, stop them.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="Id or name of a job.")]


@jobs.command("start")
def start(
    file: Annotated[
        Path | None, typer.Argument(help="The job as YAML or JSON, as POST /v1/jobs takes it; - reads it.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model that gets a new version.")] = None,
    source: Annotated[str | None, typer.Option(help="A data set as source.")] = None,
    source_version: Annotated[str | None, typer.Option(help="A model version as source.")] = None,
    source_preset: Annotated[str | None, typer.Option(help="A pretrained backbone as source.")] = None,
    target: Annotated[str | None, typer.Option(help="The target's data set.")] = None,
    method: Annotated[
        str | None, typer.Option(help="Such as parameter, structure, combined, distillation.")
    ] = None,
    strategy: Annotated[str | None, typer.Option(help="The method's strategy, such as linear_probe.")] = None,
    name: Annotated[str | None, typer.Option(help="Name of the job. Default: made from the model's.")] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", "-s", help="Any other field, such as training.epochs=20; several for several."),
    ] = None,
    followed: Annotated[bool, typer.Option("--follow", "-f", help="Follow it to its end.")] = False,
    as_json: AsJson = False,
) -> None:
    """Start a job: from a file, from options, or from a file that the options change."""
    named = {"model": model, "name": name, "target.dataset": target}
    named |= {"method.kind": method, "method.strategy": strategy}
    sources = {"source.dataset": source, "source.version": source_version, "source.preset": source_preset}
    body = job_of(file, sources, named, settings or [])
    with session() as client:
        job = client.start(body)
        for notice in job.warnings:
            err().print(f"[yellow]{notice.code}[/]: {escape(notice.message)}")
        if not followed:
            if as_json:
                print_json(dumped(job))
            else:
                out().print(
                    escape(f"{job.name}: {job.state}. Follow it: model-transfer jobs follow {job.name}")
                )
            return
        _follow(client, job.id, as_json)


@jobs.command("plan")
def plan(
    file: Annotated[
        Path | None, typer.Argument(help="The job as YAML or JSON, as POST /v1/jobs takes it; - reads it.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="Model that would get a new version.")] = None,
    source: Annotated[str | None, typer.Option(help="A data set as source.")] = None,
    source_version: Annotated[str | None, typer.Option(help="A model version as source.")] = None,
    source_preset: Annotated[str | None, typer.Option(help="A pretrained backbone as source.")] = None,
    target: Annotated[str | None, typer.Option(help="The target's data set.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", "-s", help="Any other field, such as training.epochs=20.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Tell what a job would be and take; nothing is started. It is refused as the job would be."""
    sources = {"source.dataset": source, "source.version": source_version, "source.preset": source_preset}
    body = job_of(file, sources, {"model": model, "target.dataset": target}, settings or [])
    with session() as client:
        planned = client.plan(body)
    if as_json:
        print_json(dumped(planned))
        return
    for notice in planned.warnings:
        err().print(f"[yellow]{notice.code}[/]: {escape(notice.message)}")
    seconds = planned.cpu_seconds
    told = "not known before a job with such a network has finished"
    if seconds is not None:
        told = f"{seconds.low:g} to {seconds.high:g}, from {seconds.from_jobs} jobs"
    rows: list[tuple[str, object]] = [
        ("source, target", f"{planned.source}, {planned.target}"),
        ("stages", ", ".join(planned.stages)),
        ("steps at most", f"{planned.steps:,}"),
        ("memory at least", f"{planned.memory_bytes / 2**20:,.0f} MiB"),
        ("CPU seconds", told),
    ]
    for what, match in (("columns", planned.columns), ("classes", planned.classes)):
        counts = f"{len(match.matched)} matched, {len(match.new)} new, {len(match.dropped)} dropped"
        rows.append((what, counts))
    print_table(("of the job", ""), rows)


@jobs.command("follow")
def follow_job(ref: Ref, as_json: AsJson = False) -> None:
    """Show what a job does, to its end. Exit 4 if it does not succeed; Ctrl-C does not stop the job."""
    with session() as client:
        _follow(client, ref, as_json)


def _follow(client: Client, ref: str, as_json: bool) -> None:
    try:
        follow(client, ref)
    except KeyboardInterrupt as error:
        err().print(escape(f"The job goes on. Follow it again: model-transfer jobs follow {ref}"))
        raise typer.Exit(130) from error
    if as_json:
        print_json(dumped(client.job(ref)))
        client.wait(ref)
        return
    tell_result(client.wait(ref))


@jobs.command("list")
def list_jobs(
    state: Annotated[str | None, typer.Option(help="Only jobs in this state.")] = None,
    model: Annotated[str | None, typer.Option(help="Only jobs of this model.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="How many at most.")] = 50,
    as_json: AsJson = False,
) -> None:
    """List jobs, newest first."""
    with session() as client:
        found = [job for job, _ in zip(client.jobs(state=state, model=model), range(limit), strict=False)]
    if as_json:
        print_json([dumped(job) for job in found])
        return
    header = ("job", "model", "state", "done", "verdict", "recommendation", "made")
    print_table(header, (_row(job) for job in found))


def _row(job: Job) -> tuple[object, ...]:
    done = f"{job.progress.fraction:.0%}" if job.progress and not job.terminal else None
    verdict = job.result and (job.result.verdict or ", ".join(job.result.verdict_details) or "none")
    advice = job.result and job.result.recommendation
    return job.name, job.model, job.state, done, verdict, advice, f"{job.created_at:%Y-%m-%d %H:%M}"


@jobs.command("show")
def show(ref: Ref, as_json: AsJson = False) -> None:
    """Show a job's state, and what it came to."""
    with session() as client:
        job = client.job(ref)
    if as_json:
        print_json(dumped(job))
        return
    out().print(escape(f"{job.name}: {job.state}, makes a version of {job.model}"))
    for stage in job.stages:
        out().print(escape(f"  {stage.stage}: {stage.state}{', reused' if stage.reused else ''}"))
    if job.error is not None:
        out().print(escape(f"{job.error.message} {job.error.hint or ''}"))
    if job.result is not None:
        tell_result(job)


@jobs.command("events")
def events(ref: Ref, as_json: AsJson = False) -> None:
    """List what happened to a job, and what happens until it ends. With --json a line for each event."""
    with session() as client:
        for event in client.events(ref):
            if as_json:
                typer.echo(event.model_dump_json())
            else:
                out().print(escape(f"{event.created_at:%H:%M:%S} {event.type}: {event.message}"))


@jobs.command("report")
def report(
    ref: Ref,
    output: Annotated[Path, typer.Option("--output", "-o", help="File to write.")] = Path("report.html"),
) -> None:
    """Save a job's report, a page by itself."""
    with session() as client:
        output.write_text(client.report(ref), encoding="utf-8")
    out().print(escape(str(output)))


@jobs.command("cancel")
def cancel(ref: Ref, as_json: AsJson = False) -> None:
    """Cancel a job: a waiting one at once, a running one within seconds."""
    _move("cancel", ref, as_json)


@jobs.command("pause")
def pause(ref: Ref, as_json: AsJson = False) -> None:
    """Pause a job; its worker saves a checkpoint."""
    _move("pause", ref, as_json)


@jobs.command("resume")
def resume(ref: Ref, as_json: AsJson = False) -> None:
    """Let a paused job go on where it stopped."""
    _move("resume", ref, as_json)


@jobs.command("retry")
def retry(ref: Ref, as_json: AsJson = False) -> None:
    """Let a job that failed or was cancelled go on from its last finished stage."""
    _move("retry", ref, as_json)


def _move(verb: str, ref: str, as_json: bool) -> None:
    with session() as client:
        job = getattr(client, verb)(ref)
    if as_json:
        print_json(dumped(job))
    else:
        asked = f", asked to {job.stop_request}" if getattr(job, "stop_request", None) else ""
        out().print(escape(f"{job.name}: {job.state}{asked}"))
