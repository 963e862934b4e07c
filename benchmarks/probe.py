"""The naive script of a linear probe in plain Keras: the frozen backbone runs in every epoch.

Reads lines of JSON `{"zip", "epochs", "batch", "part"}` from standard input and answers each with seconds: of
all of it (`naive`, decoding and test predictions included), of the backbone over the train rows (`backbone`),
of the head's step over them (`head`).
"""

from __future__ import annotations

import io
import json
import sys
import time
import zipfile
from typing import Any

import keras
import numpy as np
from PIL import Image

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.lite0 import lite0
from workers.transfer.networks.presets.lookup import LITE0, find_preset

SIZE = (224, 224)


def _images(archive: zipfile.ZipFile, split: str) -> tuple[Any, Any]:
    names = [name for name in archive.namelist() if name.startswith(f"{split}/")]
    labels = sorted({name.split("/")[1] for name in names})
    x = [np.asarray(Image.open(io.BytesIO(archive.read(name))).convert("RGB").resize(SIZE)) for name in names]
    return np.stack(x), np.array([labels.index(name.split("/")[1]) for name in names])


def _probe(backbone: Any, classes: int) -> Any:
    model = keras.Sequential([backbone, keras.layers.Dense(classes, activation="softmax")])
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def _answer(question: dict[str, Any]) -> float:
    begin = time.perf_counter()
    with zipfile.ZipFile(question["zip"]) as archive:
        (x, y), (test, _) = _images(archive, "train"), _images(archive, "test")
    backbone = lite0(InputSpec((*SIZE, 3)), 0, find_preset(LITE0, None).path)
    backbone.trainable = False
    model, batch = _probe(backbone, 12), question["batch"]
    if question["part"] == "naive":
        model.fit(x.astype("float32"), y, epochs=question["epochs"], batch_size=batch, verbose=0)
        model.predict(test.astype("float32"), verbose=0)
        return time.perf_counter() - begin
    if question["part"] == "backbone":
        x = x.astype("float32")
        backbone.predict(x[:batch], batch_size=batch, verbose=0)
        begin = time.perf_counter()
        backbone.predict(x, batch_size=batch, verbose=0)
        return time.perf_counter() - begin
    features = np.random.default_rng(0).normal(size=(len(x), 1280)).astype("float32")
    head = _probe(keras.Input((1280,)), 12)
    head.fit(features, y, epochs=1, batch_size=batch, verbose=0)
    begin = time.perf_counter()
    head.fit(features, y, epochs=question["epochs"], batch_size=batch, verbose=0)
    return (time.perf_counter() - begin) / int(question["epochs"])


def main() -> None:
    """Once for each line of standard input."""
    for line in sys.stdin:
        sys.stdout.write(f"{_answer(json.loads(line))}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
