"""Tasks of four kinds from published data: each can be a target's few rows, or a source's many.

`data` is a folder of the data as it is published; each function names the files it reads. Importing this
imports TensorFlow.
"""

from __future__ import annotations

import csv
import functools
import gzip
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from benchmarks import kinds
from workers.transfer.data import Column, ColumnType, Data, Rows, Signature

Array = np.ndarray[Any, Any]

SOURCE_ROWS, VALIDATION_ROWS, TEST_ROWS = 2000, 200, 600
COLUMNS = (
    "age workclass fnlwgt education years marital occupation relationship race sex gain loss hours country"
)
WINE = "fixed volatile citric sugar chlorides free total density ph sulphates alcohol"

TASKS: dict[str, tuple[str, ...]] = {
    "wine": ("red", "white", "red_number", "white_number"),
    "adult": ("private", "public", "self_employed", "married"),
    "protein": ("peptides_uniprot", "peptides_tm"),
    "sequence": ("mouse", "arabidopsis", "splice"),
    "text": ("amazon", "yelp", "imdb", "movie", "subjectivity"),
    "image": ("mnist_low", "mnist_high", "fashion_low", "fashion_high", "pneumonia"),
}
"""Tasks by what their examples are; those of one line can be each other's sources."""

PRESETS = {"image": "efficientnet_lite0", "text": "minilm_l6_v2"}


@dataclass(frozen=True, eq=False)
class Examples:
    """All examples of a task, in an order that is drawn once."""

    columns: tuple[Column, ...]
    inputs: dict[str, Array]
    labels: Array

    def take(self, rows: Array) -> Examples:
        """Some of them."""
        return replace(
            self, inputs={name: x[rows] for name, x in self.inputs.items()}, labels=self.labels[rows]
        )


@functools.cache
def examples(group: str, name: str, data: Path) -> Examples:
    """Those of a task."""
    made = {
        "image": _images,
        "text": _texts,
        "sequence": _sequences,
        "protein": _peptides,
        "adult": _adult,
        "wine": _wine,
    }[group](name, data)
    return made.take(np.random.default_rng(0).permutation(len(made.labels)))


def as_target(of: Examples, rows: int) -> Data:
    """So many train rows, then test rows, the first of the order."""
    return _data(of, rows, 0, TEST_ROWS)


def as_source(of: Examples, *, shuffled: bool = False) -> Data:
    """Train and validation rows from the end of the order; `shuffled`, each has another's label."""
    most = min(len(of.labels) * 4 // 5, SOURCE_ROWS + VALIDATION_ROWS)
    some = of.take(np.arange(len(of.labels))[::-1][:most])
    if shuffled:
        order = np.random.default_rng(1).permutation(most)
        some = replace(some, labels=some.labels[order])
    held_out = min(VALIDATION_ROWS, most // 5)
    return _data(some, most - held_out, held_out, 0)


def _data(of: Examples, train: int, validation: int, test: int) -> Data:
    numbers = of.labels.dtype.kind == "f"
    classes = () if numbers else tuple(np.unique(of.labels).tolist())
    if numbers:
        targets, task = of.labels.reshape(-1, 1), "regression"
    elif len(classes) == 2:
        targets, task = (of.labels == classes[1]).astype(np.float32).reshape(-1, 1), "binary"
    else:
        targets, task = np.searchsorted(classes, of.labels), "multiclass"
    whole = Rows(of.inputs, targets, np.arange(len(targets)))
    ends = np.cumsum([0, train, validation, test])
    parts = [
        whole.take(np.arange(start, min(end, len(targets)))) if end > start else None
        for start, end in pairwise(ends)
    ]
    assert parts[0] is not None
    return Data(Signature(of.columns, "label", task, classes), parts[0], parts[1], parts[2])  # type: ignore[arg-type]


def _one(kind: str, column_type: ColumnType, values: Sequence[Any], labels: Sequence[str]) -> Examples:
    kept = np.empty(len(values), object)
    kept[:] = values
    return Examples((Column(kind, column_type),), {kind: kept}, np.asarray(labels))


def _images(name: str, data: Path) -> Examples:
    """`mnist_t10k`, `fashion_mnist_t10k` (IDX), `pneumoniamnist/pneumoniamnist.npz`."""
    if name == "pneumonia":
        with np.load(data / "pneumoniamnist" / "pneumoniamnist.npz") as file:
            x, y = file["train_images"], file["train_labels"].reshape(-1)
    else:
        folder = data / ("mnist_t10k" if name.startswith("mnist") else "fashion_mnist_t10k")
        with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as packed:
            x = np.frombuffer(packed.read(), np.uint8, offset=16).reshape(-1, 28, 28)
        with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as packed:
            y = np.frombuffer(packed.read(), np.uint8, offset=8)
        is_asked = y < 5 if name.endswith("low") else y >= 5
        x, y = x[is_asked], y[is_asked]
    encoded = []
    for pixels in x:
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG", compress_level=1)
        encoded.append(out.getvalue())
    return _one("image", "image", encoded, [f"{name} {label}" for label in y])


def _texts(name: str, data: Path) -> Examples:
    """`uci_sentiment_sentences/*_labelled.txt`, `rt_polarity/*.tsv`, `subjectivity/*.tsv`."""
    if name in kinds.SENTENCES:
        file = data / "uci_sentiment_sentences" / f"{kinds.SENTENCES[name]}_labelled.txt"
        lines = file.read_text(encoding="utf-8").split("\n")
        rows = [line.rsplit("\t", 1) for line in lines if "\t" in line]
    else:
        folder = "rt_polarity" if name == "movie" else name
        lines = (data / folder / f"{folder}.tsv").read_text(encoding="utf-8").splitlines()
        rows = [line.split("\t", 1)[::-1] for line in lines]
    return _one("text", "text", [row[0] for row in rows], [f"{name} {row[1]}" for row in rows])


def _sequences(name: str, data: Path) -> Examples:
    """`promoters/*.fa.gz`, `splice60/splice.csv`."""
    if name == "splice":
        text = (data / "splice60" / "splice.csv").read_text()
        rows = [row[::-1] for row in list(csv.reader(io.StringIO(text)))[1:]]
    else:
        promoter, other = {
            "mouse": ("Mouse_tata", "Mouse_nonprom"),
            "arabidopsis": ("Arabidopsis_tata", "Arabidopsis_non_prom"),
        }[name]
        rows = []
        for label, file in (("promoter", promoter), ("other", other)):
            text = gzip.decompress((data / "promoters" / f"{file}.fa.gz").read_bytes()).decode()
            rows += [["".join(part.split("\n")[1:]), label] for part in text.split(">")[1:]]
    return _one("sequence", "nucleotide", [row[0] for row in rows], [f"{name} {row[1]}" for row in rows])


def _peptides(name: str, data: Path) -> Examples:
    """`peptides/AMPvs*.csv`."""
    file = {"peptides_uniprot": "AMPvsUniProt", "peptides_tm": "AMPvsTMset"}[name]
    rows = list(csv.reader(io.StringIO((data / "peptides" / f"{file}.csv").read_text())))[1:]
    labels = [f"{name} {row[1].strip()}" for row in rows]
    return _one("sequence", "protein", [row[0].strip() for row in rows], labels)


def _adult(name: str, data: Path) -> Examples:
    """`adult/adult-train.csv.gz`: income by employer, or who is married."""
    text = gzip.decompress((data / "adult" / "adult-train.csv.gz").read_bytes()).decode()
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO(text)) if len(row) == 15]
    employers = {
        "private": ("Private",),
        "public": ("Local-gov", "State-gov", "Federal-gov"),
        "self_employed": ("Self-emp-not-inc", "Self-emp-inc"),
    }
    if name in employers:
        rows = [row for row in rows if row[1] in employers[name]]
        labels = [row[14] for row in rows]
    else:
        labels = ["yes" if row[5].startswith("Married") else "no" for row in rows]
    table = np.array(rows, dtype=object)
    numbers = {"age", "years", "gain", "loss", "hours"}
    left_out = {"fnlwgt", "marital", "relationship", "workclass"}
    columns, inputs = [], {}
    for place, column in enumerate(COLUMNS.split()):
        if column in left_out:
            continue
        is_number = column in numbers
        columns.append(Column(column, "number" if is_number else "category"))
        inputs[column] = table[:, place].astype(np.float32) if is_number else table[:, place]
    return Examples(tuple(columns), inputs, np.array([f"{name} {label}" for label in labels]))


def _wine(name: str, data: Path) -> Examples:
    """`wine_quality/winequality-*.csv`: quality from 6 on, or the number."""
    colour = name.removesuffix("_number")
    rows = np.loadtxt(data / "wine_quality" / f"winequality-{colour}.csv", delimiter=",")
    inputs = {column: rows[:, place].astype(np.float32) for place, column in enumerate(WINE.split())}
    quality = rows[:, -1]
    labels = quality if name.endswith("number") else np.where(quality >= 6, "good", "poor")
    return Examples(tuple(Column(column, "number") for column in WINE.split()), inputs, labels)
