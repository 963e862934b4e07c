"""Predict the rows of a file, or pictures: python predict.py rows.csv > predictions.csv

A CSV file needs a header with the model's columns, in any order; other columns are passed over. An empty
cell, or a word like NA, is a missing value. A model of texts also takes a .txt file, a text a line; one of
sequences a FASTA file. A model of images takes their files: python predict.py a.png b.jpg > predictions.csv
The labels of a row that may have several are separated by |. A class or file name that a spreadsheet would
take for a formula, as =1+1, is written with a ' before it; numbers, negative ones included, stay numbers.
It needs what is in requirements.txt.
"""

import csv
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
FASTA = (".fa", ".fasta", ".fna", ".faa", ".ffn")
ROWS_AT_A_TIME = 1024
LARGEST_NUMBER = 1e18  # as in training
MISSING = {"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "<NA>", "#N/A"}
TRUE = {"true", "yes", "t", "y", "1", "1.0"}
FALSE = {"false", "no", "f", "n", "0", "0.0"}


def main(arguments: Sequence[str]) -> int:
    """Write predictions to standard output; answer the exit status."""
    about = json.loads((_folder() / "signature.json").read_text(encoding="utf-8"))
    of_images = about["inputs"][0]["type"] == "image"
    if not arguments or (len(arguments) > 1 and not of_images):
        use = "picture.png …" if of_images else "rows.csv"
        sys.stderr.write(f"Expected one file. Use: python predict.py {use} > predictions.csv\n")
        return 2
    try:
        if of_images:
            _predict_images(arguments, about, sys.stdout)
        else:
            with open(arguments[0], newline="", encoding="utf-8-sig") as file:
                _predict(file, Path(arguments[0]).suffix.lower(), about, sys.stdout)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 1
    return 0


def _folder() -> Path:
    return Path(__file__).resolve().parent


def _model() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # only now: a wrong file is refused at once

    return keras.saving.load_model(_folder() / "model.keras")


def _predict_images(paths: Sequence[str], about: Mapping[str, Any], output: TextIO) -> None:
    """One at a time: they may be of different sizes."""
    model = None
    writer = csv.writer(output, lineterminator="\n")
    for path in paths:
        channels = int(about["inputs"][0]["channels"])
        pixels = _decode(path, channels)
        if model is None:
            model = _model()
            writer.writerow(["file", *_header(about["output"]["classes"])])
        predictions = model.predict({"image": pixels[None]}, verbose=0)
        writer.writerows([_cell(path), *answer] for answer in _answers(predictions.tolist(), about["output"]))


def _decode(path: str, channels: int) -> Any:
    """As in training: upright, on white where transparent, 16 bits a channel scaled to 8."""
    import numpy as np
    from PIL import Image, ImageOps

    image: Any = ImageOps.exif_transpose(Image.open(path))
    if image.mode.startswith("I"):
        deep = np.asarray(image).astype(np.int64)
        image = Image.fromarray(((deep + 128) // 257).clip(0, 255).astype(np.uint8))
    if image.mode in ("LA", "PA", "RGBA") or (image.mode == "P" and "transparency" in image.info):
        above = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", above.size, "white"), above)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels[..., None] if channels == 1 else pixels


def _predict(file: TextIO, suffix: str, about: Mapping[str, Any], output: TextIO) -> None:
    reader = _rows(file, suffix, about["inputs"])
    model = _model()
    writer = csv.writer(output, lineterminator="\n")
    writer.writerow(_header(about["output"]["classes"]))
    first = 1
    while rows := list(islice(reader, ROWS_AT_A_TIME)):
        inputs = _arrays(rows, about["inputs"], first)
        predictions = model.predict(inputs, batch_size=ROWS_AT_A_TIME, verbose=0)
        writer.writerows(_answers(predictions.tolist(), about["output"]))
        first += len(rows)


def _rows(
    file: TextIO, suffix: str, inputs: Sequence[Mapping[str, str]]
) -> Iterator[Mapping[str, str | None]]:
    if inputs[0]["type"] == "text" and suffix == ".txt":
        return ({"text": line.rstrip("\r\n")} for line in file)
    if inputs[0]["type"] in ("nucleotide", "protein") and suffix in FASTA:
        return ({"sequence": sequence} for sequence in _sequences(file))
    reader = csv.DictReader(file)
    _check_header(reader.fieldnames or [], inputs)
    return iter(reader)


def _sequences(file: TextIO) -> Iterator[str]:
    parts: list[str] | None = None
    for line in file:
        if line.startswith(">"):
            if parts is not None:
                yield "".join(parts)
            parts = []
        elif parts is not None:
            parts.append(line.strip())
    if parts is not None:
        yield "".join(parts)


def _check_header(header: Sequence[str], inputs: Sequence[Mapping[str, str]]) -> None:
    missing = [column["name"] for column in inputs if column["name"] not in header]
    if missing:
        raise ValueError(
            f"expected the columns {', '.join(missing)}. Received: {', '.join(header) or 'no header'}. "
            "Add these columns; their cells may be empty."
        )


def _arrays(rows: Sequence[Mapping[str, str | None]], inputs: Sequence[Mapping[str, str]], first: int) -> Any:
    import numpy as np

    arrays = {}
    for column in inputs:
        numeric = column["type"] in ("number", "boolean")
        values = [_value(row[column["name"]] or "", column, first + i) for i, row in enumerate(rows)]
        arrays[column["name"]] = np.array(values, dtype=np.float32 if numeric else object)
    return arrays


def _value(cell: str, column: Mapping[str, str], row: int) -> float | str:
    kind = column["type"]
    if kind == "text":
        return cell
    text = cell.strip()
    if kind in ("nucleotide", "protein"):
        return "".join(text.upper().split())
    if text in MISSING:
        return math.nan if kind in ("number", "boolean") else ""
    if kind == "category":
        return text
    try:
        return _date(text) if kind == "date" else _boolean(text) if kind == "boolean" else _number(text)
    except ValueError:
        raise ValueError(
            f"expected a {kind} or nothing in row {row}, column {column['name']}. Received: {text!r}. "
            "Correct or empty the cell."
        ) from None


def _number(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(text)
    return max(-LARGEST_NUMBER, min(LARGEST_NUMBER, number))


def _boolean(text: str) -> float:
    if text.lower() not in TRUE | FALSE:
        raise ValueError(text)
    return float(text.lower() in TRUE)


def _date(text: str) -> str:
    date = datetime.fromisoformat(text)
    if len(text) <= len("YYYY-MM-DD"):
        return date.date().isoformat()
    if date.tzinfo is not None:
        date = date.astimezone(UTC)  # as in training
    return date.replace(microsecond=0, tzinfo=None).isoformat()


def _answers(predictions: Sequence[Sequence[float]], output: Mapping[str, Any]) -> Iterator[list[Any]]:
    for prediction in predictions:
        if output["task"] == "regression":
            yield [prediction[0]]
            continue
        if output["task"] == "multilabel":
            names = [name for name, p in zip(output["classes"], prediction, strict=True) if p > 0.5]
            yield [_cell("|".join(names)), *prediction]
            continue
        binary = output["task"] == "binary"
        chances = [1 - prediction[0], prediction[0]] if binary else list(prediction)
        yield [_cell(output["classes"][chances.index(max(chances))]), *chances]


def _header(classes: Sequence[str]) -> list[str]:
    return ["prediction", *(f"probability_{name}" for name in classes)]


def _cell(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if FORMULA.match(name) and not NUMBER.fullmatch(name) else name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
