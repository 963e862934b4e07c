"""Which writing do texts of a language have?"""

from __future__ import annotations

import unicodedata
from functools import lru_cache

_SCRIPTS = {
    "ARABIC": "ar fa ur ps sd ug ckb",
    "ARMENIAN": "hy",
    "BENGALI": "bn as",
    "CYRILLIC": "ru uk be bg mk sr kk ky mn tg tt ba cv",
    "DEVANAGARI": "hi mr ne sa bho mai",
    "ETHIOPIC": "am ti",
    "GEORGIAN": "ka",
    "GREEK": "el",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "HANGUL": "ko",
    "HEBREW": "he iw yi",
    "KANNADA": "kn",
    "KHMER": "km",
    "LAO": "lo",
    "MALAYALAM": "ml",
    "MYANMAR": "my",
    "ORIYA": "or",
    "SINHALA": "si",
    "TAMIL": "ta",
    "TELUGU": "te",
    "THAI": "th",
    "TIBETAN": "bo dz",
    "CJK": "zh ja yue",
    "LATIN": "en de fr es it pt nl sv da no nb nn fi is et lv lt pl cs sk sl hr bs hu ro sq tr az uz id "
    "ms vi tl "
    "sw af ca eu gl ga cy mt lb la eo so ha yo ig zu xh st sn rw mg jv su ceb ht gd br fo oc",
}
_OTHERS = {
    "ja": ("HIRAGANA", "KATAKANA"),
    "ko": ("CJK",),
    "sr": ("LATIN",),
    "kk": ("LATIN",),
    "uz": ("CYRILLIC",),
}
"""Writing that a language has besides."""

_LATIN_OR = {"mn": ("MONGOLIAN",), "az": ("CYRILLIC",), "ku": ("LATIN", "ARABIC")}
_NAMES = {"FULLWIDTH": "LATIN", "HALFWIDTH": "KATAKANA", "BOPOMOFO": "CJK"}
_LETTERS = 200


def scripts_of(language: str) -> frozenset[str] | None:
    """The scripts of a language by the first words of their letters' names in Unicode; None where unknown."""
    code = language.lower().replace("_", "-").split("-")[0]
    found = {script for script, codes in _SCRIPTS.items() if code in codes.split()}
    found |= {*_OTHERS.get(code, ()), *_LATIN_OR.get(code, ())}
    return frozenset(found) or None


def is_written_in(text: str, scripts: frozenset[str]) -> bool:
    """Whether half of the letters are of these scripts; true of a text without letters."""
    letters = [letter for letter in text[:_LETTERS] if letter.isalpha()]
    return 2 * sum(_script(letter) in scripts for letter in letters) >= len(letters)


@lru_cache(1 << 16)
def _script(letter: str) -> str:
    first = unicodedata.name(letter, "?").split(" ", 1)[0].split("-", 1)[0]
    return _NAMES.get(first, first)
