"""Encoded images to pixels. A bundle carries this file: it imports nothing of ours."""

import io
import warnings
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

Image.MAX_IMAGE_PIXELS = None  # the limit is asked where a file is read


def decode(data: Any, channels: int) -> npt.NDArray[Any]:
    """An encoded image, or an array, as uint8 (h, w, channels).

    Turned upright by its EXIF orientation; the first frame of several; what is transparent lies on white; 16
    bits a channel are scaled to 8.
    """
    if isinstance(data, np.ndarray):
        return data
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        image: Any = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(((deep + 128) // 257).clip(0, 255).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA") or (image.mode == "P" and "transparency" in image.info):
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels
