"""The candidates for a target: networks of other tasks, one of shuffled labels, one untrained, a preset."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from benchmarks.ranking_tasks import PRESETS, TASKS, as_source, examples
from workers.transfer.data import Data
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.schema_map import start
from workers.transfer.networks.network import Network, build
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Training

SEED = 0
BUDGET = Budget(min_updates=300, max_updates=800)
OPTIONS: dict[str, dict[str, Any]] = {
    "image": {
        "kind": "convnet",
        "image_shape": None,
        "filters": [16, 32],
        "kernel_size": 3,
        "dense_units": [64],
        "dropout": 0.2,
        "preprocessing": False,
        "max_categories": 256,
        "image_size": [28, 28],
        "channels": 1,
    },
    "text": {
        "kind": "text_convnet",
        "embedding_units": 32,
        "filters": 32,
        "widths": [2, 3, 4],
        "dropout": 0.2,
        "split": "words",
        "max_tokens": 8000,
        "length": 64,
    },
    "sequence": {
        "kind": "sequence_convnet",
        "filters": [32],
        "kernel_size": 8,
        "pool_size": 4,
        "dense_units": [64],
        "dropout": 0.2,
        "length": 251,
    },
    "adult": {
        "kind": "mlp",
        "hidden_units": [64, 64],
        "activation": "relu",
        "dropout": 0.1,
        "preprocessing": True,
        "max_categories": 256,
    },
}
OPTIONS |= {"protein": {**OPTIONS["sequence"], "length": 100}, "wine": OPTIONS["adult"]}


@dataclass(frozen=True, eq=False)
class Source:
    """A candidate's network on the target's rows, and what is known of it besides.

    head: the source's own; None of a preset, of a network that was never trained, of one of numbers.
    accuracy: on its validation rows; of a preset 1, of a network that was never trained 0.
    """

    name: str
    network: Network
    head: keras.Model | None
    rows: int
    accuracy: float
    parameters: int
    is_preset: bool = False


def candidates_of(group: str, target: str, data: Path, of: Data) -> Iterator[Source]:
    """All candidates for a target, each on its columns, categories and tokens."""
    others = [name for name in TASKS[group] if name != target]
    if group == "wine":  # red and red_number are the same rows
        others = [name for name in others if not name.startswith(target.removesuffix("_number"))]
    asked = [(name, False) for name in others] + [(others[0], True)]
    for name, shuffled in asked:
        trained, rows, accuracy = _trained(group, name, data, shuffled)
        network = start(trained, of, SEED, stays_frozen=True, fitted_head=True)[0]
        head = None if trained.signature.task == "regression" else trained.head
        label = f"{name}, labels shuffled" if shuffled else name
        yield Source(label, network, head, rows, accuracy, trained.backbone.count_params())
    random = build(OPTIONS[group], as_source(examples(group, others[0], data)), SEED + 1)
    network = start(random, of, SEED, stays_frozen=True, fitted_head=True)[0]
    yield Source("never trained", network, None, 0, 0.0, random.backbone.count_params())
    if group in PRESETS:
        reads = {"image_size": [64, 64], "channels": 3} if group == "image" else {"length": 64}
        preset = {"kind": "pretrained", "preset": PRESETS[group], "weights": "pretrained"}
        options: dict[str, Any] = {**preset, **reads}
        network = build(options, of, SEED)
        parameters = network.backbone.count_params()
        yield Source(PRESETS[group], network, None, 1_000_000, 1.0, parameters, is_preset=True)


@functools.cache
def _trained(group: str, name: str, data: Path, shuffled: bool) -> tuple[Network, int, float]:
    """A source's network, its train rows, and its last validation accuracy, or 1 - the loss of a number."""
    rows = as_source(examples(group, name, data), shuffled=shuffled)
    network = build(OPTIONS[group], rows, SEED)
    history = _fit()(network, rows)
    best = min(history.epochs, key=lambda epoch: epoch["val_loss"])
    return network, len(rows.train), best.get("val_accuracy", 1 - best["val_loss"])


def fine_tune_seconds(group: str, target: str, data: Path, of: Data) -> float:
    """CPU seconds of one training of one source on the target, without any choice of rates."""
    name = next(name for name in TASKS[group] if name != target)
    trained, _, _ = _trained(group, name, data, False)
    begun = time.process_time()
    parameter(trained, OPTIONS[group], of, _fit(), strategy="lp_ft")
    return time.process_time() - begun


def _fit() -> Fit:
    return Fit(Training(epochs=None, batch_size=32, learning_rate=1e-3, seed=SEED, budget=BUDGET))
