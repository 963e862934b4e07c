"""How is a field written that a notice or a hint asks to send?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any


def fields(**values: Any) -> dict[str, str]:
    """Fields as the text of a form: texts as they are, all else as JSON."""
    ignored = values.get("ignore")
    if isinstance(ignored, str) and ignored.startswith("["):  # such a text is read as a list
        values["ignore"] = [ignored]
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
    }


def as_sent(send: Mapping[str, str]) -> str:
    """The fields as curl takes them: `-F 'types={"zip": "category"}'`."""
    told = [
        f"{'--form-string' if _is_special(value) else '-F'} {shlex.quote(f'{name}={value}')}"
        for name, value in send.items()
    ]
    return f"`{' '.join(told)}`"


def _is_special(value: str) -> bool:
    """Whether curl's -F takes a part of it for something else: a file, a type, quotes, blanks."""
    return ";" in value or value.startswith(("@", "<", '"')) or value != value.strip()
