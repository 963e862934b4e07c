"""Bundles of untrained networks that read two numbers."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from app.jobs.networks import Mlp
from tests.workers.transfer.delivery.test_export import reader_of
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.delivery.export import write_bundle
from workers.transfer.networks.network import build

Make = Callable[[int], Path]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Make:
    """The bundle of a network with the weights of a seed, made once."""
    folder = tmp_path_factory.mktemp("bundles")
    rng = np.random.default_rng(0)
    inputs = {name: rng.normal(size=20).astype(np.float32) for name in ("a", "b")}
    rows = Rows(inputs, (inputs["a"] > 0).astype(np.float32).reshape(-1, 1), np.arange(20))
    signature = Signature((Column("a", "number"), Column("b", "number")), "y", "binary", ("no", "yes"))

    def make(seed: int) -> Path:
        path = folder / f"{seed}.zip"
        if not path.exists():
            network = build(
                Mlp(hidden_units=[4]).model_dump(mode="json"), Data(signature, rows, rows, rows), seed
            )
            write_bundle(network, path, {"name": "m", "temperature": 2.0}, reader_of(signature))
        return path

    return make
