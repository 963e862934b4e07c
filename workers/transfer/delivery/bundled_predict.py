"""Predict the rows of files: python predict.py rows.csv > predictions.csv

A file may be CSV, TSV, JSON lines or Parquet (the first three gzipped, too), with the model's columns in any
order; other columns are passed over. A model of texts also takes a .txt file, a text a line; one of sequences
FASTA; one of images their files: python predict.py a.png b.jpg. Each of these also takes a zip of such files.
A model that translates reads the column of its sources, and answers texts. One that answers questions reads
`question` and `context`, and answers a span of the context: its text, where it begins and ends in code
points, and its score.
Cells are read as those of the data set that the model was trained on, and refused as they were; what a
message calls declared, such as a delimiter, is given as an option. Nothing is predicted unless all files can
be read.

The answers come in the rows' order. The labels of a row that may have several are separated by |. A class,
file name or kept cell that a spreadsheet would take for a formula, as =1+1, is written with a ' before it;
numbers, negative ones included, stay numbers. It needs what is in requirements.txt.
"""

import argparse
import csv
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

FORMULA = re.compile(r"[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
ROWS_AT_A_TIME = {"tabular": 8192, "image": 32}
ROWS_A_BATCH = {"tabular": 1024, "qa": 16}


def main(arguments: Sequence[str]) -> int:
    """Write predictions to standard output; answer the exit status."""
    options = _parsed(arguments)
    sys.path.insert(0, str(_folder()))  # where `reading` lies; it is in no path of an isolated Python
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # classes and columns are called in any script
            stream.reconfigure(encoding="utf-8", errors="replace")
    about = json.loads((_folder() / "signature.json").read_text(encoding="utf-8"))
    opened = []
    for path in options.files:
        try:
            opened.append(_opened(path, about, options))
        except (OSError, ValueError) as error:
            sys.stderr.write(f"{path}: {getattr(error, 'strerror', None) or error}\n")
            return 1
    try:
        model = _model()
    except ModuleNotFoundError as error:
        sys.stderr.write(
            f"Expected the package {error.name}, which this model needs. Received: none. "
            f"Run: pip install -r {_folder() / 'requirements.txt'}\n"
        )
        return 1
    try:
        _predict(model, opened, about, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    return 0


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    summary, _, rest = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(
        "predict.py", description=summary, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("files", nargs="+", help="rows to predict")
    parser.add_argument(
        "--id", action="append", default=[], metavar="COLUMN",
        help="keep this column of the file beside the answers; may be given more than once",
    )  # fmt: skip
    parser.add_argument("--all", action="store_true", help="keep all columns of the file beside the answers")
    parser.add_argument("--format", choices=("csv", "tsv", "jsonl", "parquet", "fasta", "zip", "npz"))
    parser.add_argument("--encoding", help="by default found in the file")
    parser.add_argument("--delimiter", help="of CSV, by default found in the file")
    parser.add_argument("--quote", choices=("double", "single", "none"), help="of CSV, by default found")
    return parser.parse_args(arguments)


def _folder() -> Path:
    return Path(__file__).resolve().parent


@dataclass(frozen=True)
class Opened:
    """A file of which every row was read, and the columns of it that are kept beside the answers."""

    path: str
    rows: Any
    kept: list[str]

    def names(self, rows: Any, alone: bool) -> list[str]:
        """The file that each row comes from; of an archive, the one inside of it."""
        inside: list[str] = rows.files or [self.path] * rows.inputs.num_rows
        return inside if alone or not self.rows.is_archive else [f"{self.path}/{name}" for name in inside]


def _opened(path: str, about: Mapping[str, Any], options: argparse.Namespace) -> Opened:
    from reading.declaration import Declaration
    from reading.description import Reading
    from reading.errors import DatasetError
    from reading.rows import RowsFile

    asked = {name: getattr(options, name) for name in ("format", "encoding", "delimiter", "quote")}
    declared = Declaration(**{name: "\t" if value == "\\t" else value for name, value in asked.items()})
    try:
        file = RowsFile(Path(path), Reading.model_validate(about["reading"]), declared)
        kept = file.columns if options.all else list(dict.fromkeys(options.id))
        if not sum(rows.inputs.num_rows for rows in file.read(kept)):
            message = "Expected at least one row. Received: none."
            raise DatasetError("no_rows", message, "Give a file with rows.")
    except DatasetError as error:
        raise ValueError(_told(error)) from error
    return Opened(path, file, kept)


def _told(error: Any) -> str:
    """The refusal in a line, and the other rows that are refused, if any, in one each."""
    hint = "" if (error.hint or "").startswith("Upload") else error.hint or ""
    hint = re.sub(r"-F (format|encoding|delimiter|quote)=", r"--\1=", hint)
    lines = [" ".join(filter(None, (error.message, hint)))]
    for also in (one for one in error.errors[1:] if one.get("row") is not None):
        places = [f"{key} {also[key]}" for key in ("row", "line", "column") if also.get(key) is not None]
        lines.append(f"  {', '.join(places)}: expected {also['expected']}, received {also['received']}")
    return "\n".join(lines)


def _model() -> Any:
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if not (_folder() / "model.keras").exists():
        from baseline import Baseline

        return Baseline(_folder())
    import keras  # only now: a wrong file is refused at once

    return keras.saving.load_model(_folder() / "model.keras")


def _predict(model: Any, opened: Sequence[Opened], about: Mapping[str, Any], output: TextIO) -> None:
    writer = csv.writer(output, lineterminator="\n")
    alone = len(opened) == 1
    named = ["file"] if not alone or any(file.rows.is_of_files for file in opened) else []
    answers = ["prediction", *(f"probability_{name}" for name in about["output"]["classes"])]
    if about["output"]["task"] == "span":
        answers += ["start", "end", "score"]
    kept = list(dict.fromkeys(name for file in opened for name in file.kept))
    writer.writerow([*named, *map(_cell, _unlike(kept, [*named, *answers])), *answers])
    for file in opened:
        for rows in file.rows.read(file.kept, again=True):
            nothing = [""] * rows.inputs.num_rows
            beside = [file.names(rows, alone)] if named else []
            beside += [rows.kept.get(name, nothing) for name in kept]
            contexts = rows.inputs["context"].to_pylist() if about["output"]["task"] == "span" else []
            predicted = _answers(_predictions(model, rows.inputs, about), about["output"], contexts)
            for place, answer in enumerate(predicted):
                writer.writerow([*(_cell(cells[place]) for cells in beside), *answer])


def _unlike(names: Sequence[str], taken: Sequence[str]) -> list[str]:
    """The names of kept columns, none of them that of another column of the answers."""
    headers: list[str] = []
    for name in names:
        header = name
        while header in {*taken, *headers}:
            header = f"input_{header}"
        headers.append(header)
    return headers


def _predictions(model: Any, inputs: Any, about: Mapping[str, Any]) -> Iterator[list[float]]:
    import pyarrow as pa
    from arrays import values

    kind = about["reading"]["kind"]
    rows, batch_rows = ROWS_AT_A_TIME.get(kind, 1024), ROWS_A_BATCH.get(kind, 256)
    for start in range(0, inputs.num_rows, rows):
        some = inputs.slice(start, rows)
        arrays = {
            column["key"]: values(pa.chunked_array([some[column["name"]]]), column["type"])
            for column in about["inputs"]
        }
        if "image" in arrays:
            yield from _of_images(model, arrays["image"], int(about["inputs"][0]["channels"]))
        else:
            yield from model.predict(arrays, batch_size=batch_rows, verbose=0).tolist()


def _of_images(model: Any, encoded: Any, channels: int) -> Iterator[list[float]]:
    """Those of one size that follow each other together."""
    import numpy as np
    from pictures import decode

    group: list[Any] = []
    for data in encoded:
        pixels = decode(data, channels)
        if group and group[0].shape != pixels.shape:
            yield from model.predict({"image": np.stack(group)}, verbose=0).tolist()
            group = []
        group.append(pixels)
    yield from model.predict({"image": np.stack(group)}, verbose=0).tolist()


def _answers(
    predictions: Iterable[Sequence[float]], output: Mapping[str, Any], contexts: Sequence[str | None]
) -> Iterator[list[Any]]:
    for place, prediction in enumerate(predictions):
        if output["task"] == "span":
            start, end, score = int(prediction[0]), int(prediction[1]), prediction[2]
            yield [_cell((contexts[place] or "")[start:end]), start, end, score]
            continue
        if output["task"] == "seq2seq":
            text = prediction[0]
            yield [_cell(text.decode() if isinstance(text, bytes) else str(text))]
            continue
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


def _cell(name: str) -> str:
    """A name that no spreadsheet takes for a formula."""
    return f"'{name}" if FORMULA.match(name) and not NUMBER.fullmatch(name) else name


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
