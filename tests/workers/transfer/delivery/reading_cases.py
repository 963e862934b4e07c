"""Awkward cells, headers and rows of every kind of data.

Files to train on, the same rows written otherwise, and files that are refused.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import random
import zipfile
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.parquet
from PIL import Image

Files = dict[str, bytes]

NUMBERS = [
    "1.5",
    " 2.25",
    "-0",
    "1e3",
    ".5",
    "7",
    "NAN",
    "nan",
    "NA",
    "",
    "?",
    "12345678901234567890",
    "1e300",
    " ",
]
CITIES = [
    "rome", " rome", "rome ", "\u00a0rome", "NA", "", "N/A", "x,y", "x;y", 'a "b" c', "line\nbreak",
    "tab\there", "\u00c9", "E\u0301", "\u2028sep", "=1+1", "'single'", "0", "007", "1e5", "\u4eac\u90fd",
]  # fmt: skip
DATES = [
    "2020-02-29", "2021-03-04 07:06:07+02:00", "2021-03-04T05:06:07Z", "2021-03-04T05:06",
    "1999-12-31T23:59:59.9", "2020-01-01T00:00:00-11:30", "NA", "", " 2020-02-29 ",
]  # fmt: skip
MEMBERS = ["yes", "no", "T", "FALSE", "true", "f", "", "NA", " yes"]
TEXTS = [
    "good film", " good film ", "BAD, really; bad", 'he said "no"', "two\nlines", "NA", "None", "\u00a0", "",
    "caf\u00e9", "cafe\u0301", "=1+1", "a\ttab", "\u4e16\u754c", "'quoted'", "null",
]  # fmt: skip
SEQUENCES = ["ACGTACGTAA", "acgtnnacgu", "GGGG-CCCCG", "ACGTRYSWKM", "TTTTTTTTTTTTTTTTTTTTTTTT", "A"]


@dataclass(frozen=True)
class Case:
    """A file to train on, files that hold its rows in the same order, and files that are refused."""

    name: str
    train: tuple[str, bytes]
    network: dict[str, Any]
    readable: dict[str, Files]
    refused: Files
    declared: dict[str, Any] = field(default_factory=dict)


def _csv(
    header: list[str], rows: list[list[str]], delimiter: str = ",", quoting: Any = csv.QUOTE_MINIMAL
) -> str:
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=quoting)
    writer.writerows([header, *rows])
    return out.getvalue()


def _drawn(columns: list[list[str]], count: int) -> list[list[str]]:
    """Rows in which each value of each column stands."""
    rng = random.Random(0)
    rows = [[values[row % len(values)] for values in columns] for row in range(count)]
    for place in range(len(columns)):
        drawn = [row[place] for row in rows]
        rng.shuffle(drawn)
        for row, value in zip(rows, drawn, strict=True):
            row[place] = value
    return rows


def _json_lines(header: list[str], rows: list[list[Any]]) -> bytes:
    lines = (json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False) for row in rows)
    return "\n".join(lines).encode()


def _parquet(header: list[str], rows: list[list[Any]]) -> bytes:
    out = io.BytesIO()
    pa.parquet.write_table(pa.table(dict(zip(header, map(list, zip(*rows, strict=True)), strict=True))), out)
    return out.getvalue()


def _zip(files: Files) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return out.getvalue()


MLP = {"kind": "mlp", "hidden_units": [6], "activation": "relu", "dropout": 0.0, "preprocessing": True}


def table() -> Case:
    """Cells of every type, and a header with blanks; the last column is the label."""
    rows = _drawn([NUMBERS, CITIES, DATES, MEMBERS], 84)
    rows = [[*row, "ab"[place % 2]] for place, row in enumerate(rows)]
    header = ["age", "city ", " when", "member", " y"]
    names = [name.strip() for name in header]
    written = _csv(header, rows)
    turned = [[f"id {place}", *row[3::-1]] for place, row in enumerate(rows)]
    files: Files = {
        "again.csv": written.encode(),
        "semicolons.csv": _csv(header, rows, ";").encode(),
        "bars.csv": _csv(header, rows, "|").encode(),
        "tabs.tsv": _csv(header, rows, "\t").encode(),
        "mark.csv": written.encode("utf-8-sig"),
        "wide.csv": written.encode("utf-16"),
        "big_endian.csv": written.encode("utf-16-be"),
        "packed.csv.gz": gzip.compress(written.encode()),
        "unnamed_format": written.encode(),
        "quoted.csv": _csv(header, rows, quoting=csv.QUOTE_ALL).encode(),
        "turned.csv": _csv(["id", *names[3::-1]], turned).encode(),
        "lines.jsonl": _json_lines(names, rows),
        "lines.jsonl.gz": gzip.compress(_json_lines(names, rows)),
        "columns.parquet": _parquet(names, rows),
    }
    plain = "age,city,when,member,y\n"
    refused = {
        "ragged_short.csv": f"{plain}1,rome,,yes,a\n1,rome\n",
        "ragged_long.csv": f"{plain}1,rome,,yes,a,b,c\n",
        "repeated.csv": "age,age,city,when,member,y\n1,2,rome,,yes,a\n",
        "blank_name.csv": "age,city,when,member,y,\n1,rome,,yes,a,x\n2,rome,,no,b,x\n",
        "no_header.csv": "1,2,3,4,5\n1,2,3,4,5\n",
        "no_rows.csv": plain,
        "empty.csv": "",
        "open_quote.csv": f'{plain}1,"rome,,yes,a\n2,oslo,,no,b\n',
        "not_text.csv": f"{plain}1,ro\0me,,yes,a\n",
        "word.csv": f"{plain}1,rome,,yes,a\nold,rome,,yes,b\n",
        "infinite.csv": f"{plain}inf,rome,,yes,a\n",
        "other_date.csv": f"{plain}1,rome,31/12/2024,yes,a\n",
        "no_date.csv": f"{plain}1,rome,2024-02-30,yes,a\n",
        "perhaps.csv": f"{plain}1,rome,,perhaps,a\n",
        "array.json": '[{"age": 1}]',
        "nested.jsonl": '{"age": 1, "city": {"a": 1}, "when": "", "member": "yes", "y": "a"}\n',
        "mixed.jsonl": '{"age": 1, "city": 1, "when": "", "member": "yes", "y": "a"}\n'
        '{"age": 1, "city": "b", "when": "", "member": "no", "y": "b"}\n',
        "repeated.jsonl": '{"age": 1, "age": 2, "city": "", "when": "", "member": "yes", "y": "a"}\n',
        "cut.csv.gz": gzip.compress(written.encode())[:-20],
        "wrong.parquet": plain,
        "rows.xlsx": _zip({"xl/workbook.xml": b"<x/>"}),
    }
    types = {"age": "number", "city": "category", "when": "date", "member": "boolean"}
    return Case(
        "table",
        ("train.csv", written.encode()),
        {**MLP, "max_categories": 256},
        {name: {name: content} for name, content in files.items()},
        {name: text if isinstance(text, bytes) else text.encode() for name, text in refused.items()},
        {"types": types},
    )


def typed() -> Case:
    """JSON lines, where NA is a word and null is missing; as CSV the word stays one."""
    cities = ["NA", "rome", " rome ", "None", None, "", "nan", "null"]
    ages = [1, 2.5, None, -3, 1e6]
    rows = [[ages[row % 5], cities[row % 8], row % 3 == 0, "ab"[row % 2]] for row in range(80)]
    names = ["age", "city", "on", "y"]
    written = _json_lines(names, rows)
    as_text = [
        ["NA" if age is None else str(age), city or "", "true" if on else "false", y]
        for age, city, on, y in rows
    ]
    return Case(
        "typed",
        ("train.jsonl", written),
        {**MLP, "max_categories": 256},
        {
            "again.jsonl": {"again.jsonl": written},
            "columns.parquet": {"columns.parquet": _parquet(names, rows)},
            "cells.csv": {"cells.csv": _csv(names, as_text).encode()},
        },
        {
            "mixed.jsonl": b'{"age": 1, "city": "a", "on": true, "y": "a"}\n'
            b'{"age": "x", "city": "a", "on": true, "y": "b"}\n',
            "constant.jsonl": b'{"age": NaN, "city": "a", "on": true, "y": "a"}\n',
        },
    )


def text() -> Case:
    """Texts in a column of another name."""
    rows = [[TEXTS[row % len(TEXTS)], ("neg", "pos")[row % 3 == 0]] for row in range(80)]
    lines = [row[0] for row in rows]
    header = ["sentence ", "label"]
    written = _csv(header, rows)
    files = {
        "again.csv": written.encode(),
        "semicolons.csv": _csv(header, rows, ";").encode(),
        "wide.csv.gz": gzip.compress(written.encode("utf-16")),
        "lines.jsonl": _json_lines(["text"], [[line] for line in lines]),
        "columns.parquet": _parquet(["other"], [[line] for line in lines]),
    }
    network = {
        "kind": "averaged", "embedding_units": 6, "hidden_units": [5], "dropout": 0.0,
        "split": None, "max_tokens": 100, "length": None,
    }  # fmt: skip
    single = _zip({f"{place:03}.txt": line.encode() for place, line in enumerate(lines)})
    return Case(
        "text",
        ("train.csv", written.encode()),
        network,
        {
            **{name: {name: content} for name, content in files.items()},
            "archive.zip": {"archive.zip": single},
        },
        {
            "ragged.csv": b"sentence,label\nso, so,a\n",
            "not_text.jsonl": b'{"sentence": "a\\u0000b", "label": "a"}\n',
        },
        {"kind": "text"},
    )


def sequence() -> Case:
    """FASTA with all that its lines may be."""
    records = [(f"s{row} label={'xy'[row % 2]}", SEQUENCES[row % len(SEQUENCES)]) for row in range(60)]
    written = "\ufeff" + "\r\n".join(
        f">{header}\r\n;a comment, GATTACA\r\n{letters[:6]}\r\n\r\n{letters[6:]}"
        for header, letters in records
    )
    plain = "".join(f">{number}\n{letters}\n" for number, (_, letters) in enumerate(records))
    rows = [[f" {letters} "] for _, letters in records]
    files = {
        "again.fasta": written.encode(),
        "packed.fa.gz": gzip.compress(plain.encode()),
        "unlabelled.txt": plain.encode(),
        "column.csv": _csv(["sequence"], rows).encode(),
        "lines.jsonl": _json_lines(["sequence", "id"], [[*row, n] for n, row in enumerate(rows)]),
        "archive.zip": _zip({"a.fa": plain.encode()}),
    }
    network = {
        "kind": "sequence_convnet", "filters": [4], "kernel_size": 3, "pool_size": 2, "dense_units": [4],
        "dropout": 0.0, "length": None,
    }  # fmt: skip
    return Case(
        "sequence",
        ("train.fasta", written.encode()),
        network,
        {name: {name: content} for name, content in files.items()},
        {
            "no_header.fasta": b"ACGT\nACGT\n",
            "empty_record.fasta": b">a label=x\nACGT\n>b label=y\n>c label=x\nACGT\n>d label=y\nAC\n",
            "wrong.fasta": b">a label=x\nACGT\n>b label=y\nAC1T\n>c label=x\nAC\n>d label=y\nAC\n" * 3,
            "empty.csv": b"sequence,label\nACGT,x\n,y\n" + b"AC,x\nGG,y\n" * 9,
        },
    )


def _image(mode: str, seed: int, format_: str = "PNG") -> bytes:
    rng = random.Random(seed)
    image = Image.frombytes("RGBA", (9, 7), rng.randbytes(9 * 7 * 4))
    if mode == "I;16":
        image = Image.frombytes("I;16", (9, 7), rng.randbytes(9 * 7 * 2))
    elif mode == "P+":
        image = image.convert("RGB").quantize(8)
        image.info["transparency"] = 0
    elif mode != "RGBA":
        image = image.convert("RGB").convert(mode)
    out = io.BytesIO()
    image.save(out, format_, **({"exif": _turned()} if format_ == "JPEG" else {}))
    return out.getvalue()


def _turned() -> bytes:
    about = Image.Exif()
    about[0x0112] = 6
    return about.tobytes()


def image() -> Case:
    """Images of many modes, one of them turned by its EXIF."""
    modes = ["RGB", "RGBA", "L", "LA", "P", "P+", "1", "I;16"]
    files = {f"{'ab'[n % 2]}/{n:02}.png": _image(modes[n % 8], n) for n in range(32)}
    files |= {"a/32.jpg": _image("CMYK", 32, "JPEG"), "b/33.jpg": _image("RGB", 33, "JPEG")}
    network = {
        "kind": "convnet", "image_shape": None, "filters": [4], "kernel_size": 3, "dense_units": [4],
        "dropout": 0.0, "preprocessing": False, "max_categories": 256, "image_size": None, "channels": None,
    }  # fmt: skip
    singles = {name.replace("/", "_"): content for name, content in files.items()}
    return Case(
        "image",
        ("train.zip", _zip(files)),
        network,
        {
            "again.zip": {"again.zip": _zip(files)},
            "flat.zip": {"flat.zip": _zip(singles)},
            "single": singles,
            "columns.parquet": {
                "columns.parquet": _parquet(["image"], [[content] for content in files.values()])
            },
        },
        {
            "broken.png": _image("RGB", 0)[:60],
            "no_image.png": b"age,city\n1,rome\n",
            "small.png": _small(),
            "broken.zip": _zip({"a/1.png": _image("RGB", 0), "b/2.png": _image("RGB", 0)[:60]}),
        },
    )


def _small() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (1, 5)).save(out, "PNG")
    return out.getvalue()


CASES = [table, typed, text, sequence, image]
