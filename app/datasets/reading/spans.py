"""Where does an answer stand in its context? In code points, as Python counts them."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass

_COUNTED = 100
"""Places of an answer that are looked at."""


@dataclass(frozen=True)
class Span:
    """`context[start:end] == text`, and how it was found.

    moved: how far `start` is from where the answer was said to begin; None where nothing was said.
    places: how often the answer stands in the context, 100 at most.
    """

    start: int
    end: int
    text: str
    moved: int | None = None
    places: int = 1


def find_span(context: str, answer: str, start: int | None) -> Span | None:
    """The answer where it is said to begin, else where it stands nearest to that, or first; None if nowhere.

    Blanks around the answer do not count. What is not in the context as it is written is looked for in
    Unicode's form NFC.
    """
    text = answer.strip()
    if not text:
        return None
    if start is not None:
        start += len(answer) - len(answer.lstrip())
        if start >= 0 and context.startswith(text, start):
            return Span(start, start + len(text), text, 0)
    places = [(place, place + len(text)) for place in _places(context, text)]
    places = places or list(_normalised(context, text))
    if not places:
        return None
    wanted = start or 0
    begin, end = min(places, key=lambda place: abs(place[0] - wanted))
    moved = None if start is None else begin - start
    return Span(begin, end, context[begin:end], moved, len(places))


def _places(context: str, text: str) -> Iterator[int]:
    place, found = context.find(text), 0
    while place >= 0 and found < _COUNTED:
        yield place
        place, found = context.find(text, place + 1), found + 1


def _normalised(context: str, text: str) -> Iterator[tuple[int, int]]:
    """The places by the form NFC, in code points of the context as it is written."""
    if context.isascii() and text.isascii():
        return
    plain, bounds = _composed(context)
    wanted = unicodedata.normalize("NFC", text)
    for place in _places(plain, wanted):
        yield bounds[place][0], bounds[place + len(wanted) - 1][1]


def _composed(context: str) -> tuple[str, list[tuple[int, int]]]:
    """The form NFC, and of each of its code points those of the context that it is made of."""
    letters: list[str] = []
    bounds: list[tuple[int, int]] = []
    begin = 0
    for end in range(1, len(context) + 1):
        if end < len(context) and _goes_on(context[begin:end], context[end]):
            continue
        composed = unicodedata.normalize("NFC", context[begin:end])
        letters.append(composed)
        bounds += [(begin, end)] * len(composed)
        begin = end
    return "".join(letters), bounds


def _goes_on(before: str, letter: str) -> bool:
    """Whether a letter may become one with those before it."""
    if unicodedata.combining(letter):
        return True
    if letter.isascii():
        return False
    whole = unicodedata.normalize("NFC", before + letter)
    return whole != unicodedata.normalize("NFC", before) + unicodedata.normalize("NFC", letter)
