"""`model-transfer models`: see versions, fetch their files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from app.client.commands.session import AsJson, dumped, err, out, print_json, print_table, session

models = typer.Typer(help="See models and their versions, fetch their files.", no_args_is_help=True)

Ref = Annotated[
    str, typer.Argument(help="Name, name@version or name@alias of a model, such as churn@champion.")
]


@models.command("list")
def list_models(as_json: AsJson = False) -> None:
    """List models, each with its newest version."""
    with session() as client:
        found = list(client.models())
    if as_json:
        print_json([dumped(one) for one in found])
        return
    rows = (
        (one.name, one.versions, one.newest.ref, one.newest.verdict, ", ".join(one.newest.aliases))
        for one in found
    )
    print_table(("model", "versions", "newest", "verdict", "aliases"), rows)


@models.command("versions")
def versions(model: Annotated[str, typer.Argument(help="Name of a model.")], as_json: AsJson = False) -> None:
    """List the versions of a model, newest first."""
    with session() as client:
        found = list(client.versions(model))
    if as_json:
        print_json([dumped(one) for one in found])
        return
    rows = (
        (
            one.ref,
            one.verdict,
            one.gain
            and f"{one.gain.metric} {one.gain.value:+.3f} [{one.gain.low:+.3f}, {one.gain.high:+.3f}]",
            ", ".join(one.aliases),
            f"{one.created_at:%Y-%m-%d %H:%M}",
        )
        for one in found
    )
    print_table(("version", "verdict", "gain", "aliases", "made"), rows)


@models.command("show")
def show(ref: Ref, as_json: AsJson = False) -> None:
    """Show a version: verdict, metrics, files."""
    with session() as client:
        found = client.version(ref)
    if as_json:
        print_json(dumped(found))
        return
    also = f", also {', '.join(found.aliases)}" if found.aliases else ""
    out().print(escape(f"{found.ref}{also}: verdict {found.verdict or 'none'}"))
    arms = list(found.metrics)
    names = list(dict.fromkeys(name for metrics in found.metrics.values() for name in metrics))
    print_table(
        ("test rows", *arms), ((name, *(found.metrics[arm].get(name) for arm in arms)) for name in names)
    )
    rows = ((one.arm, one.format, one.filename, f"{one.size / 1024:,.0f} KiB") for one in found.artifacts)
    print_table(("arm", "format", "file", "size"), rows)


@models.command("get")
def get(
    ref: Ref,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="A file, or a folder for the file's own name.")
    ] = Path("."),
    format: Annotated[
        str | None,
        typer.Option(
            help="keras, bundle, predictions, wrong_rows or doubtful_labels. Default: keras, or bundle."
        ),
    ] = None,
    arm: Annotated[str | None, typer.Option(help="Another arm's model, such as baseline.")] = None,
    as_json: AsJson = False,
) -> None:
    """Fetch a model: whole, and checked against the digest that the service names."""
    with session() as client:
        if sys.stderr.isatty():
            columns = (TextColumn("receiving"), BarColumn(), DownloadColumn())
            with Progress(*columns, console=err(), transient=True) as bar:
                task = bar.add_task("", total=None)
                path = client.download(
                    ref,
                    output,
                    format=format,
                    arm=arm,
                    received=lambda done: bar.update(task, completed=done),
                )
        else:
            path = client.download(ref, output, format=format, arm=arm)
    if as_json:
        print_json({"path": str(path), "size": path.stat().st_size})
    else:
        out().print(escape(str(path)))


@models.command("alias")
def alias(
    ref: Annotated[str, typer.Argument(help="A version, name@version.")],
    name: Annotated[str, typer.Argument(help="Such as champion.")],
    force: Annotated[bool, typer.Option("--force", help="Also where the transfer hurt.")] = False,
) -> None:
    """Let an alias name this version."""
    with session() as client:
        try:
            client.set_alias(ref, name, force=force)
        except ValueError as error:
            err().print(escape(str(error)), style="red")
            raise typer.Exit(2) from error
    out().print(escape(f"{ref.rpartition('@')[0]}@{name} is {ref}."))
