"""How does a key look, and how is one told from a text that only looks like one?

As GitHub's: a prefix by which scanners find what was published by mistake, thirty random letters and digits,
and six of a checksum. So a mistyped key is told from an unknown one without a look into any database.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from zlib import crc32

PREFIX = "mt_"
RANDOM, CHECKSUM = 30, 6
SHOWN = len(PREFIX) + 8
"""Characters by which lists tell a key from others: 22 random ones, 131 bits, remain secret."""

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase

_KEY = re.compile(rf"{PREFIX}(?P<random>[0-9A-Za-z]{{{RANDOM}}})(?P<checksum>[0-9A-Za-z]{{{CHECKSUM}}})\Z")


def new_key() -> str:
    """A key that nobody can guess: 178 random bits."""
    drawn = "".join(secrets.choice(ALPHABET) for _ in range(RANDOM))
    return f"{PREFIX}{drawn}{_checksum(drawn)}"


def is_whole(text: str) -> bool:
    """Whether it is a key as one was shown: no letter is missing or another."""
    found = _KEY.match(text)
    return found is not None and found["checksum"] == _checksum(found["random"])


def hashed(key: str) -> str:
    """What is kept of a key.

    One round of SHA-256: a slow hash is for passwords, which can be guessed; 178 random bits cannot.
    """
    return hashlib.sha256(key.encode()).hexdigest()


def _checksum(drawn: str) -> str:
    number, digits = crc32(drawn.encode()), ""
    for _ in range(CHECKSUM):
        number, digit = divmod(number, len(ALPHABET))
        digits = ALPHABET[digit] + digits
    return digits
