"""`model-transfer rankings`: which source suits a target?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from app.client.commands.session import NO_SUCCESS, AsJson, dumped, err, out, print_json, print_table, session

if TYPE_CHECKING:
    from app.client.views import RankedRow


def rankings(
    target: Annotated[str, typer.Argument(help="Id, name or `name@version` of the target's data set.")],
    version: Annotated[
        list[str] | None, typer.Option(help="A model version as candidate; several for several.")
    ] = None,
    preset: Annotated[
        list[str] | None, typer.Option(help="A pretrained backbone as candidate; several for several.")
    ] = None,
    metric: Annotated[str | None, typer.Option(help="Which is told as expected.")] = None,
    as_json: AsJson = False,
) -> None:
    """Ask which source suits a target, and wait for the answer; by default of all there are.

    Exit 4 if the ranking does not succeed. That no source helps is an answer, and no failure.
    """
    named: list[dict[str, str]] = [{"version": one} for one in version or []]
    named += [{"preset": one} for one in preset or []]
    asked: dict[str, Any] = {"target": target, "candidates": named or "all"}
    if metric is not None:
        asked["metric"] = metric
    with session() as client:
        ranking = client.rank(asked)
    if as_json:
        print_json(dumped(ranking))
    if ranking.result is None:
        if ranking.error is not None:
            err().print(escape(f"{ranking.error.message} {ranking.error.hint or ''}".rstrip()))
        raise typer.Exit(NO_SUCCESS)
    if as_json:
        return
    result = ranking.result
    print_table(
        ("", "name", "kind", "score", "± ", result.metric, "answer"),
        ((row.rank, row.name, row.kind, *map(_short, _numbers(row)), row.answer) for row in result.ranking),
    )
    for one in result.refused:
        err().print(escape(f"{one.name} cannot serve. {one.reason}"))
    out().print(escape(result.why))


def _numbers(row: RankedRow) -> tuple[float | None, ...]:
    return row.score, row.standard_error, row.expected


def _short(number: float | None) -> str | None:
    return None if number is None else f"{number:.3f}"
