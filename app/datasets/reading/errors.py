"""The refusal of a file, and what can be said of it in JSON."""

from __future__ import annotations

import json
import math
from typing import Any, Self


def is_text(text: str) -> bool:
    """Whether it can be kept and answered: no NUL, no half of a surrogate pair."""
    if text.isascii():
        return "\0" not in text
    try:
        return b"\0" not in text.encode("utf-8")
    except UnicodeEncodeError:
        return False


def speakable(value: Any) -> Any:
    """Plain values as JSON answers can carry them, whatever was in the file that they quote."""
    if isinstance(value, str):
        plain = value if value.isascii() else value.encode("utf-8", "replace").decode("utf-8")
        return plain.replace("\0", "\ufffd")
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {speakable(name): speakable(held) for name, held in value.items()}
    return [speakable(held) for held in value] if isinstance(value, list | tuple) else value


class DatasetError(Exception):
    """The file is refused.

    `errors` holds `{row, column, expected, received}` and, for CSV and JSON lines, `line` where it is known;
    `row` counts data rows from 1, `line` the lines of the file from 1.
    """

    def __init__(
        self, code: str, message: str, hint: str | None = None, errors: list[dict[str, Any]] | None = None
    ) -> None:
        super().__init__(speakable(message))
        self.code = code
        self.message: str = speakable(message)
        self.hint: str | None = speakable(hint)
        self.errors: list[dict[str, Any]] = speakable(errors or [])

    def to_json(self) -> str:
        """The error as JSON text."""
        return json.dumps(
            {"code": self.code, "message": self.message, "hint": self.hint, "errors": self.errors}
        )

    @classmethod
    def from_json(cls, text: str) -> Self:
        """The error that `to_json` wrote."""
        return cls(**json.loads(text))
