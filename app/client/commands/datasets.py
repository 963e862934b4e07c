"""`model-transfer datasets`: send files, look at them, delete them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn

from app.client.commands.session import (
    AsJson,
    dumped,
    err,
    out,
    print_json,
    print_table,
    session,
    wrong_usage,
)

if TYPE_CHECKING:
    from app.client.client import Client
    from app.client.views import Dataset

datasets = typer.Typer(help="Upload data sets, look at them, delete them.", no_args_is_help=True)

Ref = Annotated[str, typer.Argument(help="Id, name or name@version of a data set.")]


@datasets.command("add")
def add(
    file: Annotated[
        Path, typer.Argument(help="A table, texts, images or sequences.", exists=True, dir_okay=False)
    ],
    name: Annotated[str | None, typer.Option(help="Default: the file's name without its extension.")] = None,
    label: Annotated[str | None, typer.Option(help="Column to predict.")] = None,
    kind: Annotated[str | None, typer.Option(help="Such as tabular, text, image, sequence.")] = None,
    task: Annotated[
        str | None, typer.Option(help="Such as binary, multiclass, multilabel, regression.")
    ] = None,
    split: Annotated[str | None, typer.Option(help="Column of the words train, validation, test.")] = None,
    group: Annotated[str | None, typer.Option(help="Column whose equal values stay in one part.")] = None,
    time: Annotated[str | None, typer.Option(help="Column by which the latest rows test.")] = None,
    field: Annotated[
        list[str] | None,
        typer.Option("--field", "-F", help="Any other field, as name=value; several times for several."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Upload a file as a data set, and tell what was found in it."""
    said: dict[str, Any] = {"label": label, "kind": kind, "task": task}
    said |= {"split": split, "group": group, "time": time}
    fields: dict[str, Any] = {key: value for key, value in said.items() if value is not None}
    for given in field or []:
        key, equals, value = given.partition("=")
        if not equals or not key:
            raise wrong_usage(f"Expected --field name=value. Received: {given}.")
        fields[key] = [*_listed(fields.get(key)), value] if key in fields else value
    with session() as client:
        made = _upload(client, file, name, fields)
        if as_json:
            print_json(dumped(made))
        else:
            _tell(made)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _upload(client: Client, file: Path, name: str | None, fields: dict[str, Any]) -> Dataset:
    """With a bar where somebody looks."""
    if not sys.stderr.isatty():
        return client.upload(file, name, fields=fields)
    columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn())
    with Progress(*columns, console=err(), transient=True) as bar:
        task = bar.add_task("sending", total=file.stat().st_size)

        def validated(rows: int) -> None:
            bar.update(task, description=f"validating, {rows:,} rows" if rows else "validating")

        return client.upload(
            file, name, fields=fields, sent=lambda done: bar.update(task, completed=done), validated=validated
        )


def _tell(made: Dataset) -> None:
    described = made.description
    parts = ", ".join(
        f"{count:,} {part}" for part, count in described.get("split", {}).get("rows", {}).items()
    )
    classes = described.get("classes") or []
    what = f"{described.get('task') or 'no label'}"
    if classes:
        shown = ", ".join(str(name) for name in classes[:8])
        what += f" of {len(classes)} classes ({shown}{', …' if len(classes) > 8 else ''})"
    out().print(escape(f"{made.ref}: {made.kind}, {made.rows:,} rows ({parts}), {what}"))
    for notice in made.warnings:
        place = f"{notice.column}: " if notice.column and notice.column not in notice.message else ""
        err().print(f"[yellow]{notice.code}[/]: {escape(place + notice.message)}")


@datasets.command("list")
def list_datasets(
    name: Annotated[str | None, typer.Option(help="Only the versions of this name.")] = None,
    as_json: AsJson = False,
) -> None:
    """List data sets, newest first."""
    with session() as client:
        found = list(client.datasets(name))
    if as_json:
        print_json([dumped(one) for one in found])
        return
    header = ("data set", "kind", "rows", "MB", "made")
    print_table(
        header,
        (
            (one.ref, one.kind, f"{one.rows:,}", f"{one.size / 1e6:.1f}", f"{one.created_at:%Y-%m-%d %H:%M}")
            for one in found
        ),
    )


@datasets.command("show")
def show(ref: Ref, as_json: AsJson = False) -> None:
    """Show what is known of a data set."""
    with session() as client:
        found = client.dataset(ref)
    if as_json:
        print_json(dumped(found))
        return
    _tell(found)
    columns = found.description.get("columns", [])
    print_table(("column", "type", "role"), ((one["name"], one["type"], one["role"]) for one in columns))


@datasets.command("rows")
def rows(
    ref: Ref,
    limit: Annotated[int, typer.Option(min=1, max=100, help="How many.")] = 10,
    as_json: AsJson = False,
) -> None:
    """Show the first rows, as the service reads them."""
    with session() as client:
        found = client.rows(ref, limit)
    if as_json or not found:
        print_json(found)
        return
    names = list(dict.fromkeys(name for row in found for name in row))
    print_table(names, ([row.get(name) for name in names] for row in found))


@datasets.command("delete")
def delete(ref: Ref) -> None:
    """Delete one version of a data set."""
    with session() as client:
        client.delete_dataset(ref)
    out().print(escape(f"{ref} is deleted."))
