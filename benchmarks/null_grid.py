"""400 jobs in which nothing can be transferred: kind of data, method and rows, each drawn by its number.

The source's labels are coins, and its training does not move a weight (learning rate 1e-12): its network is
a draw of random weights, like the ones that the control's same procedure starts from. Its inputs are drawn as
the target's are, whose labels can be learnt. So the true gain over the same procedure from random weights is
0, and nothing may be said to help.

Structure transfer is left out: it starts afresh in every arm, so that no weight of the source is in it.
"""

from __future__ import annotations

import csv
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.cases import Upload

Array = np.ndarray[Any, Any]

METHODS: dict[str, dict[str, Any]] = {
    **{
        strategy: {"kind": "parameter", "strategy": strategy}
        for strategy in ("lp_ft", "full", "linear_probe", "gradual", "lora")
    },
    **{
        strategy: {"kind": "combined", "strategy": strategy}
        for strategy in ("adapter", "partial_copy", "side_tuning", "progressive")
    },
    "distillation": {"kind": "distillation"},
}

NETWORKS: dict[str, dict[str, Any]] = {
    "tabular": {"kind": "mlp", "hidden_units": [16, 16]},
    "text": {"kind": "text_convnet", "embedding_units": 8, "filters": 8, "widths": [1, 2]},
    "image": {"kind": "convnet", "filters": [8], "dense_units": [16]},
    "sequence": {"kind": "sequence_convnet", "filters": [8], "kernel_size": 4, "dense_units": [16]},
}
"""Of the usual kind, with few weights."""

ROWS = (40, 100, 250, 700, 2000)
DECLARED_TEST_ROWS = 300
SOURCE_ROWS = 200
JOBS = 400
_STRIDE = 151
"""Without a common factor with `JOBS`: jobs in their order are a fair sample of the grid, however few ran."""

WORDS = [first + second for first in ("ba", "do", "ki", "lu", "me", "no") for second in "rstvz"]
TEXT_WORDS, LETTERS, SIDE = 12, 24, 8


@dataclass(frozen=True)
class NullJob:
    """One of the 400. Rows are all that are labelled; if `declares_test`, but for 300 test rows."""

    number: int
    kind: str
    method: str
    rows: int
    declares_test: bool
    task: str

    @property
    def same_procedure(self) -> str:
        """The control's candidate whose weights are drawn like the source's."""
        return "untrained_teacher" if self.method == "distillation" else "random_weights"

    def request(self) -> dict[str, Any]:
        """The job, at the defaults but for a small network and a source that does not learn."""
        untrained = {"epochs": 1, "learning_rate": 1e-12, "seed": 500_000 + self.number}
        return {
            "model": f"null-{self.number}",
            "source": {"dataset": f"source-{self.number}", "training": untrained},
            "target": {"dataset": f"target-{self.number}"},
            "method": METHODS[self.method],
            "network": NETWORKS[self.kind],
            "training": {"seed": 100 * self.number},
            "champion": "never",
        }

    def write(self, folder: Path) -> list[Upload]:
        """The source, and the target."""
        random = np.random.default_rng([2026, self.number])
        task = "binary" if self.method == "distillation" else self.task
        source_words = "t" if self.method == "distillation" else "s"
        coins = random.integers(0, 2, SOURCE_ROWS)
        x, _ = _examples(self.kind, SOURCE_ROWS, "binary", random)
        labels = [f"{source_words}{coin}" for coin in coins]
        made = [_written(folder, f"source-{self.number}", self.kind, x, labels, None, "binary")]
        count = self.rows + DECLARED_TEST_ROWS * self.declares_test
        x, y = _examples(self.kind, count, task, random)
        parts = self._parts() if self.declares_test else None
        labels = [str(value) if task == "regression" else f"t{value}" for value in y]
        return [*made, _written(folder, f"target-{self.number}", self.kind, x, labels, parts, task)]

    def _parts(self) -> Array:
        """With few rows none validates; of more a fifth."""
        validation = self.rows // 5 if self.rows > 100 else 0
        counts = {"train": self.rows - validation, "validation": validation, "test": DECLARED_TEST_ROWS}
        return np.concatenate([[name] * count for name, count in counts.items()])


def jobs() -> list[NullJob]:
    """All of them, in the order in which they are run."""
    grid = list(itertools.product(ROWS, METHODS, NETWORKS, (False, True)))
    assert len(grid) == JOBS
    tasks = ("binary", "multiclass", "regression")
    found = []
    for number, (rows, method, kind, declares) in enumerate(grid):
        task = tasks[number // 8 % 3] if kind == "tabular" and method != "distillation" else "binary"
        found.append(NullJob(number, kind, method, rows, declares, task))
    return [found[place * _STRIDE % JOBS] for place in range(JOBS)]


def _examples(kind: str, count: int, task: str, random: np.random.Generator) -> tuple[Any, Array]:
    """Inputs, and labels that can be learnt from them, though not without error."""
    if kind == "tabular":
        x = random.normal(size=(count, 6)).astype(np.float32)
        hidden = np.tanh(2 * x @ random.normal(size=(6, 4)) / np.sqrt(6))
        scores = hidden @ random.normal(size=(4, 3)) + random.normal(size=(count, 3)) / 2
        if task == "regression":
            return x, scores[:, 0].round(6)
        return x, scores[:, : 3 if task == "multiclass" else 2].argmax(axis=1)
    noise = random.normal(size=count)
    if kind == "text":
        words = random.integers(0, len(WORDS), (count, TEXT_WORDS))
        score = random.normal(size=len(WORDS))[words].mean(axis=1) * np.sqrt(TEXT_WORDS)
        return [" ".join(WORDS[word] for word in row) for row in words], _above(score + noise / 2)
    if kind == "sequence":
        letters = random.integers(0, 4, (count, LETTERS))
        weights = random.normal(size=(LETTERS, 4))
        score = weights[np.arange(LETTERS), letters].mean(axis=1) * np.sqrt(LETTERS)
        return ["".join("ACGT"[letter] for letter in row) for row in letters], _above(score + noise / 2)
    y = random.integers(0, 2, count)
    shapes = random.normal(size=(2, SIDE, SIDE)) * 15
    pixels = 128 + shapes[y] + random.normal(size=(count, SIDE, SIDE)) * 45
    return pixels.clip(0, 255).astype(np.uint8), y


def _above(score: Array) -> Array:
    above: Array = score > np.median(score)
    return above.astype(int)


def _written(
    folder: Path, name: str, kind: str, x: Any, labels: list[str], parts: Array | None, task: str
) -> Upload:
    declared = {"name": name, "task": task, "kind": kind}
    if kind == "image":
        return Upload(_write_images(folder / f"{name}.npz", x, np.array(labels), parts), declared)
    path = folder / f"{name}.csv"
    header = [f"x{number}" for number in range(6)] if kind == "tabular" else [kind]
    rows = [list(map(float, row)) for row in x] if kind == "tabular" else [[row] for row in x]
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow([*header, "label", *([] if parts is None else ["split"])])
        for number, (row, label) in enumerate(zip(rows, labels, strict=True)):
            writer.writerow([*row, label, *([] if parts is None else [parts[number]])])
    return Upload(path, declared)


def _write_images(path: Path, x: Array, labels: Array, parts: Array | None) -> Path:
    arrays: dict[str, Array] = {"images": x, "labels": labels}
    if parts is not None:
        arrays = {}
        for part, word in (("train", "train"), ("validation", "val"), ("test", "test")):
            of_part = parts == part
            if of_part.any():
                arrays |= {f"{word}_images": x[of_part], f"{word}_labels": labels[of_part]}
    np.savez(path, allow_pickle=False, **arrays)
    return path
