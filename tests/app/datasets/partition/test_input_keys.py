"""Keys of texts, sequences and images: equal for what is learnt alike."""

from __future__ import annotations

import io
import struct
import unicodedata

import numpy as np
import pyarrow as pa
import pytest
import xxhash
from PIL import Image, ImageOps

from app.datasets.partition.input_keys import key_of_image, keys_of_sequences, keys_of_texts, upright

PIXELS = np.random.default_rng(0).integers(0, 256, (5, 7, 3)).astype(np.uint8)


def key(encoded: bytes) -> int:
    return key_of_image(upright(Image.open(io.BytesIO(encoded))))


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def test_texts_are_equal_in_any_form_of_unicode_and_with_any_blanks() -> None:
    written = ["Caf\u00e9 au\tlait ", "Cafe\u0301  au lait", " Caf\u00e9\nau\u00a0lait"]
    keys = keys_of_texts(pa.array([*written, "caf\u00e9 au lait", None]))
    plain = xxhash.xxh3_64_intdigest(unicodedata.normalize("NFC", "Caf\u00e9 au lait").encode())
    assert keys[:3].tolist() == [plain] * 3
    assert (keys[3] != plain, keys[4]) == (True, 0)


def test_u_is_t_where_all_letters_are_those_of_nucleic_acids() -> None:
    dna, rna, protein, other = keys_of_sequences(pa.array(["GATTACA", "GAUUACA", "MUTE", "MTTE"])).tolist()
    assert dna == rna == xxhash.xxh3_64_intdigest(b"GATTACA")
    assert protein != other


def test_an_image_s_key_is_that_of_its_size_and_pixels() -> None:
    plain = xxhash.xxh3_64_intdigest(struct.pack("<II", 7, 5) + PIXELS.tobytes())
    image = Image.fromarray(PIXELS)
    assert key(saved(image, "PNG")) == key(saved(image, "BMP")) == plain
    see_through = image.convert("RGBA")
    assert key(saved(see_through, "PNG")) == plain
    assert key(saved(image.transpose(Image.Transpose.ROTATE_90), "PNG")) != plain


def test_grey_and_coloured_files_of_the_same_pixels_are_equal() -> None:
    grey = Image.fromarray(PIXELS[:, :, 0])
    forms = [grey, grey.convert("RGB"), grey.convert("LA"), grey.convert("P")]
    assert len({key(saved(image, "PNG")) for image in forms}) == 1


def test_what_is_transparent_is_white() -> None:
    painted = np.concatenate([PIXELS, np.full((5, 7, 1), 255, np.uint8)], axis=2)
    painted[0, 0] = (1, 2, 3, 0)
    white = PIXELS.copy()
    white[0, 0] = 255
    assert key(saved(Image.fromarray(painted), "PNG")) == key(saved(Image.fromarray(white), "PNG"))


@pytest.mark.parametrize("orientation", [3, 6, 8])
def test_an_image_that_is_turned_by_exif_equals_the_turned_one(orientation: int) -> None:
    image = Image.fromarray(PIXELS)
    exif = Image.Exif()
    exif[0x0112] = orientation
    turned = ImageOps.exif_transpose(Image.open(io.BytesIO(saved(image, "PNG", exif=exif))))
    assert key(saved(image, "PNG", exif=exif)) == key(saved(turned, "PNG"))
    assert key(saved(turned, "PNG")) != key(saved(image, "PNG"))


def test_sixteen_bits_of_grey_keep_all_of_them() -> None:
    deep = np.arange(35, dtype=np.uint16).reshape(5, 7) * 1000
    plain = xxhash.xxh3_64_intdigest(struct.pack("<II", 7, 5) + deep.astype("<u2").tobytes())
    assert key(saved(Image.fromarray(deep), "PNG")) == plain
