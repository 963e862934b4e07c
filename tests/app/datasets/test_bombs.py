"""Files of few bytes that unpack to many: what is read of them is in proportion to what was sent."""

from __future__ import annotations

import gzip
import io
import json
import struct
import time
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from tests.app.datasets.conftest import Inspect, Refuse
from tests.app.datasets.inspection.kinds.conftest import packed, picture

TIGHT = Limits(unpacked_freely=1 << 20, unpacked_ratio=10)


def zeros(rows: int) -> bytes:
    return b"a,b,y\n" + b"0,0,0\n0,0,1\n" * (rows // 2 - 1) + b"1,0,0\n2,0,0\n"


def table(rows: int) -> bytes:
    """A column of one long text, written once."""
    sink = io.BytesIO()
    texts = pa.DictionaryArray.from_arrays(pa.array([0] * rows, pa.int8()), ["x" * 1000])
    parquet.write_table(pa.table({"a": texts, "y": [0, 1] * (rows // 2)}), sink)
    return sink.getvalue()


def texts(count: int, size: int) -> bytes:
    return packed({f"{'ab'[n % 2]}/{n}.txt": "word " * (size // 5) for n in range(count)})


def images(count: int, side: int, **options: object) -> bytes:
    files = {}
    for n in range(count):
        plain = io.BytesIO()
        Image.new("L", (side, side), n % 256).save(plain, **{"format": "PNG", **options})  # type: ignore[arg-type]
        files[f"{'ab'[n % 2]}/{n}.png"] = plain.getvalue()
    return packed(files)


def one_image_in_many_rows(rows: int, side: int) -> bytes:
    blank = io.BytesIO()
    Image.new("L", (side, side)).save(blank, "PNG")
    listed = "".join(f"a.png,{n % 2}\n" for n in range(rows))
    return packed({"a.png": blank.getvalue(), "metadata.csv": f"file_name,label\n{listed}"})


def scanned_again(scans: int) -> bytes:
    """Progressive JPEGs whose last pass over the pixels comes again and again."""
    sink = io.BytesIO()
    Image.new("L", (256, 256)).save(sink, "JPEG", progressive=True)
    whole = sink.getvalue()
    last = whole[whole.rindex(b"\xff\xda") : -2]
    image = whole[:-2] + last * scans + whole[-2:]
    return packed({f"{'ab'[n % 2]}/{n}.jpg": image for n in range(8)})


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("a.csv.gz", lambda: gzip.compress(zeros(400_000))),
        ("a.jsonl.gz", lambda: gzip.compress(b'{"a": 0, "y": 0}\n{"a": 0, "y": 1}\n' * 60_000)),
        ("a.fa.gz", lambda: gzip.compress(b">x label=a\nACGT\n>x label=b\nACGT\n" * 60_000)),
        ("a.parquet", lambda: table(4000)),
        ("texts.zip", lambda: texts(12, 200_000)),
        ("images.zip", lambda: images(12, 512)),
        ("rows.zip", lambda: one_image_in_many_rows(12, 512)),
        ("scans.zip", lambda: scanned_again(200)),
    ],
)
def test_a_file_that_unpacks_to_much_more_than_its_size_is_refused(
    tmp_path: Path, name: str, make: Callable[[], bytes]
) -> None:
    (tmp_path / "bomb").write_bytes(make())
    with pytest.raises(DatasetError) as caught:
        inspect(tmp_path / "bomb", Declaration(filename=name), TIGHT)
    assert caught.value.code == "archive_too_large"
    assert "MODEL_TRANSFER_MAX_UNPACKED_RATIO" in (caught.value.hint or "")


def test_arrays_of_zeros_that_are_packed_well_count_as_unpacked(tmp_path: Path) -> None:
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (40, 256, 256), }"
    labels = b"{'descr': '|u1', 'fortran_order': False, 'shape': (40,), }"
    plain = b"".join(bytes([n]) * (1 << 16) for n in range(40))
    with zipfile.ZipFile(tmp_path / "bomb", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, about, data in (("x", header, plain), ("y", labels, bytes([0, 1] * 20))):
            archive.writestr(f"{name}.npy", b"\x93NUMPY\1\0" + struct.pack("<H", len(about)) + about + data)
    with pytest.raises(DatasetError) as caught:
        inspect(tmp_path / "bomb", Declaration(filename="a.npz"), TIGHT)
    assert caught.value.code == "archive_too_large"
    assert inspect(tmp_path / "bomb", Declaration(filename="a.npz")).description.rows == 40


def test_files_that_pack_well_pass_as_long_as_they_are_not_large(inspect_text: Inspect) -> None:
    content = gzip.compress(zeros(4_000_000))
    assert 24_000_006 / len(content) > 400
    assert inspect_text(content, "a.csv.gz").description.rows == 4_000_000
    assert inspect_text(images(6, 4096), "a.zip").description.rows == 6


def test_keys_that_few_rows_have_are_no_table(refuse_text: Refuse) -> None:
    lines = "".join(json.dumps({f"k{n}": 1, "y": n % 2}) + "\n" for n in range(7000))
    assert refuse_text(lines, "a.jsonl").code == "too_many_cells"


def test_an_entry_that_says_less_than_it_holds_is_not_unpacked_beyond_that(refuse_text: Refuse) -> None:
    content = bytearray(packed({"a/1.txt": "x" * 5_000_000, **{f"b/{n}.txt": "word" for n in range(6)}}))
    for signature, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        at = content.index(signature)
        content[at + place : at + place + 4] = struct.pack("<I", 100)
    assert refuse_text(bytes(content), "a.zip").code == "broken_file"


def test_entries_that_share_their_bytes_are_refused(refuse_text: Refuse) -> None:
    sink = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(sink, "w") as archive:
        warnings.simplefilter("ignore")
        for number in range(3):
            archive.writestr(f"a/{number}.png", picture(number))
        archive.filelist[2].header_offset = archive.filelist[1].header_offset
    assert refuse_text(sink.getvalue(), "a.zip").code == "unsafe_archive"


@pytest.mark.parametrize("header", ["|" + " " * 100_000 + "|", "a |" * 50_000, "x " * 50_000 + "|"])
def test_a_header_of_any_length_is_searched_in_time_that_grows_with_it(
    refuse_text: Refuse, header: str
) -> None:
    began = time.process_time()
    refuse_text(f">{header}\nACGT\n" * 4, "a.fa")
    assert time.process_time() - began < 10
