"""Which limits has a training? Filled in when a job is accepted, so that all else follows from its spec."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from app.datasets.reading.description import Description
from app.jobs.evaluation import Metric
from app.jobs.recipes import Method, ParameterTransfer
from app.jobs.training import DEFAULT_LEARNING_RATE, LEARNING_RATES, Budget, Training

_MAX_UPDATES, _LEAST_EPOCHS = 3000, 3
"""What is learnt from many rows passes over them at least so often."""

_OF_PROBABILITIES = frozenset({"auc", "log_loss"})
"""Metrics that a network of higher accuracy may have worse: it is often the surer one."""

_SHORT_EPOCHS = {"tabular": 20}


def settled(training: Training, description: Description, metric: Metric | None = None) -> Training:
    """The options with every limit filled in, for this data set and the metric of the gain."""
    if description.task in _TEXTS:
        training = _of_texts(training, description.split.rows["train"], _TEXTS[description.task])
    if training.epochs is not None:
        return training.model_copy(update={"learning_rate": training.learning_rate or DEFAULT_LEARNING_RATE})
    budget, epoch = training.budget or Budget(), epoch_updates(training, description.split.rows["train"])
    most = budget.max_updates or max(_MAX_UPDATES, budget.min_updates, _LEAST_EPOCHS * epoch)
    filled = {
        # Trainings end with a round, so that a longer one would not keep to the limit.
        "round_updates": min(budget.round_updates, most),
        "max_updates": most,
        "short_epochs": _SHORT_EPOCHS.get(description.kind, 0)
        if budget.short_epochs is None
        else budget.short_epochs,
        "chosen_by": chosen_by(training, metric, description.task),
    }
    rates = training.learning_rates or LEARNING_RATES
    return training.model_copy(
        update={
            "budget": budget.model_copy(update=filled),
            "learning_rates": rates if training.learning_rate is None else None,
        }
    )


@dataclass(frozen=True)
class _OfTexts:
    """How networks that answer texts are trained where nobody said: for the larger of updates and epochs."""

    batch: int
    rate: float
    updates: int
    epochs: int


_TEXTS = {"seq2seq": _OfTexts(128, 0.002, 1000, 12), "span": _OfTexts(16, 0.001, 600, 6)}


def _of_texts(training: Training, rows: int, usual: _OfTexts) -> Training:
    """What suits translations and spans, in place of what nobody asked for.

    Their loss on validation rows rises long before the answers get worse, so all updates are taken and
    the last weights kept. A rate is tried by a whole training, so one is taken, as transformers are trained.
    """
    filled: dict[str, object] = {}
    asked = training.model_fields_set
    if "batch_size" not in asked:
        filled["batch_size"] = usual.batch
    if "schedule" not in asked:
        filled["schedule"] = "slanted_triangular"
    if training.learning_rate is None and training.learning_rates is None:
        filled["learning_rate"] = usual.rate
    if training.epochs is None:
        batch = usual.batch if "batch_size" in filled else training.batch_size
        budget = training.budget or Budget()
        limits: dict[str, object] = {}
        if "patience_updates" not in budget.model_fields_set:
            limits["patience_updates"] = None
        if budget.max_updates is None:
            epoch = max(1, -(-rows // batch))
            limits["max_updates"] = max(usual.updates, budget.min_updates, usual.epochs * epoch)
        filled["budget"] = budget.model_copy(update=limits)
    return training.model_copy(update=filled)


def chosen_by(training: Training, metric: Metric | None, task: str) -> Literal["accuracy", "loss"]:
    """What is looked at on held-out rows, with a number of epochs as well as without."""
    asked = training.budget and training.budget.chosen_by
    return asked or ("loss" if task == "regression" or metric in _OF_PROBABILITIES else "accuracy")


def with_one_rate(training: Training) -> Training:
    """The same without a choice of learning rates, as sources are trained."""
    rate = training.learning_rate or DEFAULT_LEARNING_RATE
    return training.model_copy(update={"learning_rate": rate, "learning_rates": None})


def chooses_strength(method: Method, training: Training) -> bool:
    """Whether a regulariser's strength is chosen: not beside given rates, which bind all arms."""
    return (
        isinstance(method, ParameterTransfer)
        and method.regulariser is not None
        and method.regulariser_strength is None
        and training.learning_rates == LEARNING_RATES
    )


def epoch_updates(training: Training, rows: int) -> int:
    """Updates of one epoch over so many train rows."""
    return max(1, -(-rows // training.batch_size))


def most_updates(training: Training, rows: int) -> int:
    """What one training over so many train rows takes at most; whole rounds."""
    if training.epochs is not None:
        return training.epochs * epoch_updates(training, rows)
    assert training.budget is not None  # settled before
    assert training.budget.max_updates is not None
    return training.budget.max_updates
