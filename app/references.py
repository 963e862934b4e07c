"""Ids, names and the references that users type: `ds_…`, `churn`, `churn@3`."""

from __future__ import annotations

import re
import secrets
import time
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from app.texts import Handle

# `\Z` and not `$`, which lets a line's end follow. JSON Schema knows `$` alone, and means the end by it.
_ID = re.compile(r"^(ds|job|ver)_[0-9a-f]{28}\Z")
_NAME = re.compile(r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}\Z")
_ALIAS = re.compile(r"^[a-z][a-z0-9_-]{0,49}\Z")
_LOOKS_LIKE_AN_ID = re.compile(r"^(ds|job|ver)_")


def _schema(pattern: re.Pattern[str], other_than: str = "") -> WithJsonSchema:
    written = pattern.pattern.replace("^", f"^{other_than}", 1).replace(r"\Z", "$")
    return WithJsonSchema({"type": "string", "pattern": written})


def new_id(prefix: str) -> str:
    """A sortable id: milliseconds since 1970 (12 hex digits), then 64 random bits."""
    return f"{prefix}_{time.time_ns() // 1_000_000:012x}{secrets.token_hex(8)}"


def is_id(text: str) -> bool:
    """Whether the text has the form of an id of this service."""
    return _ID.match(text) is not None


def _named(name: str) -> str:
    if not _NAME.match(name):
        raise ValueError(
            "expected 1 to 100 letters, digits, dots, underscores or hyphens, the first a letter or a digit"
        )
    if _LOOKS_LIKE_AN_ID.match(name):
        raise ValueError("expected a name that does not begin like an id (ds_, job_, ver_)")
    return name


Name = Annotated[str, AfterValidator(_named), _schema(_NAME, other_than=r"(?!(ds|job|ver)_)")]
"""1 to 100 letters, digits, dots, underscores and hyphens, beginning with a letter or digit."""

Reference = Handle
"""An id, a name (its newest version), `name@version` or, of a model, `name@alias`."""


def _alias(name: str) -> str:
    if not _ALIAS.match(name):
        raise ValueError("expected 1 to 50 lower-case letters, digits, _ or -, the first a letter")
    return name


AliasName = Annotated[str, AfterValidator(_alias), _schema(_ALIAS)]
"""A name for versions that moves, such as `champion`."""


_EXACT = re.compile(r"^(ver_[0-9a-f]{28}|[A-Za-z0-9][A-Za-z0-9._-]{0,99}@[0-9]{1,9})\Z")


def _exact(reference: str) -> str:
    if not _EXACT.match(reference):
        raise ValueError("expected the id of a version, or `name@version` with its number")
    return reference


ExactVersion = Annotated[str, AfterValidator(_exact), _schema(_EXACT)]
"""A version that no newer one takes the place of."""


def split_alias(reference: str) -> tuple[str, str] | None:
    """`churn@champion` as ("churn", "champion"); None where no alias stands after the @."""
    name, _, alias = reference.partition("@")
    return (name, alias) if _ALIAS.match(alias) else None


def split_reference(reference: str) -> tuple[str, int | None] | None:
    """`churn@3` as ("churn", 3), `churn` as ("churn", None); None where the version is no number."""
    name, at, version = reference.partition("@")
    if not at:
        return name, None
    is_number = version.isascii() and version.isdecimal() and len(version) < 10
    return (name, int(version)) if is_number else None
