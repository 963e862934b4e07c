"""Which column of a file holds which part of pairs or questions?"""

from __future__ import annotations

from typing import Literal

from app.datasets.inspection.names import listed, meant
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.words import Kind, Part

LanguageKind = Literal["pairs", "qa"]

_USUAL: dict[Part, tuple[str, ...]] = {
    "source": ("source", "src", "source_text", "source_sentence"),
    "target": ("target", "tgt", "trg", "target_text", "target_sentence", "translation"),
    "question": ("question", "query"),
    "context": ("context", "passage", "paragraph"),
    "answers": ("answer", "answers", "answer_text", "answers.text"),
    "starts": ("answer_start", "answers.answer_start", "start"),
    "impossible": ("is_impossible",),
    "title": ("title", "article"),
}
_NEEDED: dict[LanguageKind, tuple[Part, ...]] = {
    "pairs": ("source", "target"),
    "qa": ("question", "context", "answers"),
}
_OPTIONAL: dict[LanguageKind, tuple[Part, ...]] = {"pairs": (), "qa": ("starts", "impossible", "title")}
_FIELDS: dict[Part, str] = {"answers": "answer", "starts": "answer_start"}
_HELD: dict[Part, str] = {
    "source": "the sentences that are translated",
    "target": "their translations",
    "question": "the questions",
    "context": "the passages that the answers stand in",
    "answers": "the answers",
}
_HUB = "translation."


def find_parts(kind: LanguageKind, names: list[str], declaration: Declaration) -> dict[Part, str]:
    """The column of each part: declared, by the languages, or with a usual name.

    Raises:
        DatasetError: a part that is needed has none, or two parts have the same.
    """
    free = [name for name in names if name not in declaration.ignored]
    found: dict[Part, str] = {}
    for part in (*_NEEDED[kind], *_OPTIONAL[kind]):
        column = _declared(part, free, declaration) or _usual(part, free, declaration)
        if column is not None:
            found[part] = column
        elif part in _NEEDED[kind]:
            raise _missing(part, free)
    taken = [column for column in (declaration.split, declaration.group) if column is not None]
    columns = [*found.values(), *taken]
    if len(set(columns)) < len(columns):
        twice = next(column for column in columns if columns.count(column) > 1)
        message = f"Expected a column for each of {', '.join(found)}. Received: {twice} for two of them."
        raise DatasetError("column_twice", message, "Name different columns.")
    return found


def languages_of(kind: LanguageKind, parts: dict[Part, str], declaration: Declaration) -> dict[Part, str]:
    """The languages as they were declared, or are the keys of `translation`."""
    if kind == "qa":
        return {"context": declaration.language} if declaration.language else {}
    said: dict[Part, str | None] = {
        "source": declaration.source_language,
        "target": declaration.target_language,
    }
    keys = {part: name.removeprefix(_HUB) for part, name in parts.items() if name.startswith(_HUB)}
    languages = {part: said.get(part) or keys.get(part) for part in parts}
    return {part: language for part, language in languages.items() if language is not None}


def is_direction_guessed(parts: dict[Part, str], declaration: Declaration) -> bool:
    """Whether the sides are those of `translation` in the order in which it has them."""
    said = (declaration.source, declaration.source_language, declaration.target, declaration.target_language)
    return parts["source"].startswith(_HUB) and not any(said)


def _declared(part: Part, names: list[str], declaration: Declaration) -> str | None:
    field = _FIELDS.get(part, part)
    asked: str | None = getattr(declaration, field, None)
    if part == "source":
        asked = asked or declaration.input
    if part in ("target", "answers"):
        asked = asked or declaration.label
    if asked is None:
        return None
    if asked in names:
        return asked
    inner = [name for name in names if name.rpartition(".")[2] == asked]
    if len(inner) == 1:
        return inner[0]
    message = f"Expected a column {asked}, the declared `{field}`. Received: {listed(names)}."
    error = {"row": None, "column": asked, "expected": f"the `{field}`", "received": "no such column"}
    raise DatasetError("column_not_found", message, meant(asked, names), [error])


def _usual(part: Part, names: list[str], declaration: Declaration) -> str | None:
    hub = [name for name in names if name.startswith(_HUB)]
    if part in ("source", "target"):
        by_part = {"source": declaration.source_language, "target": declaration.target_language}
        language = by_part[part]
        if language is not None:
            spelt = [name for name in names if name.removeprefix(_HUB).lower() == language.lower()]
            if len(spelt) == 1:
                return spelt[0]
        if len(hub) == 2:
            other = by_part["target" if part == "source" else "source"]
            if other is not None:
                left = [name for name in hub if name.removeprefix(_HUB).lower() != other.lower()]
                return left[0] if len(left) == 1 else None
            return hub[part == "target"]
    lowered = {name.lower(): name for name in reversed(names)}
    return next((lowered[name] for name in _USUAL[part] if name in lowered), None)


def _missing(part: Part, names: list[str]) -> DatasetError:
    field, usual = _FIELDS.get(part, part), ", ".join(_USUAL[part][:3])
    expected = f"a column of {_HELD[part]}, called {usual} or declared as `{field}`"
    hint = f"Declare `{field}`, the name of the column."
    if part in ("source", "target"):
        hint += (
            ' Of a file without a header line, declare `columns` as ["source", "target"]; of '
            '{"translation": {"en": …, "fr": …}}, `source_language` and `target_language`.'
        )
    message = f"Expected {expected}. Received: {listed(names)}."
    error = {"row": None, "column": None, "expected": expected, "received": ", ".join(names[:50])}
    return DatasetError("column_not_found", message, hint, [error])


def kind_of(declaration: Declaration, file_format: str) -> LanguageKind | None:
    """The kind, if it is one of these two.

    Raises:
        DatasetError: SQuAD's JSON is declared to be of another kind.
    """
    kind: Kind | None = declaration.kind
    if file_format == "squad":
        if kind not in (None, "qa"):
            message = f"Expected questions, as SQuAD's JSON holds. Received: the declared kind {kind}."
            raise DatasetError("kind_differs", message, "Leave `kind` out.")
        return "qa"
    if kind not in ("pairs", "qa"):
        return None
    if file_format not in ("csv", "tsv", "jsonl", "parquet"):
        message = (
            f"Expected CSV, TSV, JSON lines, Parquet or SQuAD's JSON of {kind}. Received: {file_format}."
        )
        raise DatasetError("kind_differs", message, "Send the rows as a table, or declare another `kind`.")
    return kind
