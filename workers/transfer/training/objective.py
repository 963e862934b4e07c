"""What a training step minimises: the labels' loss, and what a method adds to it or puts in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import keras
from keras import ops

from workers.transfer import tasks
from workers.transfer.data import Array, Task


@dataclass(frozen=True, eq=False)
class Seen:
    """What a term sees of one batch of b rows, all tensors.

    y: targets, as in `data.Rows`, of a regression float32 in the unit that it is trained in, as are the
    predictions p; weight: (b,), the rows' class weights, of sequences (b, length) their tokens';
    taps: outputs of the layers that the objective asked for, by path; extras: its arrays' rows, by name;
    helpers: its models, trained along.
    """

    task: Task
    y: Any
    weight: Any
    p: Any
    taps: Mapping[str, Any]
    extras: Mapping[str, Any]
    helpers: tuple[keras.Model, ...]


Term = Callable[[Seen], Any]


def labels(seen: Seen) -> Any:
    """Mean of the weighted rows' losses on the labels, ℓ(y, f(x; θ)): ordinary training.

    Of sequences it is the mean over tokens that are no padding, with labels smoothed.
    """
    if seen.task in tasks.SEQUENCES:
        of_spans = seen.task == "span"  # where most places can be no answer: nothing is dealt out to them
        losses = (
            tasks.row_losses(seen.task, seen.y, seen.p) if of_spans else tasks.smoothed_losses(seen.y, seen.p)
        )
        return ops.sum(seen.weight * losses) / ops.maximum(ops.sum(seen.weight), 1e-6)
    return ops.mean(seen.weight * tasks.row_losses(seen.task, seen.y, seen.p))


@dataclass(frozen=True, eq=False)
class Objective:
    """The sum of terms, each a scalar tensor.

    name: equal names mean equal graphs, so it holds every number the terms are made with.
    taps: paths of layers whose outputs the terms see, `backbone/dense_1` or `head/output` (the logits).
    extras: arrays (n, …), one row a train row in the data's order.
    helpers: models that are trained along, at the training's rate, and then dropped; their values stay
        where they are.
    pull: by path, α of a decoupled pull, w ← w - ηα(w - w⁰), before each Adam step.
    anchors: w⁰ by weight's path; a weight without one is pulled to its value at the beginning of the fit.
    """

    name: str = "labels"
    terms: tuple[Term, ...] = (labels,)
    taps: tuple[str, ...] = ()
    extras: Mapping[str, Array] = field(default_factory=dict)
    helpers: tuple[keras.Model, ...] = ()
    pull: Mapping[str, float] = field(default_factory=dict)
    anchors: Mapping[str, Array] = field(default_factory=dict)

    def __add__(self, other: Objective) -> Objective:
        """Both together; a term counts its own helpers from its own first one, so only one may have any.

        Raises:
            ValueError: both bring helpers.
        """
        if self.helpers and other.helpers:
            raise ValueError(
                f"Expected one objective with helpers. Received: {self.name} and {other.name}. "
                "Use one of them."
            )
        return Objective(
            f"{self.name} + {other.name}",
            self.terms + other.terms,
            tuple(dict.fromkeys(self.taps + other.taps)),
            {**self.extras, **other.extras},
            self.helpers + other.helpers,
            {**self.pull, **other.pull},
            {**self.anchors, **other.anchors},
        )
