"""Which encoded images are read: PNG, JPEG, WebP, GIF and BMP that can be decoded, of usual modes."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any

from PIL import Image, ImageOps
from PIL import WebPImagePlugin as _webp  # noqa: F401  # Pillow knows a format once its plugin is imported

from .limits import Limits

FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP")
MODES = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr", "I;16", "I;16B", "I;16L", "I")
EXPECTED = "an image in PNG, JPEG, WebP, GIF or BMP"
_ORIENTATION = 0x0112  # of EXIF
_SMALLEST = 2  # pixels a side

Image.MAX_IMAGE_PIXELS = None  # the limit is ours, and is asked before a pixel is decoded


class BadImage(Exception):
    """It is none, broken, too large or too small."""

    def __init__(self, code: str, expected: str, received: str, hint: str) -> None:
        super().__init__(f"{expected}, received {received}")
        self.code, self.expected, self.received, self.hint = code, expected, received, hint


def _nothing(_: Image.Image) -> None:
    return


def decoded(
    data: Any,
    limits: Limits,
    before: Callable[[Image.Image], None] = _nothing,
    then: Callable[[Image.Image], None] = _nothing,
) -> Image.Image:
    """The image, its pixels decoded. `before` looks at it while they are not, `then` when they are.

    Raises:
        BadImage: it cannot be read, or one of these says so, or fails as decoders do.
    """
    if len(data) > limits.example_bytes:
        expected = f"images of at most {limits.example_bytes} bytes"
        raise BadImage("example_too_large", expected, f"{len(data)} bytes", "Make it smaller.")
    if not len(data):
        raise BadImage("no_image", EXPECTED, "nothing", "Leave the row out.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
            _check_size(image, limits)
            before(image)
            image.load()
            if image.getexif().get(_ORIENTATION, 1) != 1:  # who learns from it turns it upright
                ImageOps.exif_transpose(image)
            image.convert("L")  # some palettes turn out to be broken only here
            then(image)
    except (BadImage, MemoryError):
        raise
    except Exception as error:  # noqa: BLE001  # Pillow's decoders raise what they like on a broken file
        received = f"one that cannot be decoded ({str(error)[:120] or type(error).__name__})"
        if type(error).__name__ == "UnidentifiedImageError":
            received = f"{len(data)} bytes that are none, beginning with {bytes(data[:8])!r}"
        raise BadImage("broken_image", EXPECTED, received, "Save it anew, or leave it out.") from None
    if image.mode not in MODES:
        raise BadImage("unsupported_image", "8 or 16 bits a channel", image.mode, "Convert it to PNG.")
    return image


def _check_size(image: Image.Image, limits: Limits) -> None:
    received = f"{image.width} x {image.height}"
    if image.width * image.height > limits.pixels:
        hint = "Scale it down; whoever runs the service can allow more with MODEL_TRANSFER_MAX_IMAGE_PIXELS."
        raise BadImage("image_too_large", f"at most {limits.pixels} pixels", received, hint)
    if min(image.width, image.height) < _SMALLEST:
        raise BadImage("image_too_small", "2 x 2 pixels or more", received, "Leave it out.")
