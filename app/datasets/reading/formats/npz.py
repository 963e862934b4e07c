"""NumPy archives of image arrays and their labels, read without NumPy: nothing in them is unpickled."""

from __future__ import annotations

import io
import math
import re
import struct
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pyarrow as pa
from PIL import Image

from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError
from ..limits import Limits
from ..splits_words import WORDS
from .decoding import broken, decoding
from .listing import check_count, check_entries, open_archive, too_much

_BATCH_BYTES = 8 << 20
_BATCH_ROWS = 1024
_SPLITS = "|".join(WORDS)
_IMAGES = rf"^(?:(?P<before>{_SPLITS})_)?(?:images?|x|data)(?:_(?P<after>{_SPLITS}))?$"
_LABELS = rf"^(?:(?P<before>{_SPLITS})_)?(?:labels?|y|targets?)(?:_(?P<after>{_SPLITS}))?$"
_MODES = {("u1", 1): "L", ("u1", 3): "RGB", ("u1", 4): "RGBA", ("u2", 1): "I;16"}
_FIELDS = {
    "descr": r"['\"]descr['\"]\s*:\s*['\"]([^'\"]*)['\"]",
    "fortran_order": r"['\"]fortran_order['\"]\s*:\s*(True|False)",
    "shape": r"['\"]shape['\"]\s*:\s*\(((?:\s*\d+L?\s*,)*\s*(?:\d+L?)?\s*)\)",
}
_DIMENSIONS, _DIGITS = 32, 15
_INTEGERS = {
    "i1": "b",
    "u1": "B",
    "i2": "h",
    "u2": "H",
    "i4": "i",
    "u4": "I",
    "i8": "q",
    "u8": "Q",
    "b1": "?",
}


@dataclass(frozen=True)
class Header:
    """The head of one array: type such as `u1`, byte order and shape."""

    kind: str
    order: str
    shape: tuple[int, ...]

    @property
    def item_bytes(self) -> int:
        """Bytes of one value."""
        return int(self.kind[1:]) * (4 if self.kind[0] == "U" else 1)


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """The columns image, label and, with arrays of several parts, split.

    Arrays are found by name: `images` and `labels`, `x` and `y`, `train_images` and `train_labels`,
    `x_train` and `y_train`, and so on.

    Raises:
        DatasetError: other arrays, or ones that are no images.
    """
    limits = limits or Limits()
    check_count(path, limits)
    with open_archive(path) as archive:
        check_entries(archive)
        most = limits.unpacked_from(path.stat().st_size)
        for info in archive.infolist():
            most -= info.file_size
            if most < 0:
                raise too_much(info, limits.unpacked_from(path.stat().st_size))
        parts = _parts(archive)
        names = True
        for images, labels in parts.values():
            of_label = _header(archive, labels)
            names = names and of_label.kind[0] == "U"
            shape, of_labels = _image_header(archive, images).shape, of_label.shape
            if shape[0] != of_labels[0] or math.prod(of_labels) != of_labels[0]:
                message = (
                    f"Expected one label for each of the {shape[0]} images of {images}. "
                    f"Received: {labels} of shape {of_labels}."
                )
                raise DatasetError("shapes_differ", message, "Save arrays of equal lengths.")
    return ReadOptions(columns=["image", "label", *([] if None in parts else ["split"])], names=names)


def open_batches(path: Path, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Batches of images as PNG, labels as text, and the split's word."""
    with open_archive(path) as archive:
        for part, (images, labels) in _parts(archive).items():
            yield from _batches(archive, part, images, labels)


def _batches(
    archive: zipfile.ZipFile, part: str | None, images: str, labels: str
) -> Iterator[pa.RecordBatch]:
    texts = _labels(archive, labels)
    with _opened(archive, images) as (stream, header):
        size = math.prod(header.shape[1:]) * header.item_bytes
        rows = max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(size, 1)))
        for start in range(0, header.shape[0], rows):
            count = min(rows, header.shape[0] - start)
            encoded = [_png(_exactly(stream, size, images), header) for _ in range(count)]
            columns = [pa.array(encoded, pa.binary()), pa.array(texts[start : start + count], pa.string())]
            names = ["image", "label"]
            if part is not None:
                columns.append(pa.array([part] * count, pa.string()))
                names.append("split")
            yield pa.RecordBatch.from_arrays(columns, names=names)


def _png(data: bytes, header: Header) -> bytes:
    height, width, channels = _size(header)
    if header.kind == "u2" and header.order == ">":
        swapped = bytearray(data)
        swapped[0::2], swapped[1::2] = data[1::2], data[0::2]
        data = bytes(swapped)
    out = io.BytesIO()
    mode = _MODES[(header.kind, channels)]
    Image.frombytes(mode, (width, height), data).save(out, "PNG", compress_level=1)
    return out.getvalue()


def _size(header: Header) -> tuple[int, int, int]:
    height, width, *channels = header.shape[1:]
    return height, width, channels[0] if channels else 1


def _parts(archive: zipfile.ZipFile) -> dict[str | None, tuple[str, str]]:
    """The names of images and labels by the split's word; None for the only part."""
    names = [name.removesuffix(".npy") for name in archive.namelist() if name.endswith(".npy")]
    found, labels = _by_part(names, _IMAGES), _by_part(names, _LABELS)
    lost = [name for part, name in found.items() if part not in labels]
    if not found or lost or (None in found and len(found) > 1):
        message = (
            "Expected arrays `images` and `labels`, or `train_images`, `train_labels` and so on for "
            f"validation and test (or x and y). Received: {', '.join(names[:20]) or 'no array'}."
        )
        raise DatasetError("arrays_not_found", message, "Save them with numpy.savez under these names.")
    return {part: (name, labels[part]) for part, name in found.items()}


def _by_part(names: list[str], expression: str) -> dict[str | None, str]:
    found: dict[str | None, str] = {}
    for match in filter(None, (re.match(expression, name) for name in names)):
        part, name = _part(match), match[0]
        if part in found:
            received = f"{found[part]} and {name}"
            message = f"Expected one array of images and one of labels a part. Received: {received}."
            raise DatasetError("arrays_not_found", message, "Leave one of them out.")
        found[part] = name
    return found


def _part(match: re.Match[str]) -> str | None:
    word = match["before"] or match["after"]
    return None if word is None else WORDS[word]


def _header(archive: zipfile.ZipFile, name: str) -> Header:
    with _opened(archive, name) as (_, header):
        return header


@contextmanager
def _opened(archive: zipfile.ZipFile, name: str) -> Iterator[tuple[IO[bytes], Header]]:
    """An array's values, behind its header."""
    info = archive.getinfo(f"{name}.npy")
    with _told(name), archive.open(info) as stream:
        header = _read_header(stream, name)
        if math.prod(header.shape) * header.item_bytes > info.file_size - stream.tell():
            raise _cut_off(name)
        yield stream, header


@contextmanager
def _told(name: str) -> Iterator[None]:
    """Tell what zipfile raises of an entry: RuntimeError, among others."""
    try:
        with decoding(f"array {name}"):
            yield
    except (RuntimeError, ValueError) as error:
        raise broken(f"array {name}", error) from error


def _image_header(archive: zipfile.ZipFile, name: str) -> Header:
    header = _header(archive, name)
    right = len(header.shape) in (3, 4) and (header.kind, _size(header)[2]) in _MODES
    if not right:
        message = (
            f"Expected images as an array (n, height, width) or (n, height, width, 1, 3 or 4) of uint8, or "
            f"of one channel of uint16. Received: {name} of {header.kind}, shape {header.shape}."
        )
        raise DatasetError("no_images", message, "Convert it, such as by (x * 255).astype('uint8').")
    return header


def _read_header(stream: IO[bytes], name: str) -> Header:
    try:
        if stream.read(6) != b"\x93NUMPY":
            raise ValueError("it has another signature")
        version = stream.read(2)[0]
        size = struct.unpack("<H" if version == 1 else "<I", stream.read(2 if version == 1 else 4))[0]
        if size > 10_000:
            raise ValueError("its header is too long")
        kind, is_fortran, shape = _fields(stream.read(size).decode("latin-1"))
        if is_fortran and len(shape) > 1:
            raise ValueError("it is in Fortran order; save numpy.ascontiguousarray of it")
        if not re.fullmatch(r"[<>|=]?[biufU][1-9]\d{0,5}", kind) or not shape or min(shape) < 1:
            raise ValueError(f"it holds {kind[:80]} of shape {shape}")
    except (ValueError, IndexError, struct.error) as error:
        message = f"Expected plain arrays of numbers. Received: {name}, which is none ({error})."
        raise DatasetError("broken_file", message, "Save it with numpy.savez, without objects.") from error
    return Header(kind.lstrip("<>|="), ">" if kind.startswith(">") else "<", shape)


def _fields(text: str) -> tuple[str, bool, tuple[int, ...]]:
    """Type, whether in Fortran order, and shape, of the one form of header that plain arrays have.

    It is a Python literal; to evaluate any literal would be to run a parser on whatever comes.
    """
    found = {name: re.findall(expression, text) for name, expression in _FIELDS.items()}
    rest = text
    for expression in _FIELDS.values():
        rest = re.sub(expression, "", rest)
    if re.sub(r"[\s,]", "", rest) != "{}" or any(len(values) != 1 for values in found.values()):
        raise ValueError(f"its header is {text[:80]!r}")
    lengths = re.findall(r"\d+", found["shape"][0])
    if len(lengths) > _DIMENSIONS or any(len(length) > _DIGITS for length in lengths):
        raise ValueError(f"its shape is ({found['shape'][0][:80]})")
    return found["descr"][0], found["fortran_order"][0] == "True", tuple(map(int, lengths))


def _exactly(stream: IO[bytes], size: int, name: str) -> bytes:
    data = stream.read(size)
    if len(data) < size:
        raise _cut_off(name)
    return data


def _cut_off(name: str) -> DatasetError:
    return DatasetError(
        "broken_file",
        f"Expected a whole array. Received: {name}, which is cut off.",
        "Upload the file again.",
    )


def _labels(archive: zipfile.ZipFile, name: str) -> list[str]:
    with _opened(archive, name) as (stream, header):
        data = _exactly(stream, header.shape[0] * header.item_bytes, name)
    if header.kind[0] == "U":
        codec = "utf-32-be" if header.order == ">" else "utf-32-le"
        width = header.item_bytes
        with decoding(f"array {name}"):
            return [data[at : at + width].decode(codec).rstrip("\0") for at in range(0, len(data), width)]
    if header.kind in ("f4", "f8"):
        letter = "f" if header.kind == "f4" else "d"
    elif header.kind in _INTEGERS:
        letter = _INTEGERS[header.kind]
    else:
        message = f"Expected labels as numbers or text. Received: {name} of {header.kind}."
        raise DatasetError("broken_file", message, "Save them as integers.")
    values = struct.unpack(f"{header.order}{header.shape[0]}{letter}", data)
    return [str(int(value)) if float(value).is_integer() else repr(value) for value in values]
