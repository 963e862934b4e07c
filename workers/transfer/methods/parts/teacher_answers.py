"""What teachers say of rows: logits for the target's classes, computed once and kept."""

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import keras
import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Signature
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.network import Network, weights_digest
from workers.transfer.training.checkpoints import fingerprint
from workers.transfer.training.features import outputs, stopwatch
from workers.transfer.training.options import Cost, Hooks


def check_teacher(teacher: Signature, target: Signature) -> None:
    """Raise a ValueError unless the teacher reads the target's columns and knows its classes."""
    unknown = sorted({f"{c.name} ({c.type})" for c in set(teacher.columns) ^ set(target.columns)})
    if unknown:
        raise ValueError(
            f"Expected teacher and target with the same columns. Received: {', '.join(unknown[:20])} in "
            "one of them alone. Give the target the teacher's columns."
        )
    unknown = [name for name in target.classes if name not in teacher.classes]
    several = "multilabel" in (teacher.task, target.task) and teacher.task != target.task
    if unknown or several or bool(teacher.classes) != bool(target.classes):
        raise ValueError(
            f"Expected a teacher of the target's classes, {', '.join(target.classes) or 'numbers'}. "
            f"Received: one of {', '.join(teacher.classes) or 'numbers'}, a {teacher.task} task. "
            "Train a teacher on data with these labels."
        )


def teacher_outputs(
    teachers: Sequence[Network],
    target: Signature,
    inputs: Mapping[str, Array],
    hooks: Hooks,
    cost: Cost | None = None,
) -> tuple[Array, Array]:
    """The teachers' answers and the first one's features, for rows of raw inputs.

    Answers are logits of the target's classes, (n, k), or of the positive one, (n, 1), the mean over the
    teachers; of a regression the mean prediction (n, 1), float64 in the label's unit. Features (n, h) are
    the first teacher's representation. Both are kept through the hooks under a key made from the teachers'
    weights and the rows, and not computed again; `cost` counts what the training took that computed them.
    """
    cost, seconds = cost or Cost(), stopwatch(hooks.features)
    features = [outputs(teacher, ["preprocessing"], inputs, hooks.features) for teacher in teachers]
    weights = [weights_digest(teacher) for teacher in teachers]
    key = f"teachers {fingerprint(weights, arrays=features)[:16]}"
    known = hooks.load_result and hooks.load_result(key)
    if known:
        with np.load(known, allow_pickle=False) as file:
            if str(file["by"]) == hooks.run:
                cost.add(0, float(file["cpu_seconds"]))
            return file["answers"], file["features"]
    hidden = [forward(one.backbone, x) for one, x in zip(teachers, features, strict=True)]
    answers = np.mean([_answers(one, target, h) for one, h in zip(teachers, hidden, strict=True)], axis=0)
    first = hidden[0].reshape(len(hidden[0]), -1).astype(np.float32)
    answers = answers.astype(np.float32 if target.classes else np.float64)
    taken = seconds()
    cost.add(0, taken)
    if hooks.save_result:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "teachers.npz"
            about = {"by": np.array(hooks.run), "cpu_seconds": np.array(taken)}
            np.savez(path, allow_pickle=False, answers=answers, features=first, **about)
            hooks.save_result(key, path)
    return answers, first


def _answers(teacher: Network, target: Signature, hidden: Array) -> Array:
    """By class name; a binary teacher's logits are 0 and its own, a binary target's their difference."""
    if not target.classes:
        return tasks.unit_of(teacher.head).labels(forward(tasks.in_units(teacher.head), hidden))
    logits = forward(keras.Model(teacher.head.inputs, teacher.head.get_layer("output").output), hidden)
    if teacher.signature.task == "binary":
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    places = [teacher.signature.classes.index(name) for name in target.classes]
    chosen: Array = logits[:, places]
    return chosen[:, 1:] - chosen[:, :1] if target.task == "binary" else chosen
