"""The command line: verbs that start the service's processes, and those of `client/commands` that use it."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from pydantic import ValidationError
from rich.console import Console
from rich.markup import escape

from app.client.commands import datasets, jobs, models, predict, rankings
from app.logs import configure
from app.private_files import make_folder
from app.redaction import without_secrets
from app.settings import Settings, get_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

cli = typer.Typer(
    name="model-transfer",
    help="Transfer learning over HTTP, with the proof of whether it helped.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
keys = typer.Typer(help="Make, list and revoke the keys that requests need.", no_args_is_help=True)
cli.add_typer(keys, name="keys")
workspaces = typer.Typer(
    help="Make, list and limit workspaces: none sees another's things.", no_args_is_help=True
)
cli.add_typer(workspaces, name="workspaces")
presets = typer.Typer(help="List pretrained backbones, and download others.", no_args_is_help=True)
cli.add_typer(presets, name="presets")
for name, group in (("datasets", datasets), ("jobs", jobs), ("models", models)):
    cli.add_typer(group, name=name)
cli.command("predict")(predict)
cli.command("rankings")(rankings)
console = Console(stderr=True, highlight=False)


def _settings() -> Settings:
    try:
        return get_settings()
    except ValidationError as error:
        for problem in error.errors():
            name = f"MODEL_TRANSFER_{'_'.join(str(part) for part in problem['loc']).upper()}"
            received = repr(problem["input"])
            # An address may be wrong in just what keeps its password from being known as one.
            received = "an address that is not shown here" if "@" in received else without_secrets(received)
            console.print(f"{name}: {problem['msg']}. Received: {received}.", style="red")
        raise typer.Exit(2) from error


@contextmanager
def _one_line() -> Iterator[None]:
    """What keeps a process from running is told in one line."""
    from app.serving.listening_socket import CannotServe
    from app.serving.supervisor import GaveUp

    try:
        yield
    except (CannotServe, GaveUp) as error:
        console.print(without_secrets(str(error)), style="red", soft_wrap=True)
        raise typer.Exit(1) from error


def _say(line: str) -> None:
    console.print(without_secrets(line), soft_wrap=True)


@cli.command()
def serve() -> None:
    """Run everything on this machine: broker, API, worker, sweeper. Ctrl-C stops it."""
    from app.serving.serve import serve as run

    with _one_line():
        run(_settings(), _say)


@cli.command()
def api() -> None:
    """Run only the API, in as many processes as the settings say."""
    from app.serving.server import run

    with _one_line():
        run(_settings(), _say)


@cli.command()
def worker() -> None:
    """Run a worker. Start any number of them, on any machine that reaches database, broker and storage."""
    settings = _settings()
    words = ["celery", "-q", "-A", "workers.celery", "worker", "--without-gossip", "--without-mingle"]
    words += ["--loglevel", settings.log_level, "--hostname", f"{os.getpid()}@%h"]
    os.execv(sys.executable, [sys.executable, "-m", *words])


@cli.command()
def predictor() -> None:
    """Run a predictor, which answers `:predict`. Start several behind one address where one is not enough."""
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "KERAS_BACKEND": "tensorflow"}
    os.execve(sys.executable, [sys.executable, "-m", "workers.predictor"], environment)


@cli.command()
def sweeper() -> None:
    """Run the sweeper: repeats lost notifications, requeues jobs of lost workers, deletes orphan files."""
    from app.broker import Broker
    from app.db.session import make_engine, make_sessions
    from app.jobs.events import telling
    from app.jobs.sweeper import sweep_forever
    from app.object_storage import storage_of

    settings = _settings()
    configure(settings)
    over = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: over.set())
    broker = Broker(settings.effective_broker_url)
    sessions = telling(make_sessions(make_engine(settings.effective_database_url)), broker.tell)
    sweep_forever(sessions, broker, storage_of(settings), settings, over)


@cli.command()
def migrate() -> None:
    """Bring the database to the newest revision."""
    from app.db.migrate import upgrade
    from app.db.session import make_engine

    settings = _settings()
    make_folder(settings.data_dir)
    engine = make_engine(settings.effective_database_url)
    upgrade(engine)
    where = without_secrets(engine.url.render_as_string(hide_password=True))
    console.print(f"The database is at the newest revision: {where}", soft_wrap=True)


@cli.command()
def backup(folder: Path) -> None:
    """Copy database and files to a folder while the service runs. Later runs copy only what is new."""
    from app.backup import CannotBackUp, back_up

    try:
        made = back_up(_settings(), folder)
    except (CannotBackUp, OSError) as error:
        console.print(without_secrets(str(error)), style="red", soft_wrap=True)
        raise typer.Exit(1) from error
    line = f"{made.folder}: the database and {made.files} files, {made.copied} of them new."
    console.print(line, soft_wrap=True)


@cli.command()
def doctor() -> None:
    """Check database, storage, disk, broker, workers and versions; exit 1 if there is a problem."""
    from app.doctor import examine

    signs = {
        "ok": "[green]ok[/green]     ",
        "warning": "[yellow]warning[/yellow]",
        "failed": "[red]failed[/red] ",
    }
    well = True
    for finding in examine(_settings()):
        console.print(f"{signs[finding.state]} {finding.what}: {finding.message}", soft_wrap=True)
        if finding.advice:
            console.print(f"        {finding.advice}", soft_wrap=True)
        well = well and finding.state != "failed"
    raise typer.Exit(0 if well else 1)


@contextmanager
def _administering() -> Iterator[Session]:
    """A transaction on the database; what keeps it from being done is told in two lines."""
    from app.db.revision import OutdatedDatabase, require_current
    from app.db.session import make_engine, make_sessions
    from app.errors import ServiceError

    engine = make_engine(_settings().effective_database_url)
    try:
        require_current(engine)
        with make_sessions(engine).begin() as session:
            yield session
    except (OutdatedDatabase, ServiceError) as error:
        console.print(str(error), style="red", soft_wrap=True)
        if hint := getattr(error, "hint", None):
            console.print(hint, soft_wrap=True)
        raise typer.Exit(1) from error
    finally:
        engine.dispose()


@keys.command("create")
def create_key(
    name: str,
    scope: Annotated[str, typer.Option(help="read, write or admin.")] = "write",
    workspace: Annotated[
        str | None, typer.Option(help="Whose things it is for.", show_default="default")
    ] = None,
    installation: Annotated[
        bool, typer.Option("--installation", help="For no workspace: metrics, keys, workspaces, audit.")
    ] = False,
    expires: Annotated[str, typer.Option(help="After so long, such as 90d or 12h. Empty: never.")] = "",
) -> None:
    """Make a key and print it, this once. The first one closes the service to requests without."""
    from app.access.command_line import create

    if installation and workspace is not None:
        wrong = f"Expected --workspace or --installation. Received: both, with the workspace {workspace}."
        console.print(escape(wrong), style="red", soft_wrap=True)
        raise typer.Exit(2)
    with _administering() as session:
        text, told = create(session, name, scope, None if installation else workspace or "default", expires)
    console.print(told, soft_wrap=True)
    typer.echo(text)  # alone on standard output, for programs


@keys.command("list")
def list_keys() -> None:
    """List all keys: how they begin, whose they are, what they may do, when they were used last."""
    from app.access.command_line import listed

    with _administering() as session:
        for line in listed(session):
            typer.echo(line)


@keys.command("revoke")
def revoke_key(key: str) -> None:
    """Revoke a key by its id, its beginning or its name, or itself. It is refused within two seconds."""
    from app.access.command_line import revoke

    with _administering() as session:
        told = revoke(session, key)
    console.print(told, soft_wrap=True)


@workspaces.command("create")
def create_workspace(name: str) -> None:
    """Make a workspace. Make a key of it next: keys create NAME --workspace WORKSPACE."""
    from app.access.command_line import create_workspace

    with _administering() as session:
        told = create_workspace(session, name)
    console.print(told, soft_wrap=True)


@workspaces.command("list")
def list_workspaces() -> None:
    """List all workspaces."""
    from app.access.command_line import listed_workspaces

    with _administering() as session:
        for line in listed_workspaces(session):
            typer.echo(line)


@workspaces.command("limit")
def limit_workspace(
    name: str,
    max_kept_bytes: Annotated[str | None, typer.Option(help="Of its data sets and versions.")] = None,
    max_versions: Annotated[str | None, typer.Option(help="Of its models.")] = None,
    max_queued_jobs: Annotated[str | None, typer.Option(help="Jobs that wait.")] = None,
    max_running_jobs: Annotated[str | None, typer.Option(help="Jobs that run at once.")] = None,
    max_job_seconds: Annotated[str | None, typer.Option(help="Running time of a new job.")] = None,
) -> None:
    """Show what a workspace may have and has. A limit is a number, 0: none, or `default`: the setting's."""
    from app.access.command_line import limit_workspace

    asked = {
        "max_kept_bytes": max_kept_bytes,
        "max_versions": max_versions,
        "max_queued_jobs": max_queued_jobs,
        "max_running_jobs": max_running_jobs,
        "max_job_seconds": max_job_seconds,
    }
    with _administering() as session:
        for line in limit_workspace(session, name, asked, _settings()):
            typer.echo(line)


@presets.command("list")
def list_presets() -> None:
    """List the known pretrained backbones, and how to get those that are not available here."""
    from app.presets.service import PresetCatalogue

    folder = _settings().effective_preset_dir
    typer.echo(f"MODEL_TRANSFER_PRESET_DIR: {folder}")
    for view in PresetCatalogue(folder).views.values():
        size = "" if view.bytes is None else f", {view.bytes / 1e6:,.0f} MB"
        licence = view.licence or "licence unknown"
        here = f"here: {view.place}" if view.here else f"not here. {view.how_to_bring or ''}"
        typer.echo(f"{view.name}\n    {view.kind}{size}, {licence}, {here}")


@presets.command()
def fetch(names: list[str]) -> None:
    """Download backbones from a hub, so that workers can use them offline. Run it where workers can run.

    A name is one of KerasHub's (bert_tiny_en_uncased), or kaggle://owner/model/keras/variant/version, or
    hf://owner/model.
    """
    words = ["workers.transfer.networks.presets.fetch", str(_settings().effective_preset_dir), *names]
    environment = {"TF_CPP_MIN_LOG_LEVEL": "2", **os.environ, "KERAS_BACKEND": "tensorflow"}
    os.execve(sys.executable, [sys.executable, "-m", *words], environment)


@cli.command()
def settings() -> None:
    """List every setting with its value and meaning; passwords and keys are masked."""
    for name, value in _settings().shown().items():
        typer.echo(f"MODEL_TRANSFER_{name.upper()}={value}\n    {Settings.model_fields[name].description}")
