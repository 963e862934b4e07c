"""The words that say which part of the data an example is in."""

import re

WORDS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "validate": "validation",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
    "development": "validation",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}


def folder_split(name: str) -> str | None:
    """The part that a folder's name says, as `seg_train`, `test-images` or `val2017` do; None where none.

    Names that hold words of two parts say neither.
    """
    whole = WORDS.get(name.strip().lower())
    if whole:
        return whole
    pieces = re.split(r"[\W\d_]+", name.lower())
    said = {WORDS.get(piece.removesuffix("set") or piece) for piece in pieces} - {None}
    return said.pop() if len(said) == 1 else None
