"""Pictures of 16 bits as ones of 8: by the data set's darkest and brightest value where it uses few."""

from __future__ import annotations

import io
import warnings
from typing import Any

import pyarrow as pa
from PIL import Image, ImageOps

Levels = tuple[int, int]

WHOLE: Levels = (0, 65_535)
"""What 16 bits can say."""


def scaled(cells: pa.Array, levels: Levels) -> pa.Array:
    """Encoded images, those of 16 bits of grey as PNG of 8: `levels`, and what is beyond, become 0 and 255.

    All others are handed on as they are, and so is what is no image: who decodes it says so.
    """
    return pa.array([_scaled(value, levels) for value in cells], pa.binary())


def _scaled(cell: Any, levels: Levels) -> Any:
    data = cell.as_buffer() if cell.is_valid else b""
    if bytes(data[:4]) != b"\x89PNG":  # of the formats that are read, the one with 16 bits
        return None if not cell.is_valid else cell.as_py()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image: Any = Image.open(io.BytesIO(data), formats=("PNG",))
            if not is_deep(image):
                return cell.as_py()
            out = io.BytesIO()
            eight_bits(ImageOps.exif_transpose(image), levels).save(out, "PNG", compress_level=1)
    except MemoryError:
        raise
    except Exception:  # noqa: BLE001  # Pillow's decoders raise what they like on a broken file
        return cell.as_py()
    return out.getvalue()


def is_deep(image: Image.Image) -> bool:
    """Whether it has more than 8 bits of grey."""
    return image.mode.startswith("I")


def eight_bits(image: Image.Image, levels: Levels = WHOLE) -> Image.Image:
    """A picture of 16 bits of grey in 8: 255 · (x - low) / (high - low), rounded, cut at the ends."""
    low, high = levels
    scale = 255 / max(high - low, 1)
    offset = 0.5 - low * scale
    return image.convert("I").point(lambda value: value * scale + offset).convert("L")
