"""The transfer that this project began with, in plain Keras: what the service is compared to.

    python -m benchmarks.example SOURCE.csv TARGET.csv SEED    run it once, cold
    python -m benchmarks.example SOURCE.csv TARGET.csv         stay, and run it for each seed read

The second form answers each seed of standard input with the seconds that its two `fit` calls took.
"""

from __future__ import annotations

import csv
import sys
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from benchmarks.data import FEATURES


def read_train_rows(path: Path) -> tuple[Any, Any]:
    """Features (rows, 10) and labels (rows,) of the rows marked train."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "train"]
    x = np.array([[row[name] for name in FEATURES] for row in rows], dtype="float32")
    return x, np.array([row["y"] for row in rows], dtype="float32")


def build() -> Any:
    """The network, compiled."""
    model = keras.Sequential(
        [
            keras.Input((len(FEATURES),)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss="binary_crossentropy", metrics=["accuracy"])
    return model


def fit(model: Any, rows: tuple[Any, Any]) -> float:
    """Train, and answer the seconds it took."""
    begin = time.perf_counter()
    model.fit(*rows, epochs=10, batch_size=32, verbose=0)
    return time.perf_counter() - begin


def transfer(source: tuple[Any, Any], target: tuple[Any, Any], seed: int) -> float:
    """Train on the source, go on from its weights on the target; the seconds spent in `fit`."""
    keras.utils.set_random_seed(seed)
    pretrained, model = build(), build()
    spent = fit(pretrained, source)
    model.set_weights(pretrained.get_weights())
    return spent + fit(model, target)


def main() -> None:
    """Once, or once for each line of standard input."""
    source, target = (read_train_rows(Path(name)) for name in sys.argv[1:3])
    if len(sys.argv) > 3:
        transfer(source, target, int(sys.argv[3]))
        return
    for line in sys.stdin:
        sys.stdout.write(f"{transfer(source, target, int(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
