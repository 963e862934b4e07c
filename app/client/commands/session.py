"""What every command does alike: it reaches the service, and ends with words and an exit code.

Exit codes: 0 done, 1 refused by the service, 2 wrongly typed, 3 no service there, 4 the job did not succeed.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:  # to start a worker takes no HTTP
    from app.client.client import Client

REFUSED, WRONG_USAGE, NOT_REACHABLE, NO_SUCCESS = 1, 2, 3, 4

AsJson = Annotated[
    bool, typer.Option("--json", help="Print the service's answer as JSON, for programs.", show_default=False)
]

_MOST_ERRORS = 20


def out() -> Console:
    """What was asked for, on standard output."""
    return Console(highlight=False, soft_wrap=True)


def err() -> Console:
    """News and errors, on standard error."""
    return Console(stderr=True, highlight=False, soft_wrap=True)


@contextmanager
def session() -> Iterator[Client]:
    """A client of the service; what goes wrong ends the command."""
    from app.client.client import Client
    from app.client.configuration import ConfigurationError
    from app.client.problems import ApiError, JobDidNotSucceed, NotReachable

    try:
        with Client() as client:
            yield client
    except ApiError as error:
        _refused(error.message, error.hint, error.errors)
        raise typer.Exit(REFUSED) from error
    except NotReachable as error:
        _say(str(error))
        raise typer.Exit(NOT_REACHABLE) from error
    except JobDidNotSucceed as error:
        _say(str(error))
        raise typer.Exit(NO_SUCCESS) from error
    except BrokenPipeError as error:  # who read the output, such as `head`, has enough
        _read_no_more()
        raise typer.Exit(REFUSED) from error
    except (ConfigurationError, OSError) as error:
        _say(str(error))
        raise typer.Exit(WRONG_USAGE) from error


def _read_no_more() -> None:
    """Let what is left of the output go nowhere, also what is written as Python ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def _refused(message: str, hint: str | None, errors: Iterable[Mapping[str, Any]]) -> None:
    _say(message)
    listed = list(errors)
    for one in listed[:_MOST_ERRORS]:
        err().print("  " + escape(", ".join(f"{name}: {value}" for name, value in one.items())))
    if len(listed) > _MOST_ERRORS:
        err().print(f"  and {len(listed) - _MOST_ERRORS} more")
    if hint:
        err().print(escape(hint))


def _say(message: str) -> None:
    err().print(escape(message), style="red")


def wrong_usage(message: str) -> typer.Exit:
    """Say what was typed wrongly; the error to raise."""
    _say(message)
    return typer.Exit(WRONG_USAGE)


def print_json(value: Any) -> None:
    """As a program reads it."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=2, default=str))


def print_table(header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Columns without lines, which are easy to read and to cut."""
    table = Table(*header, box=None, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*(escape("" if cell is None else str(cell)) for cell in row))
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 1000  # a file or a pipe cuts no line
    console.print(table)


def dumped(view: Any) -> Any:
    """All that the service answered, as plain values."""
    return view.model_dump(mode="json")
