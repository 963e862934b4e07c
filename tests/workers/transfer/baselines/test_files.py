"""Every candidate of every kind has a file, which answers what the candidate did."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer.baselines import choosing, sequences, tables
from workers.transfer.baselines.bundled_model import Baseline
from workers.transfer.baselines.choosing import choose, readings_of
from workers.transfer.baselines.files import as_file, ask, read_zip, write_zip
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.networks.network import Network
from workers.transfer.training.options import Training

TRAINING = Training(epochs=1, batch_size=8, learning_rate=0.001, seed=3)
TASKS = ["binary", "multiclass", "multilabel", "regression"]
CANDIDATES = {
    "table": ["linear", "extra_trees", "gradient_boosting"],
    "text": ["tfidf_words", "tfidf_characters"],
    "nucleotide": ["kmers", "one_hot"],
    "protein": ["kmers", "kmers_gradient_boosting"],
    "image": ["hog", "pixels"],
}


def table(task: Any, seed: int = 0, rows: int = 90) -> Data:
    """All types of columns, with gaps, a large mean, one that never varies and one that hardly does."""
    like = examples.make("text", task, seed, rows)
    rng = np.random.default_rng(seed)
    level = np.array([next((n for n, w in enumerate(("bad", "fair")) if w in text), 2) for text in _all(like, "text")])
    days = np.datetime64("2024-03-01") + rng.integers(0, 60, rows)
    inputs = {
        "x": (level + rng.normal(size=rows)).astype(np.float32),
        "large": (1e6 + 20 * level + rng.normal(size=rows)).astype(np.float32),
        "tiny": (1e-9 * rng.normal(size=rows)).astype(np.float32),
        "rare": (np.arange(rows) == 4).astype(np.float32) * 50,
        "still": np.full(rows, 3, np.float32),
        "member": rng.integers(0, 2, rows).astype(np.float32),
        "city": np.array([f"c{n}" if n else "" for n in rng.integers(0, 5, rows)], object),
        "day": np.array([f"{day}T{n % 24:02}:30:07" if n % 3 else str(day) for n, day in enumerate(days)], object),
    }
    for name in ("x", "member"):
        inputs[name][rng.random(rows) < 0.1] = np.nan
    inputs["day"][::11] = ""
    types = {"member": "boolean", "city": "category", "day": "date"}
    columns = tuple(Column(name, types.get(name, "number")) for name in inputs)  # type: ignore[arg-type]
    whole = Rows(inputs, np.concatenate([part.targets for part in _parts(like)]), np.arange(rows))
    cuts = np.split(np.arange(rows), [rows * 6 // 10, rows * 8 // 10])
    return Data(Signature(columns, "y", task, like.signature.classes), *(whole.take(cut) for cut in cuts))


def _parts(data: Data) -> list[Rows]:
    assert data.validation is not None
    assert data.test is not None
    return [data.train, data.validation, data.test]


def _all(data: Data, name: str) -> list[Any]:
    return [value for part in _parts(data) for value in part.inputs[name].tolist()]


def protein(task: Any, seed: int = 0) -> Data:
    data = examples.make("sequence", task, seed)
    column = Column("sequence", "protein")
    return replace(data, signature=replace(data.signature, columns=(column,)))


def make(kind: str, task: Any, seed: int = 0) -> Data:
    if kind == "table":
        return table(task, seed)
    if kind == "protein":
        return protein(task, seed)
    if kind == "image":
        return examples.make("image", task, seed, mode="RGB" if seed else "L", size=18)
    return examples.make("sequence" if kind == "nucleotide" else kind, task, seed)


@pytest.fixture(autouse=True)
def _boosts_few_rows(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tables, "BOOSTED_ROWS", 10)
    monkeypatch.setattr(sequences, "BOOSTED_ROWS", 10)
    yield


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("kind", CANDIDATES)
def test_a_file_answers_what_the_candidate_did(kind: str, task: Any, tmp_path: Path) -> None:
    data = make(kind, task)
    names = []
    for reading in readings_of(data, make(kind, task, seed=1)):
        for name, learner in reading.learners.items():
            names.append(name)
            made = choose([replace(reading, learners={name: learner})], data, TRAINING)
            expected = made.answers(data.test.inputs)
            file = as_file(made, data.signature)
            if isinstance(file, Network):
                path = tmp_path / f"{name}.keras"
                file.save(path)
                again = ask(keras.saving.load_model(path), data.signature, data.test.inputs)
            else:
                path = tmp_path / f"{name}.zip"
                write_zip(file, path)
                folder = tmp_path / name
                folder.mkdir()
                for part, content in read_zip(path).items():
                    (folder / part).write_bytes(content)
                inputs = {data.signature.keys[key]: values for key, values in data.test.inputs.items()}
                again = Baseline(folder).predict(inputs, batch_size=7)
            print(kind, task, name, path.suffix, path.stat().st_size, np.abs(again - expected).max() / max(1, np.abs(expected).max()), again.dtype)
            assert again.shape == expected.shape
