"""Images to pixels 0 to 255 of one size: decoded and turned upright here, scaled inside the network."""

import io
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops
from PIL import Image, ImageOps

from workers.transfer.data import Array, Column

OPTIONS = ("image_size", "channels")
"""Those of a network's options that say how its inputs are read."""

LARGEST = 96
_LOOKED_AT = 256
_BLOCK_PIXELS = 1 << 24

Image.MAX_IMAGE_PIXELS = None  # the limit was asked at the upload


def first(columns: Sequence[Column], train: Mapping[str, Array], options: Mapping[str, Any]) -> keras.Model:
    """Images (n, any height, any width, channels) to whole pixels (n, height, width, channels).

    Size and channels are found in the first 256 train rows unless given: their median height and width, at
    most 96 each; one channel where all are grey, else three.
    """
    some = train["image"][:_LOOKED_AT]
    height, width = options["image_size"] or ((224, 224) if options["kind"] == "pretrained" else _size(some))
    channels = options["channels"] or (1 if all(map(_is_grey, some)) else 3)
    image = keras.Input((None, None, channels), name="image")
    scaled = keras.layers.Resizing(height, width, antialias=True, name="resizing")(image)
    return keras.Model(image, ops.clip(ops.round(scaled), 0.0, 255.0), name="preprocessing")


def blocks(part: keras.Model, inputs: Sequence[Array]) -> Iterator[Array]:
    """Pixels (b, height, width, channels) in 8 bits: whole numbers, so nothing is lost."""
    (values,) = inputs
    channels = part.input_shape[-1]
    _, height, width, _ = part.output_shape
    rows = max(1, min(1024, _BLOCK_PIXELS // (height * width)))
    for start in range(0, max(len(values), 1), rows):
        some = [decode(value, channels) for value in values[start : start + rows]]
        out = np.empty((len(some), height, width, channels), np.uint8)
        for places in _by_shape(some):
            # Photographs are large: few at a time.
            step = max(1, _BLOCK_PIXELS // some[places[0]][..., 0].size)
            for at in range(0, len(places), step):
                of = places[at : at + step]
                pixels = np.stack([some[place] for place in of])
                # Of the right size already, the part would only hand them on.
                is_right = pixels.shape[1:3] == (height, width)
                out[of] = pixels if is_right else np.asarray(part(pixels)).astype(np.uint8)
        yield out


def settled(part: keras.Model) -> dict[str, Any]:
    """Size and channels."""
    _, height, width, channels = part.output_shape
    return {"image_size": [int(height), int(width)], "channels": int(channels)}


def unread(part: keras.Model, inputs: Mapping[str, Array]) -> dict[str, float]:
    """Nothing is left out."""
    return {}


def tokens(part: keras.Model) -> int:
    """Pixels are no ids."""
    return 0


def decode(data: Any, channels: int) -> Array:
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


def _is_grey(data: Any) -> bool:
    if isinstance(data, np.ndarray):
        return bool(data.shape[-1] == 1)
    return str(Image.open(io.BytesIO(data)).mode)[0] in "1LI"


def _size(some: Array) -> tuple[int, int]:
    sizes = []
    for data in some:
        if isinstance(data, np.ndarray):
            sizes.append(data.shape[1::-1])
        else:
            image = Image.open(io.BytesIO(data))
            turned = image.getexif().get(0x0112, 1) >= 5
            sizes.append(image.size[::-1] if turned else image.size)
    width, height = np.median(np.array(sizes), axis=0)
    return min(int(height), LARGEST), min(int(width), LARGEST)


def _by_shape(images: Sequence[Array]) -> list[list[int]]:
    places: dict[tuple[int, ...], list[int]] = {}
    for place, image in enumerate(images):
        places.setdefault(image.shape, []).append(place)
    return list(places.values())
