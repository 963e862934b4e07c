"""The founding document's example, written as plain Keras, against what the service makes of the same job."""

from __future__ import annotations

import csv
from pathlib import Path

import keras
import numpy as np
import numpy.typing as npt

from tests.e2e.conftest import Service
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.networks import network

Array = npt.NDArray[np.float32]

FEATURES = 10
OPTIONS = {
    "kind": "mlp",
    "hidden_units": [64, 64],
    "activation": "relu",
    "dropout": 0.0,
    "preprocessing": False,
    "max_categories": 256,
}


def draw_rows(seed: int, count: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(count, FEATURES)).astype(np.float32)
    y = (x[:, :5].sum(axis=1) - x[:, 5:].sum(axis=1) + rng.normal(size=count) > 0).astype(np.float32)
    return x, y


def write(path: Path, train: tuple[Array, Array]) -> Path:
    """The rows that train, and 20 that test."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*(f"x{number}" for number in range(FEATURES)), "y", "split"])
        for part, (x, y) in (("train", train), ("test", draw_rows(9, 20))):
            writer.writerows(
                [*map(repr, map(float, row)), int(label), part] for row, label in zip(x, y, strict=True)
            )
    return path


def plain_network() -> keras.Model:
    model = keras.Sequential(
        [
            keras.Input((FEATURES,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    model.compile(optimizer=keras.optimizers.Adam(0.001), loss="binary_crossentropy")
    return model


def initial_weights(x: Array, y: Array) -> list[Array]:
    """The weights that the service starts from with this seed."""
    columns = tuple(Column(f"x{number}", "number") for number in range(FEATURES))
    inputs = {column.name: x[:, number] for number, column in enumerate(columns)}
    rows = Rows(inputs, y.reshape(-1, 1), np.arange(len(y)))
    data = Data(Signature(columns, "y", "binary", ("0", "1")), rows, None, None)
    weights: list[Array] = network.build(OPTIONS, data, seed=0).model.get_weights()
    return weights


def test_the_service_gives_the_weights_that_plain_keras_gives(service: Service, tmp_path: Path) -> None:
    source, target = draw_rows(1, 1000), draw_rows(2, 205)
    service.upload("parity-source", write(tmp_path / "source.csv", source), label="y")
    service.upload("parity-target", write(tmp_path / "target.csv", target), label="y")
    job = service.post(
        model="parity",
        source={"dataset": "parity-source"},
        target={"dataset": "parity-target"},
        method={"kind": "parameter", "strategy": "full", "backbone_learning_rate_factor": 1.0},
        network={"kind": "mlp", "hidden_units": [64, 64], "preprocessing": False},
        training={"epochs": 10, "batch_size": 32, "learning_rate": 0.001, "seed": 0, "shuffle": False},
        evaluation={"control": False},
    )
    assert service.wait(job["id"])["state"] == "succeeded"
    (tmp_path / "model.keras").write_bytes(service.http.get("/v1/models/parity/download").content)

    source_model, target_model = plain_network(), plain_network()
    source_model.set_weights(initial_weights(*source))
    source_model.fit(*source, epochs=10, batch_size=32, shuffle=False, verbose=0)
    target_model.set_weights(source_model.get_weights())
    target_model.fit(*target, epochs=10, batch_size=32, shuffle=False, verbose=0)

    downloaded = keras.saving.load_model(tmp_path / "model.keras").get_weights()
    expected = target_model.get_weights()
    assert [weight.shape for weight in downloaded] == [weight.shape for weight in expected]
    for got, wanted in zip(downloaded, expected, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=0, atol=1e-6)
