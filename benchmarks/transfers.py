"""What each method gains on real data, at the defaults, measured by the service itself.

`--data FOLDER` holds the data as it is published: `mnist_t10k/t10k-images-idx3-ubyte.gz` and its labels (the
10,000 test digits of MNIST), `wine_quality/winequality-red.csv` and `-white.csv` (UCI, no header).
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import csv, parquet

from benchmarks.cases import Case, Upload

Array = np.ndarray[Any, Any]
PIXELS = tuple(f"p{number}" for number in range(28 * 28))
CNN: dict[str, Any] = {
    "kind": "convnet",
    "image_shape": [28, 28, 1],
    "filters": [32, 64],
    "dense_units": [128],
    "dropout": 0.5,
}

DIGITS = {"task": "multiclass"}
DECLARED: dict[str, dict[str, str]] = {
    "mnist": DIGITS,
    "mnist-1000": {**DIGITS, "unlabelled": "true"},
    "mnist-0-to-4": DIGITS,
    "mnist-5-to-9": DIGITS,
    "mnist-5-to-9-ten": DIGITS,
    "wine-white": {"task": "regression"},
    "wine-red": {"task": "regression", "test_fraction": "0.4"},
}
"""What is said of each data set at its upload; much of the red wine is for the test, since it is small."""


def cases() -> list[Case]:
    """The settings, written down: what is not said is the default. The quick ones come first."""
    few_shot = {
        "source": {"dataset": "mnist-0-to-4"},
        "target": {"dataset": "mnist-5-to-9"},
        "network": CNN,
    }
    student = {"kind": "mlp", "hidden_units": [800, 800], "preprocessing": False}
    teacher = {"kind": "mlp", "hidden_units": [1200, 1200], "dropout": 0.5, "preprocessing": False}
    distilled = {
        "source": {"dataset": "mnist", "network": teacher},
        "target": {"dataset": "mnist-1000"},
        "network": student,
        "method": {"kind": "distillation", "temperature": 4, "alpha": 0.1},
    }
    wine = {"source": {"dataset": "wine-white"}, "target": {"dataset": "wine-red"}}
    return [
        Case("wine, white to red, the defaults", "-", {**wine, "model": "wine-defaults"}),
        Case(
            "wine, white to red, frozen source",
            "hurts: R2 -.23 against .35 red to red",
            {
                **wine,
                "model": "wine-probe",
                "network": {"kind": "mlp", "hidden_units": [64, 16]},
                "method": {"kind": "parameter", "strategy": "linear_probe"},
            },
        ),
        Case(
            "mnist structure transfer, searched on 0-4, trained on 50 a class of 5-9",
            "-",
            {
                "model": "mnist-structure",
                "source": {"dataset": "mnist-0-to-4"},
                "target": {"dataset": "mnist-5-to-9"},
                "network": {"kind": "mlp", "preprocessing": False},
                "method": {"kind": "structure", "strategy": "search", "trials": 12},
                "evaluation": {"arms": ["random_structure", "structure_with_parameters"]},
            },
        ),
        Case(
            "mnist 10 a class, combined transfer, frozen convolutions and new layers",
            "-",
            few_shot
            | {
                "model": "mnist-combined",
                "target": {"dataset": "mnist-5-to-9-ten"},
                "method": {
                    "kind": "combined",
                    "strategy": "partial_copy",
                    "copied_layers": 2,
                    "source_learning_rate_factor": 0,
                },
                "evaluation": {"arms": ["source_frozen", "random_frozen"]},
            },
        ),
        Case(
            "mnist few-shot, parameter transfer, frozen convolutions",
            "at 1, 5, 10, 50 a class: scratch .542 .755 .859 .940; frozen source .606 .800 .896 .954",
            few_shot
            | {
                "model": "mnist-few-shot",
                "method": {
                    "kind": "parameter",
                    "strategy": "full",
                    "frozen_layers": 2,
                    "backbone_learning_rate_factor": 1,
                },
                "evaluation": {"few_shot": [1, 5, 10]},
            },
        ),
        Case(
            "mnist distillation with 1000 labels and 6000 unlabelled rows",
            "-",
            distilled | {"model": "mnist-student-1000"},
            is_long=True,
        ),
        Case(
            "mnist distillation 2x1200 to 2x800, against the same student without a teacher",
            "errors of 10,000, teacher, plain, student: 67, 146, 74 (Hinton 2015); short 110, 191, 133-139",
            distilled | {"model": "mnist-student", "target": {"dataset": "mnist"}},
            is_long=True,
        ),
        Case(
            "mnist distillation of a convolutional teacher to 2x800",
            "as above",
            distilled
            | {
                "model": "mnist-student-convolutional",
                "source": {"dataset": "mnist", "network": CNN},
                "target": {"dataset": "mnist"},
            },
            is_long=True,
        ),
    ]


def write(folder: Path, data: Path) -> list[Upload]:
    """The files to upload."""
    x, y = _mnist(data / "mnist_t10k")
    low, high = y < 5, y >= 5
    low, high = y < 5, y >= 5
    split = np.full(len(y), "train", dtype=object)
    order = np.random.default_rng(0).permutation(len(y))
    split[order[:2000]], split[order[2000:3000]] = "test", "validation"
    of_digit = [np.flatnonzero((y == digit) & (split == "train")) for digit in range(10)]

    def first(count: int) -> Array:
        """Marks so many train rows of each digit."""
        return np.isin(np.arange(len(y)), np.concatenate([rows[:count] for rows in of_digit]))

    # A fifth of the target's validation rows, so that epochs on few train rows are short.
    held_out = (split == "test") | ((split == "validation") & (np.arange(len(y)) % 5 == 0))
    fifty, ten = high & (first(50) | held_out), high & (first(10) | held_out)
    words = y.astype(str).astype(object)
    hidden = words.copy()
    hidden[(split == "train") & ~first(100)] = None
    parts = {
        "mnist": (x, words, split),
        "mnist-1000": (x, hidden, split),
        "mnist-0-to-4": (x[low], words[low], split[low]),
        "mnist-5-to-9": (x[fifty], words[fifty], split[fifty]),
        "mnist-5-to-9-ten": (x[ten], words[ten], split[ten]),
    }
    files = [(_images(folder / f"{name}.parquet", *part), "digit") for name, part in parts.items()]
    files += [(_wine(folder, data, colour), "quality") for colour in ("white", "red")]
    return [Upload(path, {"label": label, **DECLARED[path.stem]}) for path, label in files]


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
        {**columns, "digit": pa.array(y.tolist(), pa.string()), "split": pa.array(split.tolist())}
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
