"""Small files of every kind of data, of drawn values."""

from __future__ import annotations

import csv
import io
import random
import zipfile
from pathlib import Path

from PIL import Image

ROWS = 60


def table(path: Path) -> Path:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["a", "town", "y"])
        writer.writerows([rng.random(), f"town {row % 7}", row % 2] for row in range(ROWS))
    return path


def texts(path: Path) -> Path:
    rng = random.Random(0)
    words = [f"word{number}" for number in range(50)]
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "y"])
        writer.writerows([" ".join(rng.choices(words, k=12)), row % 2] for row in range(ROWS))
    return path


def sequences(path: Path) -> Path:
    rng = random.Random(0)
    path.write_text(
        "".join(
            f">s{row} label={'ab'[row % 2]}\n{''.join(rng.choices('ACGT', k=40))}\n" for row in range(ROWS)
        )
    )
    return path


def images(path: Path) -> Path:
    rng = random.Random(0)
    with zipfile.ZipFile(path, "w") as archive:
        for row in range(ROWS):
            content = io.BytesIO()
            Image.frombytes("RGB", (40, 40), rng.randbytes(4800)).save(content, "PNG")
            archive.writestr(f"class {row % 2}/{row}.png", content.getvalue())
    return path


def pixels(path: Path) -> Path:
    rng = random.Random(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"p{number}" for number in range(64)), "y"])
        writer.writerows([*(rng.randrange(256) for _ in range(64)), row % 2] for row in range(ROWS))
    return path
