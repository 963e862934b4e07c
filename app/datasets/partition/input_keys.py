"""The key of a text, a sequence, an image: 64 bits that follow from what is learnt of it.

`docs/data-sets.md` defines them, with test vectors.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps
from xxhash import xxh3_64

from app.datasets.partition.keys import Keys, text_key
from app.datasets.reading.letters import NUCLEOTIDE
from app.datasets.reading.levels import is_deep

_ORIENTATION = 0x0112  # of EXIF
_NUCLEIC = re.compile(f"[{re.escape(NUCLEOTIDE)}]*")


def keys_of_texts(texts: pa.Array) -> Keys:
    """Of each text in Unicode's form NFC, one blank for each run of them, none around; 0 where missing."""
    return np.fromiter((_of_text(text) for text in texts.to_pylist()), np.uint64, len(texts))


def _of_text(text: str | None) -> int:
    return 0 if text is None else text_key(" ".join(unicodedata.normalize("NFC", text).split()))


def keys_of_sequences(sequences: pa.Array) -> Keys:
    """Of each sequence's letters; 0 where missing.

    Args:
        sequences: capitals without blanks, as `reading.cells.sequences` gives them. U counts as T where all
            letters are those of nucleic acids.
    """
    return np.fromiter((_of_sequence(value) for value in sequences.to_pylist()), np.uint64, len(sequences))


def _of_sequence(letters: str | None) -> int:
    if letters is None:
        return 0
    if "U" in letters and _NUCLEIC.fullmatch(letters):
        letters = letters.replace("U", "T")
    return text_key(letters)


def key_of_image(image: Image.Image) -> int:
    """Of its width, height and pixels: RGB, or 16 bits of grey.

    Args:
        image: upright and on white, see `upright`. Which levels of 16 bits become black and white is the data
            set's matter, so they are no part of it.
    """
    hashed = xxh3_64(np.array(image.size, "<u4").tobytes())
    if is_deep(image):
        hashed.update(np.asarray(image.convert("I")).astype("<u2").tobytes())
    else:
        hashed.update((image if image.mode == "RGB" else image.convert("RGB")).tobytes())
    return hashed.intdigest()


def upright(image: Image.Image) -> Any:
    """The image as who learns from it sees it: turned as EXIF says, and on white where it is transparent."""
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    if image.mode in ("LA", "PA", "RGBA") or (image.mode == "P" and "transparency" in image.info):
        above = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", above.size, "white"), above).convert("RGB")
    return image
