"""Files of examples, made here."""

from __future__ import annotations

import io
import stat
import zipfile
from typing import Any

from PIL import Image


def picture(seed: int = 0, size: tuple[int, int] = (8, 8), mode: str = "RGB", **options: Any) -> bytes:
    """A picture whose pixels follow from the seed."""
    channels = {"L": 1, "RGB": 3, "RGBA": 4}[mode]
    count = size[0] * size[1] * channels
    data = bytes((seed * 37 + place * (7 + seed)) % 256 for place in range(count))
    out = io.BytesIO()
    Image.frombytes(mode, size, data).save(out, options.pop("format", "PNG"), **options)
    return out.getvalue()


def packed(files: dict[str, bytes | str], **attributes: int) -> bytes:
    """A zip of these files; `attributes` are Unix modes by name."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = attributes.get(name, stat.S_IFREG | 0o644) << 16
            archive.writestr(info, content)
    return out.getvalue()


def folders(count: int = 6, prefix: str = "") -> dict[str, bytes | str]:
    """Pictures in a folder for each of two classes."""
    return {
        f"{prefix}{label}/{number}.png": picture(number + 50 * place)
        for place, label in enumerate(("cat", "dog"))
        for number in range(count)
    }
