"""What each method gains on real data, measured by the service itself: reference, measured, interval.

`--data FOLDER` holds the data as it is published: `mnist_t10k/t10k-images-idx3-ubyte.gz` and its labels (the
10,000 test digits of MNIST), `wine_quality/winequality-red.csv` and `-white.csv` (UCI, no header).
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.service import Service

Array = np.ndarray[Any, Any]
PIXELS = tuple(f"p{number}" for number in range(28 * 28))
CNN: dict[str, Any] = {
    "kind": "convnet",
    "image_shape": [28, 28, 1],
    "filters": [32, 64],
    "dense_units": [128],
    "dropout": 0.5,
}


@dataclass(frozen=True)
class Case:
    """A job, and what is known of its outcome.

    reference: numbers from elsewhere, in words. labels: the data sets' label columns.
    """

    name: str
    reference: str
    job: dict[str, Any]


@dataclass(frozen=True)
class Finding:
    """What a case came to."""

    case: Case
    job: dict[str, Any]
    report: dict[str, Any]

    def lines(self) -> list[str]:
        """The reference, what was measured, and the verdict with its interval."""
        result, gain = self.job["result"], self.job["result"]["gain"]
        told = [f"{self.case.name}", f"  reference: {self.case.reference}"]
        for arm, values in result["metrics"].items():
            metric = gain["metric"] if gain else next(iter(values))
            told.append(f"  measured:  {arm} {metric} {values[metric]:.3f}")
        for point in (self.report["evaluation"].get("few_shot") or {"points": []})["points"]:
            label = point["per_class"] or "all"
            both = f"transfer {_shown(point, 'transfer')}, scratch {_shown(point, 'control')}"
            told.append(f"  {label:>4} a class: {both}")
        if gain:
            told.append(f"  gain:      {gain['value']:+.3f}, {gain['low']:+.3f} to {gain['high']:+.3f}")
        told.append(f"  verdict:   {result['verdict']}. {result['reason']}")
        return told


def _shown(point: dict[str, Any], arm: str) -> str:
    return "-" if point[arm] is None else f"{point[arm]:.3f}"


def measure(service: Service, folder: Path, data: Path, only: Sequence[str] = ()) -> Iterator[Finding]:
    """Upload the data and run each case, in order: later ones may start from the models of earlier ones."""
    for path, label in write(folder, data):
        service.upload(path, label, task="regression" if label == "quality" else "multiclass")
    for case in cases():
        if not only or any(case.name.startswith(name) for name in only):
            job = service.run(case.job)
            yield Finding(case, job, service.report(job["id"]))


def cases() -> list[Case]:
    """The settings, written down."""
    few = {
        "source": {"dataset": "mnist-0-to-4", "training": {"epochs": 10, "batch_size": 64, "seed": 0}},
        "target": {"dataset": "mnist-5-to-9"},
        "network": CNN,
    }
    student = {"kind": "mlp", "hidden_units": [800, 800], "preprocessing": False}
    teacher = {"kind": "mlp", "hidden_units": [1200, 1200], "dropout": 0.5, "preprocessing": False}
    wine = {
        "source": {"dataset": "wine-white"},
        "target": {"dataset": "wine-red"},
        "network": {"kind": "mlp", "hidden_units": [64, 64]},
        "training": {"epochs": 40, "batch_size": 32, "seed": 0},
    }
    return [
        Case(
            "mnist few-shot, parameter transfer, frozen source",
            "at 1, 5, 10, 50 a class: scratch .542 .755 .859 .940; frozen source .606 .800 .896 .954",
            few
            | {
                "model": "mnist-few-shot",
                "method": {"kind": "parameter", "strategy": "linear_probe"},
                "training": {"epochs": 30, "batch_size": 16, "seed": 0},
                "evaluation": {"few_shot": [1, 5, 10, 50], "seeds": 2},
            },
        ),
        Case(
            "mnist, distillation 2x1200 to 2x800, against the same student without a teacher",
            "errors of 10,000, teacher, plain, student: 67, 146, 74 (Hinton 2015); short 110, 191, 133-139",
            {
                "model": "mnist-student",
                "source": {"dataset": "mnist", "network": teacher},
                "target": {"dataset": "mnist"},
                "network": student,
                "method": {"kind": "distillation", "temperature": 4, "alpha": 0.1},
                "training": {"epochs": 20, "batch_size": 128, "seed": 0},
            },
        ),
        Case(
            "wine, white to red, frozen source",
            "hurts: R2 -.23 against .35 red to red",
            wine | {"model": "wine-probe", "method": {"kind": "parameter", "strategy": "linear_probe"}},
        ),
        Case(
            "mnist 10 a class, structure transfer, searched on 0-4, against a search on the target",
            "-",
            few
            | {
                "model": "mnist-structure",
                "source": {"dataset": "mnist-0-to-4", "training": {"epochs": 3, "batch_size": 64, "seed": 0}},
                "target": {"dataset": "mnist-5-to-9-few"},
                "network": {"kind": "mlp", "preprocessing": False},
                "method": {"kind": "structure", "strategy": "search", "trials": 8},
                "training": {"epochs": 30, "batch_size": 16, "seed": 0},
                "evaluation": {"seeds": 3},
            },
        ),
        Case(
            "mnist 10 a class, combined transfer, adapters in the frozen source",
            "-",
            few
            | {
                "model": "mnist-combined",
                "target": {"dataset": "mnist-5-to-9-few"},
                "method": {"kind": "combined", "strategy": "adapter"},
                "training": {"epochs": 30, "batch_size": 16, "seed": 0},
                "evaluation": {"seeds": 2, "arms": ["random_frozen"]},
            },
        ),
    ]


def write(folder: Path, data: Path) -> list[tuple[Path, str]]:
    """The files to upload with their label columns; each file's name is its data set's."""
    x, y = _mnist(data / "mnist_t10k")
    low, high = y < 5, y >= 5
    order = np.random.default_rng(0).permutation(len(y))
    test = np.zeros(len(y), bool)
    test[order[:2000]] = True
    few = [rows for digit in range(5, 10) for rows in np.flatnonzero((y == digit) & ~test)[:10]]
    split = np.where(test, "test", "train")
    split[order[2000:3000]] = "validation"
    few_split = np.where(test, "test", np.where(np.isin(np.arange(len(y)), few), "train", "validation"))
    kept = high & (test | np.isin(np.arange(len(y)), few) | (np.arange(len(y)) % 10 == 0))
    files = [
        (_images(folder / "mnist.parquet", x, y, split), "digit"),
        (_images(folder / "mnist-0-to-4.parquet", x[low], y[low], split[low]), "digit"),
        (_images(folder / "mnist-5-to-9.parquet", x[high], y[high], split[high]), "digit"),
        (_images(folder / "mnist-5-to-9-few.parquet", x[kept], y[kept], few_split[kept]), "digit"),
    ]
    return files + [(_wine(folder, data, colour), "quality") for colour in ("white", "red")]


def _mnist(folder: Path) -> tuple[Array, Array]:
    """Pixels (n, 784) in [0, 1] and digits (n,), from the IDX files (16 and 8 bytes of header)."""
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784)
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read(), np.uint8, offset=8)
    return (x / 255).astype(np.float32), y


def _images(path: Path, x: Array, y: Array, split: Array) -> Path:
    columns = {name: x[:, number] for number, name in enumerate(PIXELS)}
    table = pa.table(
        {**columns, "digit": pa.array([str(digit) for digit in y]), "split": pa.array(split.tolist())}
    )
    parquet.write_table(table, path)
    return path


def _wine(folder: Path, data: Path, colour: str) -> Path:
    names = [*(f"measure_{number}" for number in range(11)), "quality"]
    read = csv.ReadOptions(column_names=names)
    table = csv.read_csv(data / "wine_quality" / f"winequality-{colour}.csv", read_options=read)
    path = folder / f"wine-{colour}.csv"
    csv.write_csv(table.set_column(11, "quality", table["quality"].cast(pa.float64())), path)
    return path
