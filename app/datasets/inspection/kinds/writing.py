"""Which writing has no blanks between its words: told by its letters, as short texts have few."""

from __future__ import annotations

import re
from collections.abc import Iterable

WITHOUT_BLANKS = 0.3
"""Of all letters: from this share on, texts are cut into characters."""

LETTERS_A_WORD = 15
"""Where words are longer than this on average, nothing stands between them either."""

_NO_LETTERS = re.compile(r"[\W\d_]+")
_NO_ASCII_LETTERS = bytes(code for code in range(128) if not chr(code).isalpha())
_WITHOUT = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u19e0-\u1aad\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9fe\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9d"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai, kana, Chinese characters."""


def letters(text: str) -> tuple[int, int]:
    """How many letters a text has, and how many of them are of writing without blanks."""
    if text.isascii():
        return len(text.encode().translate(None, _NO_ASCII_LETTERS)), 0
    without = len(_WITHOUT.findall(text))
    others = len(_NO_LETTERS.sub("", _WITHOUT.sub("", text)))
    return without + others, without


def share_without_blanks(texts: Iterable[str]) -> float:
    """The share of the letters of all texts that are of writing without blanks."""
    total = without = 0
    for text in texts:
        count, of_it = letters(text)
        total, without = total + count, without + of_it
    return without / total if total else 0.0
