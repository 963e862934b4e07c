"""What a network's outputs mean, as plain JSON: class and probabilities, labels, a value or a text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.transfer.data import Array
from workers.transfer.proof.calibration import rescaled


def told(outputs: Array, output: Mapping[str, Any], contexts: Sequence[str] = ()) -> list[dict[str, Any]]:
    """An answer for each row of (n, outputs), of nulls where the network's is not finite.

    `output` is that part of `signature.json`; `contexts` are what questions were asked about.
    """
    if output["task"] == "span":
        return [_span(str(text), *row) for text, row in zip(contexts, outputs.tolist(), strict=True)]
    if output["task"] == "seq2seq":
        texts = outputs.reshape(-1).tolist()
        return [{"text": text.decode() if isinstance(text, bytes) else str(text)} for text in texts]
    answers = _told(outputs, output)
    for place in np.flatnonzero(~np.isfinite(outputs).all(axis=1)):
        answers[place] = dict.fromkeys(answers[place])  # which JSON has no other word for
    return answers


def _told(outputs: Array, output: Mapping[str, Any]) -> list[dict[str, Any]]:
    task, classes, temperature = output["task"], output["classes"], output.get("temperature")
    if task == "regression":
        return [{"value": float(row[0])} for row in outputs]
    if task == "multilabel":
        # Each label is a binary task of its own.
        calibrated = None if temperature is None else rescaled("binary", outputs, temperature)
        return [
            {
                "classes": [name for name, p in zip(classes, row, strict=True) if p > 0.5],
                "probabilities": _named(classes, row),
                "calibrated_probabilities": None
                if calibrated is None
                else _named(classes, calibrated[place]),
            }
            for place, row in enumerate(outputs)
        ]
    calibrated = None if temperature is None else _both(task, rescaled(task, outputs, temperature))
    both = _both(task, outputs)
    return [
        {
            "class": classes[int(np.argmax(row))],
            "probabilities": _named(classes, row),
            "calibrated_probabilities": None if calibrated is None else _named(classes, calibrated[place]),
        }
        for place, row in enumerate(both)
    ]


def _span(context: str, start: float, end: float, score: float) -> dict[str, Any]:
    begin, behind = int(start), int(end)
    return {"text": context[begin:behind], "start": begin, "end": behind, "score": score}


def _both(task: str, p: Array) -> Array:
    """The probability of every class, (n, classes)."""
    return np.concatenate([1 - p, p], axis=1) if task == "binary" else p


def _named(classes: Sequence[str], row: Array) -> dict[str, float]:
    return {name: float(p) for name, p in zip(classes, row, strict=True)}
