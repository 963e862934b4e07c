"""Pictures of 16 bits, and pictures that are the same one."""

from __future__ import annotations

import io
import math
import random
from pathlib import Path

import pytest
from PIL import Image, ImageOps

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.levels import eight_bits
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read
from tests.app.datasets.inspection.kinds.conftest import packed

Files = dict[str, bytes | str]


def inspected(folder: Path, files: Files) -> Inspection:
    path = folder / "a.zip"
    path.write_bytes(packed(files))
    return inspect(path, Declaration(filename="a.zip"))


def told(inspection: Inspection) -> dict[str, str]:
    return {notice.code: notice.message for notice in inspection.warnings}


def deep(low: int, high: int, seed: int = 0, odd: int | None = None) -> bytes:
    draw = random.Random(seed)
    values = [draw.randint(low, high) for _ in range(16 * 16)]
    values[:2] = [low, high]
    if odd is not None:
        values[2] = odd
    data = b"".join(value.to_bytes(2, "little") for value in values)
    return encoded(Image.frombytes("I;16", (16, 16), data))


def encoded(image: Image.Image, form: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, form, **options)
    return out.getvalue()


def scene(seed: int, size: int = 64, turned: bool = False) -> Image.Image:
    """Soft light and dark, as in a photograph, of its own colours."""
    draw = random.Random(seed)
    waves = [(draw.uniform(-4, 4), draw.uniform(-4, 4), draw.uniform(0, 6)) for _ in range(4)]
    tint = [draw.uniform(0.5, 1) for _ in range(3)]
    data = bytearray()
    for y in range(size):
        for x in range(size):
            light = sum(math.sin(a * x / size * 3 + b * y / size * 3 + c) for a, b, c in waves) / 8 + 0.5
            data += bytes(min(255, max(0, int(255 * light * share))) for share in tint)
    image = Image.frombytes("RGB", (size, size), bytes(data))
    return image.rotate(90) if turned else image


@pytest.mark.parametrize(
    ("low", "high", "levels"), [(1030, 1200, (1030, 1200)), (0, 4095, (0, 4095)), (0, 65_535, None)]
)
def test_sixteen_bits_become_eight_by_the_data_sets_range(
    tmp_path: Path, low: int, high: int, levels: tuple[int, int] | None
) -> None:
    files: Files = {f"{x}/{n}.png": deep(low, high, n) for x in "ab" for n in range(6)}
    inspection = inspected(tmp_path, files)
    description = inspection.description
    assert description.conventions_of("image").levels == levels
    assert ("levels_scaled" in told(inspection)) == (levels is not None)
    assert "few_levels" not in told(inspection)
    table = read(tmp_path / "a.zip", description, tmp_path)
    image = Image.open(io.BytesIO(table["image"][0].as_py()))
    assert image.mode == ("L" if levels else "I;16")
    if levels:
        assert image.getextrema() == (0, 255)


def test_a_few_broken_pixels_do_not_set_the_range(tmp_path: Path) -> None:
    files: Files = {
        f"{x}/{n}.png": deep(1000, 1200, n, 65_535 if n == 3 else None) for x in "ab" for n in range(8)
    }
    levels = inspected(tmp_path, files).description.conventions_of("image").levels
    assert levels is not None
    assert levels[0] >= 900
    assert levels[1] <= 1400


def test_little_that_is_left_of_sixteen_bits_is_told(tmp_path: Path) -> None:
    """Black edges of a scan take the range that what is seen in it would need."""
    framed: Files = {}
    for n in range(16):
        image = Image.open(io.BytesIO(deep(1000, 1080, n)))
        image.paste(0, (0, 0, 16, 1))
        framed[f"{'ab'[n % 2]}/{n}.png"] = encoded(image)
    assert "few_levels" in told(inspected(tmp_path, framed))
    masks: Files = {f"{x}/{n}.png": deep(1000, 1001, n) for x in "ab" for n in range(8)}
    assert "few_levels" not in told(inspected(tmp_path, masks))


def test_eight_bits_are_rounded_and_cut_at_the_ends() -> None:
    data = b"".join(value.to_bytes(2, "little") for value in (0, 1000, 1001, 1002, 1510, 65_535))
    image = Image.frombytes("I;16", (6, 1), data)
    assert list(eight_bits(image, (1000, 1510)).tobytes()) == [0, 0, 1, 1, 255, 255]
    assert list(eight_bits(image).tobytes()) == [0, 4, 4, 4, 6, 255]


def test_pictures_shrunk_and_saved_anew_are_found_over_the_split(tmp_path: Path) -> None:
    files: Files = {f"train/{'ab'[n % 2]}/{n}.png": encoded(scene(n)) for n in range(12)}
    for n in range(12):
        small = scene(n).resize((40, 40), Image.Resampling.BICUBIC)
        files[f"test/{'ab'[n % 2]}/{n}.jpg"] = encoded(small, "JPEG", quality=60)
    files |= {f"test/{'ab'[n % 2]}/own{n}.png": encoded(scene(100 + n)) for n in range(8)}
    message = told(inspected(tmp_path, files))["near_duplicates"]
    assert message.startswith("12 images")
    assert "12 of them stand in another part" in message


def test_pictures_of_one_outline_and_other_colours_are_no_repeats(tmp_path: Path) -> None:
    files: Files = {}
    for n in range(6):
        grey = scene(n).convert("L")
        for label, colour in (("red", "#ff4040"), ("blue", "#4040ff")):
            files[f"{label}/{n}.png"] = encoded(ImageOps.colorize(grey, "black", colour).convert("RGB"))
    assert "near_duplicates" not in told(inspected(tmp_path, files))


def test_pictures_are_compared_as_they_are_seen_upright(tmp_path: Path) -> None:
    def tagged(image: Image.Image, orientation: int) -> bytes:
        exif = Image.Exif()
        exif[0x0112] = orientation
        return encoded(image, "JPEG", quality=95, exif=exif)

    same: Files = {f"{'ab'[n % 2]}/{n}.jpg": tagged(scene(n), 1) for n in range(8)}
    turned: Files = {f"{'ab'[n % 2]}/t{n}.jpg": tagged(scene(n), 6) for n in range(8)}
    assert "near_duplicates" not in told(inspected(tmp_path, {**same, **turned}))
    back: Files = {f"{'ab'[n % 2]}/t{n}.jpg": tagged(scene(n, turned=True), 6) for n in range(8)}
    assert told(inspected(tmp_path, {**same, **back}))["near_duplicates"].startswith("8 images")


def test_one_picture_under_two_labels_is_told(tmp_path: Path) -> None:
    files: Files = {f"{x}/{n}.png": encoded(scene(n)) for x in "ab" for n in range(6)}
    assert told(inspected(tmp_path, files))["contradicting_labels"].startswith("6 images")
