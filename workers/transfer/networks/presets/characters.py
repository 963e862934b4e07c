"""What BERT's tokenizer makes of each of Unicode's signs: a blank, nothing, letters, a sign by itself.

As Hugging Face's `tokenizers` (0.23), whose tables are those of Unicode 8, so that ids are equal and do not
depend on the Python that made a network.
"""

import unicodedata
from functools import lru_cache

BLANK, LETTER, ALONE, DROPPED = 0, 1, 2, 3

_BLOCKS = (range(1, 0xD800), range(0xE000, 0x20000), range(0x2F800, 0x2FA20), range(0xE0000, 0xE0200))
"""The signs that are looked at. Left out are the Chinese characters of the supplementary plane, each of which
stands alone in BERT: no vocabulary has them, and 50,000 signs would make every network larger and slower."""

_CHINESE = (range(0x4E00, 0xA000), range(0x3400, 0x4DC0), range(0xF900, 0xFB00), range(0x2F800, 0x2FA20))

_LATER = """
61d 7fd 890-891 898-89f 8ca-8e2 9fd-9fe a76 afa-aff b55 c04 c3c c77 c84 d00 d3b-d3c d81 eba 180f
1885-1886 1abf-1ace 1b7d-1b7e 1df6-1dfb 2e43-2e4f 2e52-2e5d a82c a8c5 a8ff a9bd 10d24-10d27
10eab-10ead 10f46-10f50 10f55-10f59 10f82-10f89 11070 11073-11074 110c2 110cd 111cf 1123e 1133b
11438-1143f 11442-11444 11446 1144b-1144f 1145a-1145b 1145d-1145e 11660-1166c 116b9 1182f-11837
11839-1183b 1193b-1193c 1193e 11943-11946 119d4-119d7 119da-119db 119e0 119e2 11a01-11a0a
11a33-11a38 11a3b-11a47 11a51-11a56 11a59-11a5b 11a8a-11a96 11a98-11a9c 11a9e-11aa2 11c30-11c36
11c38-11c3d 11c3f 11c41-11c45 11c70-11c71 11c92-11ca7 11caa-11cb0 11cb2-11cb3 11cb5-11cb6
11d31-11d36 11d3a 11d3c-11d3d 11d3f-11d45 11d47 11d90-11d91 11d95 11d97 11ef3-11ef4 11ef7-11ef8
11fff 12ff1-12ff2 13430-13438 16e97-16e9a 16f4f 16fe2 16fe4 1cf00-1cf2d 1cf30-1cf46 1e000-1e006
1e008-1e018 1e01b-1e021 1e023-1e024 1e026-1e02a 1e130-1e136 1e2ae 1e2ec-1e2ef 1e944-1e94a
1e95e-1e95f
"""
"""Marks, punctuation and format signs that came after Unicode 8, or changed: letters to `tokenizers`."""

_CHANGED = {"\u166d": ALONE, "\u1734": DROPPED, "\U000111c9": ALONE}
"""What they were in Unicode 8."""


@lru_cache(maxsize=2)
def signs(lowercase: bool) -> tuple[tuple[str, int, str], ...]:
    """Each sign, its sort, and the letters it becomes: three of a Korean syllable, one of most others."""
    return tuple((chr(number), *sign(chr(number), lowercase)) for block in _BLOCKS for number in block)


def sign(character: str, lowercase: bool) -> tuple[int, str]:
    """The sort of a character, and the letters it becomes: taken apart, without accents, made small."""
    if character in _CHANGED and (lowercase or _CHANGED[character] != DROPPED):
        return _CHANGED[character], "" if _CHANGED[character] == DROPPED else character
    if ord(character) in _later():
        return LETTER, character
    category = unicodedata.category(character)
    if character in " \t\n\r" or category in ("Zs", "Zl", "Zp"):
        return BLANK, " "
    if category in ("Cc", "Cf", "Co", "Cs") or character == "\ufffd":
        return DROPPED, ""
    letters = _plain(character) if lowercase else character
    if not letters:
        return DROPPED, ""
    if _is_alone(letters) or any(ord(character) in block for block in _CHINESE):
        return ALONE, letters
    return LETTER, letters


def _plain(character: str) -> str:
    if character.isascii():
        return character.lower()
    apart = unicodedata.normalize("NFD", character)
    # Letter by letter: of a word, Python would make another small sigma at its end.
    return "".join(letter.lower() for letter in apart if unicodedata.category(letter) != "Mn")


def _is_alone(letters: str) -> bool:
    if len(letters) > 1:
        return False
    ascii_sign = ord(letters) < 128 and not letters.isalnum()
    return ascii_sign or unicodedata.category(letters).startswith("P")


@lru_cache(maxsize=1)
def _later() -> frozenset[int]:
    ends = [[int(end, 16) for end in one.split("-")] for one in _LATER.split()]
    return frozenset(number for first, *last in ends for number in range(first, (last or [first])[0] + 1))
