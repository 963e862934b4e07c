"""The downloaded file in this process, a row at a time: what predictions over HTTP are compared to.

    python -m benchmarks.predicting MODEL.keras < row.json

Answers, as JSON: rows a second of a traced call in a loop, and seconds of `model.predict`, each the median.
"""

from __future__ import annotations

import json
import statistics
import sys
import time
from typing import Any

import keras
import numpy as np
import tensorflow as tf

CALLS, PREDICTIONS = 2000, 40


def main() -> None:
    """Measure both."""
    model = keras.saving.load_model(sys.argv[1], compile=False)
    row = {name: np.array([value], np.float32) for name, value in json.load(sys.stdin).items()}
    graph = tf.function(lambda inputs: model(inputs, training=False))
    call = graph.get_concrete_function(_tensors(row))
    for _ in range(20):
        call(_tensors(row))
        model.predict(row, verbose=0)
    begin = time.perf_counter()
    for _ in range(CALLS):
        call(_tensors(row)).numpy()
    calls = CALLS / (time.perf_counter() - begin)
    seconds = []
    for _ in range(PREDICTIONS):
        begin = time.perf_counter()
        model.predict(row, verbose=0)
        seconds.append(time.perf_counter() - begin)
    sys.stdout.write(json.dumps({"calls": calls, "predict": statistics.median(seconds)}) + "\n")


def _tensors(row: dict[str, Any]) -> dict[str, Any]:
    return {name: tf.constant(value.reshape(1, 1)) for name, value in row.items()}


if __name__ == "__main__":
    main()
