"""How good is an arm at one learning rate and strength? By rows held out, once over all attempts."""

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Data, Rows
from workers.transfer.methods.parts.fold_numbers import fold_numbers
from workers.transfer.methods.parts.held_out import HeldOut, Score, held_out
from workers.transfer.methods.parts.receipt import Transferred, is_backbone_frozen
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Cost, TrainingDiverged

Make = Callable[[Data, Fit], Transferred]
"""What trains an arm on data."""


@dataclass(frozen=True)
class Trial:
    """What is tried; without a strength the method has its own."""

    learning_rate: float
    regulariser_strength: float | None = None

    def fit(self, fit: Fit, run: str, **training: object) -> Fit:
        """A fit of that name with these values."""
        return fit.named(run, **asdict(self), **training)


@dataclass(frozen=True, eq=False)
class Judged:
    """A trial, how good it was, whether it trained by steps, and what was made, if that is to be kept."""

    trial: Trial
    score: Score
    by_steps: bool
    made: Transferred | None = None


def on_validation(make: Make, data: Data, fit: Fit, trial: Trial, run: str) -> Judged:
    """One training of that name, durable when this returns, judged by the validation rows.

    Raises:
        TrainingDiverged: it does, or did in an earlier attempt.
    """
    known = _recalled(fit, run)
    if known:
        raise TrainingDiverged(known["diverged"])
    before, one = replace(fit.cost), trial.fit(fit, run)
    try:
        made = make(data, one)
    except TrainingDiverged as error:
        _keep(fit, run, {"diverged": str(error)}, before)
        raise
    one.close()
    score = validation_score(made, data, fit)
    if not math.isfinite(score.loss):
        raise TrainingDiverged(
            f"Expected a finite validation loss. Received: {score.loss}. Lower the learning rate."
        )
    return Judged(trial, score, trains_by_steps(made), made)


def validation_score(made: Transferred, data: Data, fit: Fit) -> Score:
    """The mean over the validation rows, of a regression in units of the train rows' label."""
    assert data.validation is not None
    return _judged(made, data.validation, data, fit).score


def out_of_fold(
    make: Make, data: Data, fit: Fit, trial: Trial, run: str, budget: Budget | None
) -> Judged | None:
    """The mean over train rows, each held out once; None if a fold diverges or there are no folds.

    A fold is trained for `min_updates`, or the epochs there are: nothing ends it early.
    """
    told, weights = [], []
    for number, (rest, held) in enumerate(
        folds(data, budget.search_folds if budget else 3, fit.training.seed)
    ):
        told.append(_fold(make, rest, held, data, fit, f"{run}/fold {number}", trial))
        weights.append(len(held))
        if told[-1]["loss"] is None:
            return None
    if not told:
        return None
    loss, accuracy = (
        None if told[0][name] is None else float(np.average([one[name] for one in told], weights=weights))
        for name in ("loss", "accuracy")
    )
    assert loss is not None
    return Judged(trial, Score(loss, accuracy), any(one["by_steps"] for one in told))


def trains_by_steps(made: Transferred) -> bool:
    """Whether a rate mattered: a closed form tells of no update."""
    return any(entry.get("updates", 1) for entry in made.history.epochs)


def _judged(made: Transferred, rows: Rows, data: Data, fit: Fit) -> HeldOut:
    unit = tasks.LabelUnit.of(data.train.targets) if data.signature.task == "regression" else None
    frozen = is_backbone_frozen(made.receipt)
    return held_out(made.network, rows, unit, fit.hooks.features, frozen_backbone=frozen)


def _fold(make: Make, rest: Data, held: Rows, data: Data, fit: Fit, run: str, trial: Trial) -> dict[str, Any]:
    """The held-out rows' means, remembered or trained for; the network is not kept."""
    known = _recalled(fit, run)
    if known:
        return known
    before = replace(fit.cost)
    limits = fit.training.budget and replace(fit.training.budget, max_updates=fit.training.budget.min_updates)
    fold = trial.fit(fit, run, patience=None, budget=limits)
    fold.hooks = replace(fold.hooks, on_interim_network=None)  # no network of some rows alone
    told: dict[str, Any] = {"loss": None, "accuracy": None, "by_steps": True}
    try:
        made = make(rest, fold)
        score = _judged(made, held, data, fit).score
        if math.isfinite(score.loss):
            told = {**asdict(score), "by_steps": trains_by_steps(made)}
    except TrainingDiverged:
        pass
    _keep(fit, run, told, before)
    return told


def _recalled(fit: Fit, run: str) -> dict[str, Any] | None:
    """What an earlier attempt kept under this name; what it took counts as if it were taken now."""
    known = fit.hooks.load_value and fit.hooks.load_value(run)
    if known:
        fit.cost.add(known["updates"], known["cpu_seconds"])
    return known


def _keep(fit: Fit, run: str, told: dict[str, Any], before: Cost) -> None:
    """Make it durable, with what it took since the cost was as `before`."""
    took = {
        "updates": fit.cost.updates - before.updates,
        "cpu_seconds": fit.cost.cpu_seconds - before.cpu_seconds,
    }
    if fit.hooks.save_value:
        fit.hooks.save_value(run, told | took)


def folds(data: Data, count: int, seed: int) -> Iterator[tuple[Data, Rows]]:
    """The data with a share of its train rows held out and without validation rows, and those held out.

    See `fold_numbers.fold_numbers`.
    """
    fold = fold_numbers(data, count, seed)
    for number in range(int(fold.max()) + 1):
        held_out = fold == number
        yield replace(data, train=data.train.take(~held_out), validation=None), data.train.take(held_out)
