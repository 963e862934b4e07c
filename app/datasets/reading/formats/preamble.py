"""What stands before the header of a CSV file, and may be passed over: Excel's `sep=;`, comment lines."""

from __future__ import annotations

import re

from ..errors import DatasetError

_SEPARATOR = re.compile(r'"?sep=(.)"?', re.IGNORECASE)
_COMMENT = "#"
_MOST = 100  # lines
_SHOWN = 200


def find_preamble(sample: str) -> tuple[list[str], str | None]:
    """The lines before the header, and the delimiter that one of them names."""
    lines = sample.splitlines()[: _MOST + 2]
    if lines and (named := _SEPARATOR.fullmatch(lines[0].strip(" \r\n"))):
        separates = any(named[1] in line for line in lines[1:2])  # else it is said of another file
        return [lines[0][:_SHOWN]], named[1] if separates else None
    count = next((n for n, line in enumerate(lines) if not line.lstrip().startswith(_COMMENT)), 0)
    comments = [line[:_SHOWN] for line in lines[:count]]
    if not comments or not lines[count].strip() or _may_be_header(lines[count - 1], lines[count:]):
        return [], None
    return comments, None


def without(sample: str, lines: int) -> str:
    """The sample after so many lines."""
    return "".join(sample.splitlines(keepends=True)[lines:])


def _may_be_header(comment: str, rows: list[str]) -> bool:
    """Whether the line has as many cells as the rows, which then have it for their header."""
    return any(
        comment.count(delimiter) and comment.count(delimiter) == rows[0].count(delimiter)
        for delimiter in ",;\t|"
    )


def check_title(names: list[str], rows: list[list[str]], delimiter: str, lines_before: int) -> None:
    """Refuse a first line that is a title: fewer cells than the lines after it, which start with names.

    Args:
        names: the cells of the first line.
        rows: those of the next lines.

    Raises:
        DatasetError: where it is one.
    """
    filled = [name for name in names if name.strip()]
    is_short = len(filled) == 1 or len(filled) < len(names)
    if not filled or not is_short or not all(name.strip() for name in names[: len(filled)]):
        return
    position = next((n for n, row in enumerate(rows[:5]) if len(row) > len(filled) and _are_names(row)), None)
    if position is None or not rows[position + 1 :]:
        return
    width = len(rows[position])
    if any(len(row) != width for row in rows[position + 1 :][:20]) or any(map(_is_number, filled)):
        return
    raise title_line(names, rows[position], delimiter, lines_before + 1, lines_before + position + 2)


def title_line(
    title: list[str], names: list[str], delimiter: str, title_at: int, names_at: int
) -> DatasetError:
    """The refusal of a title in one line above the names of the columns in another."""
    first = delimiter.join(title)[:80]
    message = (
        f"Expected column names in the first line. Received: {first}, which looks like a title, above "
        f"{delimiter.join(names)[:80]} in line {names_at}."
    )
    error = {"row": None, "line": title_at, "column": None, "expected": "column names", "received": first}
    return DatasetError("title_line", message, f"Delete the lines above line {names_at}.", [error])


def are_header(cells: list[str], rows: list[list[str]]) -> bool:
    """Whether cells are the names of the rows below: as many, different, and above numbers."""
    if not rows or not _are_names(cells) or any(len(row) != len(cells) for row in rows):
        return False
    return any(all(_is_number(row[n].replace(",", ".")) for row in rows) for n in range(len(cells)))


def _are_names(cells: list[str]) -> bool:
    """Whether all differ, none is blank or a number."""
    names = [cell.strip() for cell in cells]
    return all(names) and len(set(names)) == len(names) and not any(map(_is_number, names))


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return True
