from __future__ import annotations

import io

import imagehash
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from scipy.fft import dctn

from app.datasets.partition.perceptual_hash import are_near, bands, signatures, thumbnail


def photograph(seed: int) -> Image.Image:
    rough = np.random.default_rng(seed).integers(0, 256, (7, 9, 3), np.uint8)
    return Image.fromarray(rough).resize((135, 105), Image.Resampling.BICUBIC)


def saved(image: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def signed(images: list[Image.Image]) -> NDArray[np.uint8]:
    return signatures([thumbnail(image) for image in images])[0]


def test_the_coefficients_are_those_of_the_cosine_transform() -> None:
    picture = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16), np.uint8))
    expected = dctn(np.asarray(picture).astype(float), norm="ortho")[:8, :8].ravel()[1:]
    found = signed([picture])[0, :63].astype(int) - 128
    assert found == pytest.approx(expected * 127 / np.linalg.norm(expected), abs=0.51)


def test_near_pictures_are_near_by_imagehash_too_and_others_by_neither() -> None:
    pictures = [photograph(seed) for seed in range(20)]
    others = [saved(picture, quality).resize((90, 70)) for picture in pictures for quality in (60, 90)]
    one = signed(pictures)
    assert are_near(np.repeat(one, 2, axis=0), signed(others)).all()
    hashes = [imagehash.phash(picture) for picture in pictures]
    for number, other in enumerate(others):
        assert hashes[number // 2] - imagehash.phash(other) <= 6
    for number, known in enumerate(hashes):
        for second in range(number):
            assert known - hashes[second] > 12
            assert not are_near(one[number : number + 1], one[second : second + 1])[0]


def test_near_pictures_share_a_band() -> None:
    pictures = [photograph(seed) for seed in range(200)]
    one, other = signed(pictures), signed([saved(picture, 50) for picture in pictures])
    assert are_near(one, other).all()
    assert (bands(one) == bands(other)).any(axis=0).all()
    assert not (bands(one) == bands(np.roll(other, 1, axis=0))).any()


def test_a_thumbnail_shows_16_bits_from_the_darkest_to_the_brightest() -> None:
    grey = photograph(1).convert("L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 8 + 1000)
    assert are_near(signed([grey]), signed([deep]))[0]


def test_pictures_of_every_mode_have_a_thumbnail() -> None:
    picture = photograph(1)
    modes = ["1", "L", "P", "RGB", "CMYK", "YCbCr"]
    assert {len(thumbnail(picture.convert(mode))) for mode in modes} == {257, 769}
