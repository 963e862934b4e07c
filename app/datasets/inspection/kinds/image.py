"""Images: PNG, JPEG, WebP, GIF and BMP, each decoded once before the data set exists."""

from __future__ import annotations

import base64
import hashlib
import io
import sys
import warnings
from collections import Counter
from typing import Any

import numpy as np
import pyarrow as pa
from PIL import Image, ImageOps

from app.datasets.inspection.kinds.bit_depth import Depth
from app.datasets.inspection.kinds.examples import Measure, RefusedExample
from app.datasets.partition.input_keys import key_of_image, upright
from app.datasets.partition.keys import Keys
from app.datasets.partition.near_duplicates import image_signatures
from app.datasets.partition.perceptual_hash import thumbnail
from app.datasets.partition.shingles import Bytes
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.images import EXPECTED, FORMATS, BadImage, decoded
from app.datasets.reading.levels import WHOLE, Levels, eight_bits, is_deep
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import ColumnProfile, Notice, ValueCount
from app.datasets.reading.words import Role

_JPEG_SCAN, _USUAL_SCANS = b"\xff\xda", 32
_THUMBNAIL = 64


class ImageScan:
    """The statistics of a column of encoded images as its batches go by."""

    def __init__(self, name: str, limits: Limits) -> None:
        self.name, self.type = name, "image"
        self.missing = 0
        self._limits = limits
        self._width, self._height, self._bytes = Measure(), Measure(), Measure()
        self._modes: Counter[str] = Counter()
        self._formats: Counter[str] = Counter()
        self._animated = 0
        self._depth = Depth()
        self._most = sys.maxsize
        self._decoded = 0  # bytes, of all images so far

    def allow(self, most: int) -> None:
        """Refuse the image with which more than `most` bytes would be decoded."""
        self._most = most

    def add(self, cells: pa.Array) -> tuple[pa.Array, Bytes, Keys]:
        """A digest of each image, its signature and its key.

        Raises:
            RefusedExample: what is no image, broken, too large or too small.
        """
        digests: list[str] = []
        thumbnails: list[bytes] = []
        keys: list[int] = []
        sizes: list[tuple[int, int, int]] = []
        if not (pa.types.is_binary(cells.type) or pa.types.is_string(cells.type)):
            raise RefusedExample(0, "no_image", EXPECTED, f"{cells.type}", "Declare another `input`.")
        for index, value in enumerate(cells):
            data = value.as_buffer() if value.is_valid else b""
            image, small, key = self._opened(index, data)
            sizes.append((image.width, image.height, len(data)))
            digests.append(hashlib.sha256(data).hexdigest())
            thumbnails.append(small)
            keys.append(key)
        for measure, values in zip(
            (self._width, self._height, self._bytes), zip(*sizes, strict=True), strict=False
        ):
            measure.add(values)
        return pa.array(digests, pa.string()), image_signatures(thumbnails), np.array(keys, np.uint64)

    def _opened(self, index: int, data: Any) -> tuple[Image.Image, bytes, int]:
        """The decoded image, its thumbnail and its key."""
        seen: list[tuple[bytes, int]] = []

        def look(image: Image.Image) -> None:
            turned = upright(image)  # as who learns from it does
            seen.append((thumbnail(turned), key_of_image(turned)))
            self._depth.add(image, data)

        try:
            image = decoded(data, self._limits, before=lambda image: self._look_at(image, data), then=look)
        except BadImage as bad:
            raise RefusedExample(index, bad.code, bad.expected, bad.received, bad.hint) from None
        self._modes[image.mode] += 1
        return image, *seen[0]

    def _look_at(self, image: Image.Image, data: Any) -> None:
        """Before it is decoded."""
        self._check_work(image, data)
        self._formats[image.format or "?"] += 1
        # Not n_frames: to count them, Pillow goes through millions of empty ones.
        self._animated += getattr(image, "is_animated", False) and image.format != "MPO"

    def _check_work(self, image: Image.Image, data: Any) -> None:
        # A JPEG's every scan goes over all pixels, and may be a few bytes: usual ones have ten.
        scans = bytes(data).count(_JPEG_SCAN) if image.format in ("JPEG", "MPO") else 1
        self._decoded += image.width * image.height * len(image.getbands()) * (1 + scans // _USUAL_SCANS)
        if self._decoded > self._most:
            expected = "images that are not much larger decoded than the file, all together"
            received = f"{image.width} x {image.height} pixels in {len(data)} bytes, after others like it"
            hint = (
                "Scale them down, or upload fewer; whoever runs the service can allow more with "
                "MODEL_TRANSFER_MAX_UNPACKED_RATIO."
            )
            raise BadImage("archive_too_large", expected, received, hint)

    def profile(self, role: Role) -> ColumnProfile:
        """Sizes, formats and modes."""
        counts = [*self._formats.most_common(), *self._modes.most_common()]
        spreads = {
            "width": self._width.spread(),
            "height": self._height.spread(),
            "bytes": self._bytes.spread(),
        }
        return ColumnProfile(
            name=self.name,
            type="image",
            role=role,
            missing=0,
            distinct=len(self._formats),
            top=[ValueCount(value=value, count=count) for value, count in counts],
            measures={name: spread for name, spread in spreads.items() if spread is not None},
        )

    @property
    def levels(self) -> Levels | None:
        """The values that become black and white, of 16 bits of which few are used."""
        return self._depth.levels

    def notices(self) -> list[Notice]:
        """Pictures that move, and what becomes of 16 bits."""
        return self._moving() + self._depth.notices(self.name)

    def _moving(self) -> list[Notice]:
        if not self._animated:
            return []
        message = f"{self._animated} images have several frames; the first of each is used."
        return [Notice(code="animated_images", column=self.name, message=message)]


def shown(values: pa.Array, levels: Levels | None = None) -> list[Any]:
    """Thumbnails as data URIs: PNG of at most 64 pixels a side, upright."""
    return [_shown(row, value.as_buffer(), levels) for row, value in enumerate(values, start=1)]


def _shown(row: int, data: Any, levels: Levels | None) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _thumbnail(data, levels)
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise what they like on a broken file
        received = f"one that cannot be turned upright and shown ({str(error)[:120] or type(error).__name__})"
        message = f"Expected {EXPECTED}. Received: {received}, in row {row}."
        told = {"row": row, "column": None, "expected": EXPECTED, "received": received}
        raise DatasetError("broken_image", message, "Save it anew, or leave it out.", [told]) from error


def _thumbnail(data: Any, levels: Levels | None) -> str:
    image: Any = Image.open(io.BytesIO(data), formats=FORMATS)
    image = ImageOps.exif_transpose(image)
    if is_deep(image):
        image = eight_bits(image, levels or WHOLE)
    image = image.convert("RGBA" if image.mode in ("LA", "PA", "RGBA", "P") else "RGB")
    image.thumbnail((_THUMBNAIL, _THUMBNAIL))
    out = io.BytesIO()
    image.save(out, "PNG")
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
