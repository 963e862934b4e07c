"""A form from a JSON schema, as the API describes its options: which fields, and what was typed in them?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from app.texts import read_json


@dataclass(frozen=True)
class Field:
    """A field of a form: what is left empty keeps its default."""

    name: str
    label: str
    kind: Literal["choice", "number", "text", "json"]
    help: str
    default: str
    choices: list[str] = field(default_factory=list)
    minimum: float | None = None
    maximum: float | None = None
    whole: bool = False


def fields(schema: Mapping[str, Any], prefix: str = "", leave_out: Iterable[str] = ()) -> list[Field]:
    """The fields of an object's schema, each called by its place, such as `method.rank`."""
    left_out = set(leave_out)
    return [
        _field(f"{prefix}{name}", name, of, schema)
        for name, of in schema.get("properties", {}).items()
        if name not in left_out
    ]


def _field(place: str, name: str, schema: Mapping[str, Any], root: Mapping[str, Any]) -> Field:
    plain = _plain(schema, root)
    about: dict[str, Any] = {
        "name": place,
        "label": name.replace("_", " "),
        "help": str(schema.get("description", plain.get("description", ""))).replace("`", ""),
        "default": _shown(schema.get("default", plain.get("default"))),
    }
    if "enum" in plain:
        return Field(kind="choice", choices=[_shown(one) for one in plain["enum"]], **about)
    if plain.get("type") == "boolean":
        return Field(kind="choice", choices=["yes", "no"], **about)
    if plain.get("type") in ("number", "integer"):
        return Field(
            kind="number",
            minimum=plain.get("minimum", plain.get("exclusiveMinimum")),
            maximum=plain.get("maximum", plain.get("exclusiveMaximum")),
            whole=plain["type"] == "integer",
            **about,
        )
    return Field(kind="text" if plain.get("type") == "string" else "json", **about)


def _plain(schema: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the values that are not null; of several kinds none."""
    if "$ref" in schema:
        found: Mapping[str, Any] = root.get("$defs", {}).get(schema["$ref"].rpartition("/")[2], {})
        return found
    others = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if others:
        return _plain(others[0], root) if len(others) == 1 else {}
    return schema


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value if isinstance(value, str) else json.dumps(value)


def typed(given: Mapping[str, str], known: Iterable[Field]) -> dict[str, Any]:
    """What was typed as JSON, by the last part of each name; what cannot be read stays the text it is.

    Whoever takes it refuses it then, in the words that a program hears.
    """
    return {one.name.rpartition(".")[2]: _value(given[one.name], one) for one in known if one.name in given}


def _value(text: str, of: Field) -> Any:
    if of.kind == "choice" and of.choices == ["yes", "no"]:
        return {"yes": True, "no": False}.get(text, text)
    if of.kind == "number":
        try:
            return int(text)
        except ValueError:
            pass
        try:
            number = float(text)
        except ValueError:
            return text
        return number if math.isfinite(number) else text
    if of.kind == "json":
        try:
            return read_json(text)  # bounded as the body of a program's request
        except ValueError:
            return [part.strip() for part in text.split(",")] if "," in text else text
    return text
