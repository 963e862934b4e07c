"""Small valid files of every format, damaged at random: each is accepted or refused, and none is a fault."""

from __future__ import annotations

import gzip
import io
import json
import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from pydantic import ValidationError

from app.datasets import child_process
from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection
from tests.app.datasets.inspection.kinds.conftest import folders, packed, picture

LIMITS = Limits(unpacked_freely=8 << 20, unpacked_ratio=100)
LINES = [f"{n},{n / 7:.3f},2024-01-{n % 27 + 1:02},Köln {n % 4},{'ab'[n % 2]}" for n in range(30)]
CSV = "\n".join(["a,b,day,city,y", *LINES, ""]).encode()
RECORDS = [
    {"a": n, "t": f"some words é {n}", "f": n / 3, "b": n % 3 == 0, "labels": [f"l{n % 3}", "x"]}
    for n in range(30)
]
JSONL = "".join(json.dumps(record) + "\n" for record in RECORDS).encode()
FASTA = "".join(f">seq{n} label={'ab'[n % 2]}\nACGTN{'ACGT'[n % 4] * 9}\n" for n in range(20)).encode()


def table(**options: object) -> bytes:
    sink = io.BytesIO()
    columns = {
        "a": list(range(30)),
        "text": [f"wörd {n}" for n in range(30)],
        "day": pa.array(range(30), pa.timestamp("us", "UTC")),
        "code": pa.array([f"c{n % 3}" for n in range(30)]).dictionary_encode(),
        "f": [n / 3 if n % 5 else None for n in range(30)],
        "y": ["u", "v"] * 15,
    }
    parquet.write_table(pa.table(columns), sink, **options)
    return sink.getvalue()


def table_of_images() -> bytes:
    sink = io.BytesIO()
    images = [{"bytes": picture(n), "path": f"{n}.png"} for n in range(8)]
    parquet.write_table(pa.table({"image": images, "label": ["a", "b"] * 4}), sink)
    return sink.getvalue()


def arrays(save: Callable[..., None]) -> bytes:
    sink = io.BytesIO()
    images = np.arange(12 * 5 * 4 * 3, dtype="uint8").reshape(12, 5, 4, 3)
    save(sink, x_train=images, y_train=np.array(["a", "bé", "c"] * 4))
    return sink.getvalue()


def pictures(format_: str, count: int = 3, **options: object) -> bytes:
    return packed(
        {
            f"{label}/{n}.{format_.lower()}": picture(n + 40 * place, format=format_, **options)
            for place, label in enumerate("ab")
            for n in range(count)
        }
    )


def with_metadata() -> bytes:
    files = {f"images/{n}.png": picture(n) for n in range(8)}
    rows = "".join(f'images/{n}.png,{n % 2},"x, ""y"" {n}"\n' for n in range(8))
    return packed({**files, "metadata.csv": f"file_name,label,note\n{rows}"})


FILES: dict[str, bytes] = {
    "a.csv": CSV,
    "quoted.csv": CSV.replace("Köln 1".encode(), b'"K, ""1""\nx"'),
    "latin.csv": CSV.decode().encode("cp1252"),
    "wide.csv": CSV.decode().encode("utf-16"),
    "a.tsv": CSV.replace(b",", b"\t"),
    "a.csv.gz": gzip.compress(CSV),
    "a.jsonl": JSONL,
    "a.jsonl.gz": gzip.compress(JSONL),
    "a.parquet": table(),
    "plain.parquet": table(compression="none", use_dictionary=False),
    "zstd.parquet": table(compression="zstd", data_page_version="2.0"),
    "images.parquet": table_of_images(),
    "a.fasta": FASTA,
    "a.fasta.gz": gzip.compress(FASTA),
    "png.zip": packed(folders()),
    "jpeg.zip": pictures("JPEG", progressive=True),
    "gif.zip": pictures("GIF", mode="L"),
    "webp.zip": pictures("WEBP"),
    "bmp.zip": pictures("BMP"),
    "metadata.zip": with_metadata(),
    "texts.zip": packed({f"{label}/{n}.txt": f"Some words {n} é" for label in "ab" for n in range(6)}),
    "fasta.zip": packed({"p.fa": FASTA.decode(), "o.fa": FASTA.decode()}),
    "a.npz": arrays(np.savez),
    "packed.npz": arrays(np.savez_compressed),
}


def damaged(draw: random.Random, content: bytes) -> bytes:
    """The bytes cut off, some of them changed, or mixed with those of the same or another file."""
    data = bytearray(content)
    for _ in range(draw.choice([1, 1, 1, 2, 4])):
        at, length = draw.randrange(len(data)), draw.randrange(1, 40)
        match draw.randrange(7):
            case 0:
                del data[max(at, 1) :]
            case 1:
                data[at] ^= 1 << draw.randrange(8)
            case 2:
                data[at : at + length] = draw.randbytes(length)
            case 3:
                data[at : at + length] = draw.choice([b"\0", b"\xff", b"\x7f"]) * length
            case 4:
                del data[at : at + length]
            case 5:
                start = draw.randrange(len(data))
                data[at:at] = data[start : start + length]
            case 6:
                other = draw.choice(list(FILES.values()))
                start = draw.randrange(len(other))
                data[at : at + length] = other[start : start + length]
        if not data:
            break
    return bytes(data)


def check(content: bytes, declaration: Declaration, path: Path) -> None:
    path.write_bytes(content)
    try:
        answer: Inspection | DatasetError = inspect(path, declaration, LIMITS)
    except DatasetError as refusal:
        answer = refusal
    refused = isinstance(answer, DatasetError)
    told = answer.to_json() if refused else json.dumps(answer.model_dump(mode="json"))
    json.dumps(json.loads(told), allow_nan=False, ensure_ascii=False).encode()  # as answers are made


WORDS = ["a", "t", "y", "f", "b", "day", "text", "image", "label", "labels", "sequence", "split", "file", "x"]
CHOICES: dict[str, list[Any]] = {
    "kind": ["tabular", "text", "image", "sequence"],
    "input": WORDS,
    "label": WORDS,
    "task": ["binary", "multiclass", "multilabel", "regression"],
    "separator": ["|", " ", "w"],
    "split": WORDS,
    "unlabelled": [True],
    "encoding": [
        "utf-8",
        "utf-16",
        "cp1252",
        "utf-7",
        "idna",
        "punycode",
        "raw_unicode_escape",
        "zlib",
        "x\0",
    ],
    "quote": ["double", "single", "none"],
    "delimiter": [",", ";", " ", "'", '"', "|", "é", "\n", "\0", "1", "\x1f"],
    "format": ["csv", "tsv", "jsonl", "parquet", "zip", "fasta", "npz"],
    "types": [
        {word: of}
        for word in WORDS
        for of in ("number", "category", "boolean", "date", "text", "image", "nucleotide", "protein")
    ],
}


def declared(draw: random.Random, name: str) -> Declaration:
    """What may be said of a file, true or not."""
    while True:
        said = {
            field: draw.choice(CHOICES[field]) for field in draw.sample(list(CHOICES), draw.randrange(1, 5))
        }
        with suppress(ValidationError):
            return Declaration(filename=name, **said)


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_which_anything_is_declared_is_accepted_or_refused(name: str, tmp_path: Path) -> None:
    for seed in range(8):
        check(FILES[name], declared(random.Random(f"{name}{seed}"), name), tmp_path / "upload")


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_which_much_is_declared_is_accepted_or_refused(name: str, tmp_path: Path) -> None:
    for seed in range(8, 200):
        check(FILES[name], declared(random.Random(f"{name}{seed}"), name), tmp_path / "upload")


@pytest.mark.parametrize("name", FILES)
def test_the_files_to_be_damaged_are_accepted_whole(name: str, tmp_path: Path) -> None:
    (tmp_path / "upload").write_bytes(FILES[name])
    label = None if name != "a.jsonl" and name != "a.jsonl.gz" else "labels"
    inspect(tmp_path / "upload", Declaration(filename=name, label=label), LIMITS)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_accepted_or_refused(name: str, tmp_path: Path) -> None:
    for seed in range(4):
        check(damaged(random.Random(seed), FILES[name]), Declaration(filename=name), tmp_path / "upload")


@pytest.mark.slow
@pytest.mark.parametrize("name", FILES)
def test_a_file_damaged_in_hundreds_of_ways_is_accepted_or_refused(name: str, tmp_path: Path) -> None:
    for seed in range(4, 200):
        check(damaged(random.Random(seed), FILES[name]), Declaration(filename=name), tmp_path / "upload")


def test_damaged_files_are_no_fault_of_the_child(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for seed, (name, content) in enumerate(list(FILES.items())[::4]):
        (tmp_path / "upload").write_bytes(damaged(random.Random(seed), content))
        with suppress(DatasetError):
            child_process.run(
                tmp_path / "upload", Declaration(filename=name), memory_bytes=1 << 30, seconds=60
            )
    assert not caplog.records
