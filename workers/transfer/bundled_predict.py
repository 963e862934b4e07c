"""Predict the rows of a CSV file: python predict.py rows.csv > predictions.csv

The file needs a header with the model's columns, in any order; other columns are passed over. An empty
cell, or a word like NA, is a missing value. It needs tensorflow, keras and numpy, as in requirements.txt.
"""

import csv
import json
import math
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Any, TextIO

ROWS_AT_A_TIME = 1024
LARGEST_NUMBER = 1e18  # as in training
MISSING = {"", "NA", "N/A", "n/a", "NaN", "nan", "null", "NULL", "None", "?", "<NA>", "#N/A"}
TRUE = {"true", "yes", "t", "y", "1", "1.0"}
FALSE = {"false", "no", "f", "n", "0", "0.0"}


def main(arguments: Sequence[str]) -> int:
    """Write predictions to standard output; answer the exit status."""
    if len(arguments) != 1:
        sys.stderr.write("Expected one file. Use: python predict.py rows.csv > predictions.csv\n")
        return 2
    try:
        with open(arguments[0], newline="", encoding="utf-8-sig") as file:
            _predict(file, sys.stdout)
    except (OSError, ValueError) as error:
        sys.stderr.write(f"{arguments[0]}: {error}\n")
        return 1
    return 0


def _predict(file: TextIO, output: TextIO) -> None:
    folder = Path(__file__).resolve().parent
    about = json.loads((folder / "signature.json").read_text(encoding="utf-8"))
    reader = csv.DictReader(file)
    _check_header(reader.fieldnames or [], about["inputs"])
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    import keras  # only now: a wrong file is refused at once

    model = keras.saving.load_model(folder / "model.keras")
    writer = csv.writer(output, lineterminator="\n")
    classes = about["output"]["classes"]
    writer.writerow(["prediction", *(f"probability_{name}" for name in classes)])
    first = 1
    while rows := list(islice(reader, ROWS_AT_A_TIME)):
        inputs = _arrays(rows, about["inputs"], first)
        predictions = model.predict(inputs, batch_size=ROWS_AT_A_TIME, verbose=0)
        writer.writerows(_answers(predictions.tolist(), about["output"]))
        first += len(rows)


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
    text = cell.strip()
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
        binary = output["task"] == "binary"
        chances = [1 - prediction[0], prediction[0]] if binary else list(prediction)
        yield [output["classes"][chances.index(max(chances))], *chances]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
