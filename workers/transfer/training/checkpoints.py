"""The state of a training run in one `.npz` file."""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.transfer.data import Array


class CheckpointMismatch(ValueError):
    """The checkpoint belongs to another training run, or is not one."""


@dataclass
class Position:
    """How far a run has come: finished epochs, steps done in the next one with their sums, history.

    Epochs are rounds where a budget is given. best: the epoch (from 1) whose weights are kept so far, else 0;
    short: the same of the short training. lowest: the one with the lowest validation loss so far, else 0.
    cpu_seconds: what was spent so far.
    """

    epoch: int
    step: int
    loss: float
    right: float
    history: list[dict[str, float]]
    best: int = 0
    short: int = 0
    lowest: int = 0
    cpu_seconds: float = 0.0


def fingerprint(*described: Any, arrays: Sequence[Array] = ()) -> str:
    """sha256 of what a run is made of: plain values, the arrays' contents, the versions."""
    values = [*described, keras.__version__, tf.__version__, np.__version__]
    digest = hashlib.sha256(json.dumps(values, sort_keys=True).encode())
    for array in arrays:
        digest.update(f"{array.shape} {array.dtype.str}".encode())
        digest.update(np.ascontiguousarray(array).reshape(-1).data)
    return digest.hexdigest()


def write(
    path: Path,
    run: str,
    position: Position,
    variables: Sequence[keras.Variable],
    kept: Mapping[int, Sequence[Array]] | None = None,
) -> None:
    """Every variable's value, the weights of the epochs that are kept, position and fingerprint."""
    about = json.dumps({"run": run, "position": position.__dict__})
    values = {str(number): variable.numpy() for number, variable in enumerate(variables)}
    for epoch, arrays in (kept or {}).items():
        values |= {f"epoch {epoch} {number}": array for number, array in enumerate(arrays)}
    np.savez(path, allow_pickle=False, about=np.array(about), **values)


def read(
    path: Path, run: str, variables: Sequence[keras.Variable]
) -> tuple[Position, dict[int, list[Array]]]:
    """Put the values back and answer the position and the weights of the epochs that are kept.

    Raises:
        CheckpointMismatch: of another run, or unreadable. No variable has been changed then.
    """
    try:
        with path.open("rb") as opened, np.load(opened, allow_pickle=False) as file:
            about = json.loads(str(file["about"]))
            values = [file[str(number)] for number in range(len(variables))] if about["run"] == run else []
            kept: dict[int, list[Array]] = {}
            for name in file:
                if name.startswith("epoch "):  # in the order in which they were written
                    kept.setdefault(int(name.split()[1]), []).append(file[name])
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise CheckpointMismatch(
            f"Expected a checkpoint of this service. Received: {path.name}, which cannot be read ({error}). "
            "Start the training again."
        ) from error
    if about["run"] != run:
        raise CheckpointMismatch(
            f"Expected a checkpoint of the run {run[:12]}. Received: one of {about['run'][:12]}. The data, "
            "the network, the training options or the library versions have changed: start the "
            "training again."
        )
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)
    return Position(**about["position"]), kept
