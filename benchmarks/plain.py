"""Plain Keras with the service's own rhythm: what its training loop is compared to.

Reads lines of JSON `{"source", "target", "units", "epochs", "seed"}` from standard input and answers each
with the seconds of its two `fit` calls. Files are read and networks built before the clock runs.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import keras

from benchmarks.data import FEATURES
from benchmarks.example import read_train_rows
from workers.transfer.training.epoch_loop import CHUNK_STEPS


def build(units: list[int]) -> Any:
    """The network, compiled so that as many steps run in one call as in the service."""
    layers = [keras.layers.Dense(width, activation="relu") for width in units]
    model = keras.Sequential(
        [keras.Input((len(FEATURES),)), *layers, keras.layers.Dense(1, activation="sigmoid")]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(0.001),
        loss="binary_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=CHUNK_STEPS,
    )
    return model


def transfer(source: str, target: str, units: list[int], epochs: int, seed: int) -> float:
    """Train on the source, go on from its weights on the target; the seconds spent in `fit`."""
    keras.utils.set_random_seed(seed)
    both = [(build(units), read_train_rows(Path(path))) for path in (source, target)]
    spent = 0.0
    for number, (model, rows) in enumerate(both):
        if number:
            model.set_weights(both[0][0].get_weights())
        begin = time.perf_counter()
        model.fit(*rows, epochs=epochs, batch_size=32, verbose=0)
        spent += time.perf_counter() - begin
    return spent


def main() -> None:
    """Once for each line of standard input."""
    for line in sys.stdin:
        sys.stdout.write(f"{transfer(**json.loads(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
