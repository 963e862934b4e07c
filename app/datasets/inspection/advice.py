"""How is a field written that a notice or a hint asks to send?"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from typing import Any


def fields(**values: Any) -> dict[str, str]:
    """Fields as the text of a form: texts as they are, all else as JSON."""
    return {
        name: value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
        for name, value in values.items()
    }


def as_sent(send: Mapping[str, str]) -> str:
    """The fields as curl takes them: `-F 'types={"zip": "category"}'`."""
    # curl's -F takes what follows a semicolon for something else.
    told = [
        f"{'--form-string' if ';' in value else '-F'} {shlex.quote(f'{name}={value}')}"
        for name, value in send.items()
    ]
    return f"`{' '.join(told)}`"
