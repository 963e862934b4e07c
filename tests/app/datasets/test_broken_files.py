"""Files that make decoders raise: each is refused with its code, and none is a fault of the service."""

from __future__ import annotations

import gzip
import io
import json
import struct
import warnings
import zipfile
import zlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from tests.app.datasets.conftest import Inspect, Refuse
from tests.app.datasets.inspection.kinds.conftest import folders, packed, picture


def npz(header: str, data: bytes = b"", labels: str | None = None) -> bytes:
    """Two arrays; the header of one of them is as given."""
    whole = "{'descr': '|u1', 'fortran_order': False, 'shape': (2, 2, 2), }"
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name, text, values in (
            ("images.npy", header if labels is None else whole, data if labels is None else bytes(range(8))),
            ("labels.npy", labels or "{'descr': '|u1', 'fortran_order': False, 'shape': (2,), }", b"\0\1"),
        ):
            if labels is not None and name == "labels.npy":
                values = data
            about = text.encode("latin-1")
            archive.writestr(name, b"\x93NUMPY\x01\x00" + struct.pack("<H", len(about)) + about + values)
    return sink.getvalue()


def shaped(shape: str, kind: str = "'|u1'") -> bytes:
    return npz(f"{{'descr': {kind}, 'fortran_order': False, 'shape': {shape}, }}", bytes(64))


def labelled(data: bytes, kind: str = "<U1") -> bytes:
    return npz("", data, f"{{'descr': '{kind}', 'fortran_order': False, 'shape': (2,), }}")


def invalid_text(in_name: bool = False) -> bytes:
    sink = io.BytesIO()
    column = pa.array(["abcd", "efgh"] * 6)
    parquet.write_table(
        pa.table({"text": column, "colume": column, "y": ["u", "v"] * 6}),
        sink,
        compression="none",
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )
    old, new = (b"colume", b"col\xff\xfee") if in_name else (b"abcd", b"a\xff\xfed")
    return sink.getvalue().replace(old, new)


def table(**columns: object) -> bytes:
    sink = io.BytesIO()
    parquet.write_table(pa.table({"y": ["u", "v"] * 6, **columns}), sink)
    return sink.getvalue()


def lines(**values: object) -> bytes:
    return b"".join(json.dumps({**values, "y": n % 2}).encode() + b"\n" for n in range(12))


def twice(content: bytes, old: bytes, new: bytes) -> bytes:
    assert old in content
    return content.replace(old, new)


WHOLE = packed(folders())
TEXTS = packed({f"{label}/{n}.txt": f"word {n}" for label in "ab" for n in range(6)})


def stored(name: str, content: bytes, **fields: int) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for n in range(6):
            archive.writestr(f"a/{n}.png", picture(n))
        info = zipfile.ZipInfo(name)
        info.compress_type = fields.get("compress_type", zipfile.ZIP_STORED)
        archive.writestr(info, content)
    return sink.getvalue()


def repeated(*names: str) -> bytes:
    sink = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w") as archive:
        warnings.simplefilter("ignore")
        for number, name in enumerate(names):
            archive.writestr(name, picture(number))
    return sink.getvalue()


def with_metadata(metadata: bytes) -> bytes:
    return packed({**{f"i/{n}.png": picture(n) for n in range(4)}, "metadata.csv": metadata})


def png_of_a_wrong_palette() -> bytes:
    image = Image.new("P", (9, 9))
    image.putdata(list(range(81)))
    sink = io.BytesIO()
    image.save(sink, "PNG")
    data = sink.getvalue()
    at = data.index(b"PLTE") - 4
    size = struct.unpack(">I", data[at : at + 4])[0]
    return data[:at] + data[at + 12 + size :]


def broken_exif() -> bytes:
    sink = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (8, 8), "red").save(sink, "JPEG", exif=exif.tobytes()[:20] + b"\xff" * 10)
    return sink.getvalue()


def of_classes(*images: bytes) -> bytes:
    return packed({f"{'ab'[n % 2]}/{n}.img.png": image for n, image in enumerate([*images] * 8)})


HOSTILE: list[tuple[str, bytes, str | None, dict[str, str], set[str]]] = [
    ("a short zip as a table", b"PK\x03\x04junk", "a.xlsx", {}, {"not_what_it_says"}),
    ("a short zip", b"PK\x03\x04junk", "a.zip", {}, {"broken_file"}),
    ("a short zip as npz", b"PK\x03\x04junk", "a.npz", {}, {"not_what_it_says", "broken_file"}),
    ("a short zip without a name", b"PK\x03\x04junk", None, {}, {"broken_file"}),
    ("an end without a zip", b"PK\x03\x04" + bytes(40) + b"PK\x05\x06", "a.zip", {}, {"broken_file"}),
    ("no label at all", b"a,y\n1,\n2,\n3,\n", "a.csv", {"unlabelled": "true"}, {"label_missing"}),
    ("no label in lists", lines(a=1, labels=None), "a.jsonl", {"unlabelled": "true", "label": "labels"},
     {"label_missing"}),
    ("a shape beyond numbers", shaped("(1e999, 2, 2)"), "a.npz", {}, {"broken_file"}),
    ("a huge shape", shaped("(99999999999999999999, 2, 2)"), "a.npz", {}, {"broken_file"}),
    ("a large shape", shaped("(2, 2000000000, 2000000000)"), "a.npz", {}, {"broken_file"}),
    ("a negative shape", shaped("(-1, 2, 2)"), "a.npz", {}, {"broken_file"}),
    ("a shape of booleans", shaped("(True, 2, 2)"), "a.npz", {}, {"broken_file"}),
    ("a nested shape", shaped("((2,), 2, 2)"), "a.npz", {}, {"broken_file"}),
    ("a deep shape", shaped("(" * 4000 + ")" * 4000), "a.npz", {}, {"broken_file"}),
    ("a deep sum", shaped("-" * 9000 + "1"), "a.npz", {}, {"broken_file"}),
    ("a type that is a list", shaped("(2, 2, 2)", "[('a', '<f8')]"), "a.npz", {}, {"broken_file"}),
    ("a type of no size", labelled(b"", "<U0"), "a.npz", {}, {"broken_file"}),
    ("a type of any size", labelled(b"", "<U99999999999999999999"), "a.npz", {}, {"broken_file"}),
    ("a header that is no dict", npz("[1, 2]"), "a.npz", {}, {"broken_file"}),
    ("labels beyond Unicode", labelled(struct.pack("<2I", 0x110000, 65)), "a.npz", {}, {"broken_file"}),
    ("labels of surrogates", labelled(struct.pack("<2I", 0xD800, 65)), "a.npz", {}, {"broken_file"}),
    ("labels of NUL", labelled(struct.pack("<4I", 65, 66, 0, 67), "<U2"), "a.npz", {}, {"not_text"}),
    ("text that is no UTF-8", invalid_text(), "a.parquet", {}, {"broken_file"}),
    ("a name that is no UTF-8", invalid_text(in_name=True), "a.parquet", {}, {"broken_file"}),
    ("NUL in a Parquet cell", table(a=["x\0y", "z"] * 6), "a.parquet", {}, {"not_text"}),
    ("NUL in a Parquet name", table(**{"a\0b": [1, 2] * 6}), "a.parquet", {}, {"unusable_column_name"}),
    ("a blank Parquet name", table(**{"  ": [1, 2] * 6}), "a.parquet", {}, {"blank_column_name"}),
    ("half a pair in a key", lines(**{"\ud800": 1}), "a.jsonl", {}, {"unusable_column_name"}),
    ("NUL in a key", lines(**{"a\0b": 1}), "a.jsonl", {}, {"unusable_column_name"}),
    ("half a pair in a value", lines(a="\ud800"), "a.jsonl", {}, {"not_json_lines"}),
    ("NUL in a value", lines(a="x\0y"), "a.jsonl", {}, {"not_text"}),
    ("half a pair in a list", lines(a=1, labels=["\udc00", "b"]), "a.jsonl", {"label": "labels"},
     {"not_json_lines"}),
    ("NUL in a list", lines(a=1, labels=["a\0b", "b"]), "a.jsonl", {"label": "labels"}, {"not_text"}),
    ("a deep line", b'{"a":' + b"[" * 100_000 + b"\n", "a.jsonl", {}, {"not_json_lines"}),
    ("an infinite number", b'{"a": 1e999, "y": 1}\n{"a": 1, "y": 0}\n', "a.jsonl", {}, {"infinite_number"}),
    ("a number of 5,000 digits", b'{"a": ' + b"9" * 5000 + b', "y": 1}\n', "a.jsonl", {}, {"not_json_lines"}),
    ("gzip cut off", gzip.compress(b"a,y\n" + b"1,2\n2,3\n" * 9000)[:-9], "a.csv.gz", {}, {"broken_file"}),
    ("gzip of lines cut off", gzip.compress(lines(a=1) * 900)[:-9], "a.jsonl.gz", {}, {"broken_file"}),
    ("gzip of FASTA cut off", gzip.compress(b">a b\nACGT\n" * 9000)[:-9], "a.fa.gz", {}, {"broken_file"}),
    ("gzip of nothing", b"\x1f\x8b", "a.csv.gz", {}, {"broken_file"}),
    ("a wrong CRC", twice(TEXTS, struct.pack("<I", zlib.crc32(b"word 1")), b"\1\2\3\4"), "a.zip", {},
     {"broken_file"}),
    ("another local name", WHOLE.replace(b"cat/1.png", b"cat/9.png", 1), "a.zip", {}, {"broken_file"}),
    ("LZMA", stored("b/9.png", picture(9), compress_type=zipfile.ZIP_LZMA), "a.zip", {},
     {"unsupported_packing"}),
    ("an empty image", stored("b/9.png", b""), "a.zip", {}, {"no_image"}),
    ("an empty name", twice(repeated("a/1.png", "b/2.png", "x"), b"x", b"."), "a.zip", {},
     {"unsafe_archive"}),
    ("one path twice", repeated("a/1.png", "b/2.png", "a/1.png"), "a.zip", {}, {"duplicate_file_name"}),
    ("one path written twice", repeated("a/1.png", "b/2.png", "a/./1.png"), "a.zip", {},
     {"duplicate_file_name"}),
    ("metadata of a huge cell", with_metadata(b"file_name,label\ni/0.png," + b"x" * 70_000_000), "a.zip", {},
     {"broken_file"}),
    ("metadata of long rows", with_metadata(b"file_name,label\ni/0.png,1,2\n"), "a.zip", {}, {"ragged_row"}),
    ("metadata of nothing", with_metadata(b""), "a.zip", {}, {"file_name_not_found"}),
    ("metadata with NUL", with_metadata(b"file_name,label\ni/0.png,a\ni/1.png,b\0b\n"), "a.zip", {},
     {"not_text", "broken_file"}),
    ("half a PNG", of_classes(picture(1)[:45], picture(2)), "a.zip", {}, {"broken_image"}),
    ("half a JPEG", of_classes(picture(1, format="JPEG")[:300]), "a.zip", {}, {"broken_image"}),
    ("a GIF without a frame", of_classes(b"GIF89a\x08\0\x08\0\0\0\0;"), "a.zip", {}, {"broken_image"}),
    ("FASTA in UTF-16", ">a b\nACGT\n".encode("utf-16"), "a.fa", {}, {"not_text", "not_what_it_says"}),
    ("FASTA that is no text", b">a b\n\xff\xfe\n" * 3, "a.fa", {}, {"not_text"}),
    ("an encoding that is none", b"a,y\n1,2\n", "a.csv", {"encoding": "zlib"}, {"unknown_encoding"}),
    ("an encoding for names", TEXTS, "a.zip", {"encoding": "hex"}, {"unknown_encoding"}),
    ("an encoding of hosts", b"a,y\n1,2\n", "a.csv", {"encoding": "idna"}, {"unknown_encoding"}),
    ("an encoding that makes half pairs", b"a,y\n\\ud800,u\nx,v\n", "a.csv", {"encoding": "unicode_escape"},
     {"not_text"}),
    ("an encoding of half pairs", b"a,y\n+2AA-,u\nx,v\n", "a.csv", {"encoding": "utf-7"}, {"not_text"}),
    ("a blank name", b"a,  ,y\n1,2,u\n2,3,v\n", "a.csv", {}, {"blank_column_name"}),
    ("a blank key", lines(**{" \u2003": 1}), "a.jsonl", {}, {"blank_column_name"}),
    ("a name too long", b"a" * 2000 + b",y\n1,u\n2,v\n", "a.csv", {}, {"unusable_column_name"}),
]  # fmt: skip


@pytest.mark.parametrize(("content", "name", "declared", "codes"), [one[1:] for one in HOSTILE],
                         ids=[one[0] for one in HOSTILE])  # fmt: skip
def test_a_hostile_file_is_refused_with_its_code(
    refuse_text: Refuse, content: bytes, name: str | None, declared: dict[str, str], codes: set[str]
) -> None:
    error = refuse_text(content, name, **declared)
    assert error.code in codes, (error.code, error.message)
    json.loads(error.to_json().encode())
    error.message.encode()


@pytest.mark.parametrize("image", [broken_exif(), png_of_a_wrong_palette()])
def test_an_image_that_is_odd_and_not_broken_is_accepted(inspect_text: Inspect, image: bytes) -> None:
    assert len(inspect_text(of_classes(image, *map(picture, range(3, 8))), "a.zip").preview) == 48


def test_plain_arrays_of_any_writer_are_read(inspect_text: Inspect) -> None:
    header = '{"shape": (8L, 3L, 2L), "fortran_order": False, "descr": "|u1"}'
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        about = header.encode()
        archive.writestr(
            "x.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(about)) + about + bytes(range(48))
        )
        labels = io.BytesIO()
        np.save(labels, np.array([0, 1] * 4))
        archive.writestr("y.npy", labels.getvalue())
    assert inspect_text(sink.getvalue(), "a.npz").description.rows == 8
