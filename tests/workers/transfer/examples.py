"""Small data of every kind whose label follows from the input, and the smallest networks for them."""

import io
from typing import Any

import numpy as np
from PIL import Image

from workers.transfer.data import Array, Column, Data, Rows, Signature, Task

ROWS = 60
CLASSES: dict[str, tuple[str, ...]] = {
    "binary": ("no", "yes"),
    "multiclass": ("a", "b", "c"),
    "multilabel": ("even", "low", "top"),
    "regression": (),
}
TEXT_OPTIONS = {"split": None, "max_tokens": 100, "length": None}
NETWORKS: dict[str, list[dict[str, Any]]] = {
    "text": [
        {"kind": "averaged", "embedding_units": 6, "hidden_units": [5], "dropout": 0.2, **TEXT_OPTIONS},
        {
            "kind": "text_convnet",
            "embedding_units": 6,
            "filters": 4,
            "widths": [2, 3],
            "dropout": 0.2,
            **TEXT_OPTIONS,
        },
        {"kind": "transformer", "units": 8, "heads": 2, "blocks": 1, "dropout": 0.1, **TEXT_OPTIONS},
    ],
    "sequence": [
        {
            "kind": "sequence_convnet",
            "filters": [4],
            "kernel_size": 3,
            "pool_size": 2,
            "dense_units": [6],
            "dropout": 0.2,
            "length": None,
        },
        {"kind": "transformer", "units": 8, "heads": 2, "blocks": 1, "dropout": 0.1, **TEXT_OPTIONS},
    ],
    "image": [
        {
            "kind": "convnet",
            "image_shape": None,
            "filters": [4],
            "kernel_size": 3,
            "dense_units": [6],
            "dropout": 0.2,
            "preprocessing": False,
            "max_categories": 256,
            "image_size": None,
            "channels": None,
        },
    ],
}


def make(kind: str, task: Task = "binary", seed: int = 0, rows: int = ROWS, **changes: Any) -> Data:
    """Train, validation and test rows; `changes` go to the maker of the kind's inputs."""
    rng = np.random.default_rng(seed)
    level = rng.integers(0, 3, rows)
    if task == "binary":
        targets: Array = (level > 0).astype(np.float32).reshape(-1, 1)
    elif task == "multiclass":
        targets = level.astype(np.int64)
    elif task == "multilabel":  # level 1 has none of the labels
        targets = np.stack([level != 1, level == 0, level == 2], axis=1).astype(np.float32)
    else:
        targets = (100 + 10 * level).astype(np.float32).reshape(-1, 1)
    makers = {"text": texts, "sequence": sequences, "image": images}
    values = makers[kind](rng, level, **changes)
    types = {"text": "text", "sequence": "nucleotide", "image": "image"}
    column = Column(kind, types[kind])  # type: ignore[arg-type]
    cuts = [slice(0, rows * 6 // 10), slice(rows * 6 // 10, rows * 8 // 10), slice(rows * 8 // 10, rows)]
    whole = Rows({kind: values}, targets, np.arange(rows))
    parts = [whole.take(cut) for cut in cuts]
    return Data(Signature((column,), "y", task, CLASSES[task]), *parts)


def texts(rng: Any, level: Array, more: tuple[str, ...] = ()) -> Array:
    """Sentences whose adjective says the level."""
    words = ["bad", "fair", "great"]
    others = ["the film", "this book", "a café", *more]
    made = [f"{rng.choice(others)} was {words[n]}, I {rng.choice(['say', 'think'])}!" for n in level]
    made[0] = ""
    return np.array(made, dtype=object)


def sequences(rng: Any, level: Array, length: int = 24) -> Array:
    """DNA with a motif of the level at its place; of unequal lengths."""
    made = []
    for n in level:
        letters = rng.choice(list("ACGT"), length + int(rng.integers(0, 5)))
        letters[8:14] = list(["TATAAA", "GCGCGC", "ACACAC"][n])
        made.append("".join(letters))
    made[1] = made[1].replace("A", "N").lower()
    return np.array(made, dtype=object)


def images(rng: Any, level: Array, size: int = 8, mode: str = "L") -> Array:
    """PNG pictures with a bright bar whose place is the level; one of another size."""
    made = np.empty(len(level), dtype=object)
    for place, n in enumerate(level):
        pixels = rng.integers(0, 60, (size, size)).astype(np.uint8)
        pixels[:, size * n // 3 : size * n // 3 + 2] = 220
        image = Image.fromarray(pixels).convert(mode)
        if place == 2:
            image = image.resize((2 * size, 3 * size))
        out = io.BytesIO()
        image.save(out, "PNG")
        made[place] = out.getvalue()
    return made
