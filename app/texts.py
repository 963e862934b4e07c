"""Texts that come from outside: what may be stored, and what may name things.

Text that cannot be written again must not be kept: a lone surrogate has no UTF-8 form, and PostgreSQL stores
no NUL. Either would fail every later answer that shows it.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from datetime import datetime
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    Field,
    StringConstraints,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WithJsonSchema,
    WrapValidator,
)

_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")

LARGEST = 2**63 - 1
"""The largest whole number that a database column holds."""

LARGEST_EXACT = 2**53 - 1
"""Beyond it the numbers of JSON, which many programs read as floats, are not told apart."""


def unstorable(text: str) -> str | None:
    """What keeps a text from being stored, in words; None of a fitting one."""
    found = _UNSTORABLE.search(text)
    if found is None:
        return None
    return "a NUL character" if found[0] == "\0" else f"half of a surrogate pair, U+{ord(found[0]):04X}"


def shown(text: str) -> str:
    """The text with what cannot be stored or sent as escapes, for messages."""
    return _CONTROL.sub(lambda found: _escaped(found[0]), text)


def printable(text: str) -> str:
    """A text of unknown origin, such as a file's name, with all that does not print as escapes."""
    return "".join(sign if sign.isprintable() else _escaped(sign) for sign in text)


def _escaped(sign: str) -> str:
    return sign.encode("unicode_escape").decode("ascii")


def _storable(text: str) -> str:
    if problem := unstorable(text):
        raise ValueError(f"expected Unicode text, received {problem}")
    return text


def one_line(text: str) -> str:
    """The text, or a ValueError where it has control characters."""
    if found := _CONTROL.search(text):
        raise ValueError(f"expected text without control characters, received U+{ord(found[0]):04X}")
    return text


ON_ONE_LINE = r"^[^\x00-\x1f\x7f-\x9f\u2028\u2029]*$"
"""Text without control characters, as JSON Schema says it."""


def _line(least: int, most: int) -> tuple[Any, ...]:
    """What makes a `str` a text on one line of so many characters."""
    written = {"type": "string", "minLength": least, "maxLength": most, "pattern": ON_ONE_LINE}
    constraints = StringConstraints(min_length=least, max_length=most)
    return constraints, AfterValidator(one_line), WithJsonSchema(written)


Line = Annotated[str, *_line(0, 200)]
"""Free text on one line, without control characters: what names something, such as a preset or a queue."""

Key = Annotated[str, *_line(1, 200)]
"""The same, but never empty."""

Handle = Annotated[str, *_line(1, 155)]
"""The same, as long as the name of a model, an @ and an alias are together."""


def _moment(text: str, read: ValidatorFunctionWrapHandler) -> datetime:
    """Refuses also what would be read as seconds since 1970: whoever sends `2026` means a year."""
    try:
        if not re.fullmatch(r"\s*[+-]?[\d.]+([eE][+-]?\d+)?\s*", text):
            found: datetime = read(text)
            return found
    except ValidationError:
        pass
    raise ValueError("expected a moment with its time zone, such as 2026-11-27T08:00:00Z")


Moment = Annotated[AwareDatetime, WrapValidator(_moment)]
"""A moment in a query, as RFC 3339 writes it, with its distance from UTC."""

MetadataKey = Annotated[str, *_line(1, 64)]
MetadataValue = Annotated[str, StringConstraints(max_length=512), AfterValidator(_storable)]

Metadata = Annotated[dict[MetadataKey, MetadataValue], Field(max_length=16)]
"""What users keep beside a thing: at most 16 texts of 512 characters, by keys of 64."""


DEEPEST = 16
"""Levels of lists and objects in a JSON value; the deepest that has a meaning here has 6."""


_MOST_DIGITS = 100  # of a number that is turned into one, to tell where it stands


class NotJson(ValueError):
    """What is no JSON, or holds what cannot be kept: where, what was expected, what was received."""

    def __init__(self, place: str, expected: str, received: str) -> None:
        super().__init__(f"{received} where {expected} was expected, at {place}")
        self.place = place
        self.expected = expected
        self.received = received


def read_json(document: str | bytes) -> Any:
    """The value of a JSON document whose parts can all be kept and answered.

    Raises:
        NotJson: broken JSON, a key that comes twice, text that cannot be stored, a whole number beyond 64
            bits, a number that is not finite, more than `DEEPEST` levels.
    """
    try:
        value = json.loads(
            document,
            parse_constant=_no_constant,
            parse_int=_whole_number,
            parse_float=_number,
            object_pairs_hook=_each_once,
        )
    except NotJson:
        raise
    except _Repeated as error:
        raise NotJson(shown(str(error)), "each key of an object once", "a key that occurs twice") from None
    except json.JSONDecodeError as error:
        raise NotJson("body", "JSON", f"{error.msg} at character {error.pos}") from None
    except RecursionError:
        raise NotJson("body", f"at most {DEEPEST} levels of lists and objects", "more") from None
    except ValueError:
        raise NotJson("body", "JSON in UTF-8", "bytes that are not UTF-8") from None
    _check(value)
    return value


class _Repeated(ValueError):
    """A key that comes twice in an object."""


def _no_constant(name: str) -> None:
    raise NotJson("body", "finite numbers", name)


def _whole_number(text: str) -> int:
    if len(text) > _MOST_DIGITS:
        raise NotJson("body", "whole numbers of at most 64 bits", f"one of {len(text)} digits")
    return int(text)


def _number(text: str) -> int | float:
    """A whole number, however it is written: to JSON Schema 1.0 is an integer."""
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        counts = Counter(key for key, _ in pairs)
        raise _Repeated(next(key for key, count in counts.items() if count > 1)[:100])
    return made


def _check(value: Any) -> None:
    """Raise NotJson unless all of the value, keys included, can be kept; without recursion."""
    waiting: list[tuple[Any, tuple[str | int, ...]]] = [(value, ())]
    while waiting:
        value, path = waiting.pop()
        if len(path) > DEEPEST:
            raise _unfit(path, f"at most {DEEPEST} levels of lists and objects", "more")
        if isinstance(value, str):
            if problem := unstorable(value):
                raise _unfit(path, "Unicode text", problem)
        elif isinstance(value, dict):
            for key, item in value.items():
                if problem := unstorable(key):
                    raise _unfit(path, "Unicode text as a key", problem)
                waiting.append((item, (*path, key)))
        elif isinstance(value, list):
            waiting += [(item, (*path, index)) for index, item in enumerate(value)]
        elif isinstance(value, int):
            if not -LARGEST - 1 <= value <= LARGEST:
                raise _unfit(path, "a whole number of at most 64 bits", "a larger one")
        elif isinstance(value, float) and not math.isfinite(value):
            raise _unfit(path, "a finite number", "one beyond the largest")


def _unfit(path: tuple[str | int, ...], expected: str, received: str) -> NotJson:
    return NotJson(shown(".".join(map(str, path)))[:200] or "body", expected, received)
