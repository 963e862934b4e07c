"""Hostile files of each format: well-formed ones with something in them that no reader likes, or damaged."""

from __future__ import annotations

import gzip
import io
import json
import random
import struct
import zipfile
import zlib
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.app.datasets.inspection.kinds.conftest import picture

HOSTILE_TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\x01\x02\x1b[31m",
    "\n",
    "a\r\nb",
    "\ufeff",
    "\u202e\u2066txt.exe",
    "\u200b",
    "e\u0301" * 50,
    "💩" * 30,
    "\U0010ffff\ufffe",
    "x" * 5000,
    "__proto__",
    "constructor",
    "%s%n%x %(x)s {0} {x.__class__} ${x} {{7*7}}",
    "'; DROP TABLE jobs; --",
    "<script>alert(1)</script>",
    "=cmd|' /C calc'!A0",
    "../../etc/passwd",
    "nan",
    "-inf",
    "1e999",
    "-0",
    "0x10",
    "1_000",
    "٣",
    "9" * 400,
    "9223372036854775808",
    "true",
    "null",
    "a,b;c\td|e",
    '"',
    '""",',
    "1970-01-01",
    "0000-00-00",
    "9999999-12-31T99:99:99Z",
]

WORST_TEXTS = ["\x00", "a\x00b", "m\n", "\x1b[31m", "x" * 5000]
"""Chosen more often, so that each place meets some of them."""

NAMES = ["a", "b", "c", "text", "image", "sequence", "label", "y", "split", "id"]


def hostile_text(draw: random.Random) -> str:
    """A text that some reader does not like."""
    return draw.choice(WORST_TEXTS if draw.random() < 0.4 else HOSTILE_TEXTS)


def _column_names(draw: random.Random) -> list[str]:
    names = [*draw.sample(NAMES, 3), draw.choice(["y", "label", "target"])]
    if draw.random() < 0.4:
        names[draw.randrange(len(names))] = hostile_text(draw)
    if draw.random() < 0.15:
        names[0] = names[-1]  # twice the same
    return names


def _cell(draw: random.Random, row: int, column: int) -> str:
    if draw.random() < 0.08:
        return hostile_text(draw)
    return [str(row), f"{row / 7:.3f}", f"word {row}", "yes" if row % 2 else "no"][min(column, 3)]


def _encode(draw: random.Random, text: str) -> bytes:
    if draw.random() < 0.75:
        return text.encode("utf-8", "surrogatepass")
    encoding = draw.choice(["utf-16", "utf-16-be", "utf-32", "latin-1", "cp1252", "utf-7", "utf-8-sig"])
    return text.encode(encoding, "replace")


def table(draw: random.Random, delimiter: str = ",") -> bytes:
    """Delimited text: strange names, cells, quotes, ends of lines and encodings."""
    rows = draw.choice([0, 1, 5, 20, 40])
    quoted = draw.random() < 0.5

    def line(cells: list[str]) -> str:
        if quoted:
            cells = ['"' + cell.replace('"', '""') + '"' for cell in cells]
        return delimiter.join(cells)

    names = _column_names(draw)
    if draw.random() < 0.05:
        names = [f"c{n}" for n in range(draw.choice([300, 3000]))]
    lines = [line(names)]
    for row in range(rows):
        cells = [_cell(draw, row, column) for column in range(len(names))]
        if draw.random() < 0.02:
            cells = cells[: draw.randrange(len(cells) + 1)] + [hostile_text(draw)] * draw.randrange(3)
        lines.append(line(cells))
    return _encode(draw, draw.choice(["\n", "\n", "\r\n", "\r"]).join(lines))


def tsv(draw: random.Random) -> bytes:
    """The same with tabs."""
    return table(draw, "\t")


RAW = [
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "9" * 10_000,
    "9223372036854775808",
    "-0.0",
    "1" + "0" * 400,
    "1.5e-400",
]
ESCAPES = [r'"\ud800"', r'"\udfff\ud800"', r'"\u0000"', r'"\ud83d"', r'"\u202e"', '"\\x"', '"\x01"']


def json_value(draw: random.Random, depth: int = 0) -> str:
    """A value as JSON text, or as what only looks like it."""
    chosen = draw.random()
    if chosen < 0.2:
        return draw.choice(RAW)
    if chosen < 0.35:
        return draw.choice(ESCAPES)
    if chosen < 0.6 or depth > 3:
        return json.dumps(hostile_text(draw), ensure_ascii=draw.random() < 0.5)
    if chosen < 0.7:
        return draw.choice(["true", "null", "[]", "{}", "1", "-1", "0.5", "tru", "'x'", ""])
    if chosen < 0.8:
        nested = draw.choice([50, 500, 5000, 100_000])
        return draw.choice(["[" * nested + "]" * nested, '{"a":' * nested + "1" + "}" * nested, "[" * nested])
    items = [json_value(draw, depth + 1) for _ in range(draw.randrange(4))]
    if chosen < 0.9:
        return "[" + ",".join(items) + "]"
    keys = [draw.choice([json.dumps(hostile_text(draw)), draw.choice(ESCAPES), '"a"', '"a"']) for _ in items]
    return "{" + ",".join(f"{key}:{item}" for key, item in zip(keys, items, strict=True)) + "}"


def json_lines(draw: random.Random) -> bytes:
    """JSON lines with strange keys and values, or lines that are none."""
    names = [json.dumps(name) for name in _column_names(draw)]
    if draw.random() < 0.3:
        names[draw.randrange(len(names))] = draw.choice(ESCAPES)
    lines = []
    for row in range(draw.choice([1, 5, 30])):
        values = [json.dumps(_cell(draw, row, column)) for column in range(len(names))]
        if draw.random() < 0.1:
            values[draw.randrange(len(values))] = json_value(draw)
        lines.append(
            "{" + ",".join(f"{name}:{value}" for name, value in zip(names, values, strict=True)) + "}"
        )
    if draw.random() < 0.2:
        lines.insert(draw.randrange(len(lines) + 1), json_value(draw))
    return _encode(draw, "\n".join(lines))


def _arrow_column(draw: random.Random, rows: int) -> pa.Array:
    numbers = list(range(rows))
    made: list[Callable[[], pa.Array]] = [
        lambda: pa.array([hostile_text(draw) for _ in numbers]),
        lambda: pa.array([b"\xff\xfe\xed\xa0\x80"] * rows, pa.binary()).view(pa.utf8()),
        lambda: pa.array([b"\x00\xff"] * rows),
        lambda: pa.array([2**63 - 1 - n for n in numbers], pa.uint64()),
        lambda: pa.array([float("nan"), float("inf")] * rows, pa.float64())[:rows],
        lambda: pa.array(np.array(numbers, np.float16)),
        lambda: pa.array([Decimal("1e20")] * rows, pa.decimal128(38, 2)),
        lambda: pa.array([Decimal(10) ** 60] * rows, pa.decimal256(70, 0)),
        lambda: pa.array([2**60] * rows, pa.timestamp("us", "Nowhere/At_All")),
        lambda: pa.nulls(rows),
        lambda: pa.array([2**52] * rows, pa.timestamp("ms")),
        lambda: pa.array([-(2**31)] * rows, pa.date32()),
        lambda: pa.array(numbers, pa.duration("ns")),
        lambda: pa.array(numbers, pa.time64("ns")),
        lambda: pa.array([[1, 2]] * rows),
        lambda: pa.array([[["a"]]] * rows),
        lambda: pa.array([{"a": {"b": n}} for n in numbers]),
        lambda: pa.array([[("k", 1)]] * rows, pa.map_(pa.string(), pa.int64())),
        lambda: pa.array(["x", "y"] * rows)[:rows].dictionary_encode(),
        lambda: pa.array([True, None] * rows)[:rows],
        lambda: pa.array([picture(n) for n in numbers]),
        lambda: pa.array([{"bytes": picture(n), "path": "../x.png"} for n in numbers]),
    ]
    return draw.choice(made)()


def parquet(draw: random.Random) -> bytes:
    """Parquet with columns of strange types, names and values."""
    rows = draw.choice([0, 1, 10, 20])
    columns = {"a": pa.array(list(range(rows))), "y": pa.array((["yes", "no"] * rows)[:rows])}
    for _ in range(draw.randrange(1, 3)):
        name = draw.choice([*NAMES, *HOSTILE_TEXTS])
        columns[name.encode("utf-8", "replace").decode()] = _arrow_column(draw, rows)
    out = io.BytesIO()
    compression = draw.choice(["none", "snappy", "zstd", "gzip"])
    pq.write_table(pa.table(columns), out, compression=compression, row_group_size=max(1, rows // 2))
    return out.getvalue()


def _npy(header: str, data: bytes, version: bytes = b"\x01\x00") -> bytes:
    text = header.encode("latin-1", "replace")
    size = struct.pack("<H", len(text) % 65536) if version == b"\x01\x00" else struct.pack("<I", len(text))
    return b"\x93NUMPY" + version + size + text + data


_DESCRIPTIONS = [
    "'|u1'",
    "'<f4'",
    "'<f8'",
    "'<U1'",
    "'|O'",
    "'<i8'",
    "'|V4'",
    "[('a','<i4')]",
    "'<U99999999'",
    "'x'",
    "1",
    "'<c16'",
    "'<M8[ns]'",
    "'|S3'",
]
_SHAPES = [
    "(12,4,4)",
    "(12,4,4,3)",
    "(12,4,4,3)",
    "(1e999,)",
    "(-1,4)",
    "(12,99999999999999999999)",
    "()",
    "(12,)",
    "('a',)",
    "(True,2)",
    "(nan,)",
    "(12,4,4,3,0)",
    "(2**62,4)",
    "[12,4,4]",
    "None",
]
_NO_HEADERS = ["", "{", "__import__('os')", "{'descr': '|u1'}", "[" * 9000, "(" * 200 + ")" * 200, "\x00"]


def npz(draw: random.Random) -> bytes:
    """NumPy archives whose headers promise what cannot be."""
    count = draw.choice([0, 2, 12])
    version = draw.choice([b"\x01\x00", b"\x01\x00", b"\x02\x00", b"\x09\x00"])
    order = draw.choice(["False", "False", "True", "2", "None"])
    header = _header(draw.choice(_DESCRIPTIONS), draw.choice(_SHAPES), order)
    if draw.random() < 0.15:
        header = draw.choice(_NO_HEADERS)
    images = _npy(header, bytes(count * 48), version)
    values = [
        bytes(range(192)),
        b"\xff" * 192,
        *(struct.pack("<I", point) * 48 for point in (0x110000, 0xD800)),
    ]
    described = draw.choice(["'<i8'", "'<U3'", "'|b1'", "'<f8'", "'<U1'"])
    labels = _npy(_header(described, f"({count},)"), draw.choice(values))
    names = draw.sample(["images", "labels", "x_train", "y_train", "x_test", "y", "x", "a" * 300, "💩"], 2)
    if draw.random() < 0.7:
        names = ["images", "labels"]
    return zipped(draw, {f"{names[0]}.npy": images, f"{names[1]}.npy": labels}, strange=0.2)


def _header(description: str, shape: str, order: str = "False") -> str:
    return f"{{'descr': {description}, 'fortran_order': {order}, 'shape': {shape}, }}\n"


def zipped(draw: random.Random, files: dict[str, bytes], strange: float = 0.5) -> bytes:
    """An archive, and perhaps entries in it that no honest archive has."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(_info(name), content, draw.choice([zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED]))
        if draw.random() < strange:
            for name in draw.sample(_ENTRIES, draw.randrange(1, 4)):
                info = _info(name)
                if draw.random() < 0.3:
                    info.external_attr = draw.choice([0o120777, 0o20666, 0o10666, 0o60666]) << 16
                archive.writestr(info, draw.choice([b"", b"/etc/passwd", picture(1), b"\xff" * 100]))
                if draw.random() < 0.2 and name in archive.NameToInfo:
                    archive.NameToInfo.pop(name)  # lets the same come twice without a warning
                    archive.writestr(_info(name), b"again")
    content = bytearray(out.getvalue())
    if draw.random() < strange / 4:
        place = content.rfind(b"PK\x01\x02")  # of the directory's last entry: flags, sizes, method
        field = draw.choice([8, 10, 16, 20, 24, 42])
        content[place + field : place + field + 2] = draw.choice([b"\xff\xff", b"\x01\x00", b"\x63\x00"])
    return bytes(content)


_ENTRIES = [
    "../../x.png",
    "/etc/x.png",
    "cat\\..\\..\\x.png",
    "C:\\x.png",
    "cat/" + "x" * 300 + ".png",
    "cat/\u202egnp.exe",
    "cat/💩.png",
    "cat/a\nb.png",
    "a/b/c/d/e/f/g.png",
    "cat/.png",
    ".png",
    "__MACOSX/cat/._1.png",
    "cat/con.png",
    "labels.csv",
    "metadata.json",
    "cat/1.PNG",
    "cat//1.png",
    "nested.zip",
    "'; DROP TABLE x/1.png",
    "%s%n/1.png",
    "nul/1.png",
]


def _info(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name or "_")
    info.external_attr = 0o100644 << 16
    return info


def _png(width: int, height: int, data: bytes = b"", color: int = 2) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, color, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(data))
        + chunk(b"IEND", b"")
    )


def image(draw: random.Random) -> bytes:
    """Pictures whose heads lie, that end early, or that are none."""
    good = picture(
        draw.randrange(99), draw.choice([(1, 1), (8, 8), (1, 500)]), draw.choice(["L", "RGB", "RGBA"])
    )
    return draw.choice(
        [
            good,
            good[: draw.randrange(len(good))],
            damaged(draw, good),
            _png(2**31 - 1, 2**31 - 1),
            _png(0, 0),
            _png(50_000, 50_000, b"\x00" * 100),
            _png(8, 8, b""),
            _png(8, 8, b"\xff" * 10_000),
            _png(8, 8, bytes(200), color=7),
            picture(1, format="GIF"),
            picture(1, format="JPEG")[:-9],
            picture(1, format="TIFF"),
            picture(1, format="BMP")[:60],
            picture(1, format="WEBP")[:25],
            b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
            b"GIF89a\xff\xff\xff\xff",
            b"\xff\xd8\xff\xe1\xff\xffExif\x00\x00MM\x00*\xff\xff\xff\xff",
            b"",
        ]
    )


def images(draw: random.Random) -> bytes:
    """Pictures in folders; some are none."""
    files = {
        f"{label}/{n}.png": picture(n + 50 * (label == "dog")) for label in ("cat", "dog") for n in range(6)
    }
    for name in draw.sample(sorted(files), draw.randrange(3)):
        files[name] = image(draw)
    return zipped(draw, files)


def texts(draw: random.Random) -> bytes:
    """Texts in folders of strange names and encodings."""
    folders = ["good", draw.choice(["bad", *(text for text in HOSTILE_TEXTS if text and "\x00" not in text)])]
    files = {
        f"{folder}/{n}.txt": _encode(
            draw, hostile_text(draw) if draw.random() < 0.3 else f"a text of {folder} no {n}"
        )
        for folder in folders
        for n in range(5)
    }
    return zipped(draw, {name[-60_000:]: content for name, content in files.items()})


def fasta(draw: random.Random) -> bytes:
    """Sequences with strange headers and letters."""
    lines = []
    for n in range(draw.choice([1, 6, 12])):
        label = hostile_text(draw) if draw.random() < 0.2 else ("x", "y")[n % 2]
        lines.append(
            draw.choice([f">s{n} label={label}", f">s{n}|{label}", f">{label}", f">s{n} label={n % 2}"])
        )
        letters = "".join(draw.choice("ACGTN") for _ in range(draw.choice([0, 8, 40])))
        lines.append(letters if draw.random() < 0.85 else letters + hostile_text(draw))
    return _encode(draw, draw.choice(["\n", "\r\n"]).join(lines))


_HEADS = [
    *(b"", b"PK\x03\x04junk", b"PK\x05\x06", b"PAR1", b"\x93NUMPY", b"\x1f\x8b", b"BZh9", b"\xfd7zXZ\x00"),
    *(b"%PDF-1.7", b"\x89HDF\r\n\x1a\n", b"\xd0\xcf\x11\xe0", b"ARROW1", b"Obj\x01", b"{", b"[", b">"),
    b"\x00" * 99,
]


def unknown(draw: random.Random) -> bytes:
    """What is no format of ours, however it begins."""
    body = draw.randbytes(draw.choice([0, 1, 50, 5000]))
    return draw.choice(_HEADS) + body


def compressed(draw: random.Random) -> bytes:
    """A table in gzip: whole, cut off, damaged, much of it, in gzip again."""
    whole = gzip.compress(table(draw), mtime=0)
    return draw.choice(
        [
            whole,
            whole[:-4],
            damaged(draw, whole),
            gzip.compress(whole, mtime=0),
            whole + b"junk",
            whole + whole,
            gzip.compress(b"a,y\n" + b"1,2\n" * 100_000, mtime=0),
            gzip.compress(b"\x00" * 1_000_000, mtime=0),
        ]
    )


def damaged(draw: random.Random, content: bytes) -> bytes:
    """Bytes changed, cut off or put in."""
    changed = bytearray(content)
    for _ in range(draw.randrange(1, 4)):
        place = draw.randrange(len(changed) + 1)
        what = draw.choice(["flip", "cut", "put", "end"])
        if what == "flip" and place < len(changed):
            changed[place] ^= 1 << draw.randrange(8)
        elif what == "cut":
            del changed[place : place + draw.randrange(1, 50)]
        elif what == "put":
            changed[place:place] = draw.randbytes(draw.randrange(1, 20))
        elif what == "end" and draw.random() < 0.3:
            del changed[place:]
    return bytes(changed)


FORMATS: dict[str, Callable[[random.Random], bytes]] = {
    "table.csv": table,
    "table.tsv": tsv,
    "lines.jsonl": json_lines,
    "table.parquet": parquet,
    "arrays.npz": npz,
    "images.zip": images,
    "texts.zip": texts,
    "sequences.fa": fasta,
    "picture.png": image,
    "table.csv.gz": compressed,
    "book.xlsx": unknown,
}
"""A generator for each kind of file, by a file name that says so."""


def file(draw: random.Random, name: str) -> bytes:
    """A hostile file of this name; of each five, one is damaged besides."""
    content: Any = FORMATS[name](draw)
    return damaged(draw, content) if draw.random() < 0.2 else bytes(content)
