"""A learning rate for each arm, from one small grid: a rate that suits one arm may be another's ruin."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Rows
from workers.transfer.methods.parts.held_out import held_out_losses
from workers.transfer.methods.parts.receipt import Transferred, is_backbone_frozen
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, TrainingDiverged

Make = Callable[[Data, Fit], Transferred]
"""What trains an arm on data."""

DEFAULT_LEARNING_RATE = 0.001
"""The one that ties go to: `app.jobs.recipes` has the same."""

By = Literal["given", "validation", "cross-validation", "default"]


@dataclass(frozen=True)
class RateChoice:
    """A learning rate, what it was chosen by, and the losses that were seen of each one tried.

    given: there was one to take. default: nothing is trained by steps, or too few rows are there to choose
    by. loss: that of the rate chosen, on held-out rows; None where none was looked at. Of a rate that
    diverged the loss is None.
    """

    learning_rate: float
    by: By
    tried: list[dict[str, float | None]]
    loss: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def choose_rate(
    make: Make, data: Data, fit: Fit, rates: Sequence[float], budget: Budget | None
) -> tuple[RateChoice, Transferred]:
    """Train an arm at the rate of the lowest loss on held-out rows; ties go to the default rate.

    With at least `search_validation_rows` validation rows (without a budget: with any) each rate is trained
    with once, and what the best came to is kept as it is. With fewer it is the mean loss over all train rows,
    each held out once in `search_folds` folds, see `out_of_fold_loss`; then one training follows at the rate
    chosen. Of one rate nothing is searched, nor of an arm that does not train by steps.

    The trainings are called `run/rate r`, or `run` where there is one alone. Each is durable when the next
    begins. One that diverges loses.

    Raises:
        TrainingDiverged: at every rate, or afterwards at the one chosen.
    """
    run = fit.hooks.run
    if len(rates) == 1:
        made = make(data, fit.named(run, learning_rate=rates[0]))
        return RateChoice(rates[0], "given", [], None), made
    rates = sorted(rates, key=lambda rate: rate != DEFAULT_LEARNING_RATE)  # ties go to the first
    if is_judged_by_validation(data, budget):
        return _by_validation(make, data, fit, rates)
    choice = _by_folds(make, data, fit, rates, budget)
    return choice, make(data, fit.named(run, learning_rate=choice.learning_rate))


def is_judged_by_validation(data: Data, budget: Budget | None) -> bool:
    """Whether there are validation rows enough to choose by."""
    if data.validation is None:
        return False
    return budget is None or len(data.validation) >= budget.search_validation_rows


def validation_loss(made: Transferred, data: Data, fit: Fit) -> float:
    """The mean loss of the validation rows, of a regression in units of the train rows' label."""
    assert data.validation is not None
    return float(_losses(made, data.validation, data, fit).mean())


def out_of_fold_loss(make: Make, data: Data, fit: Fit, rate: float, budget: Budget | None) -> float | None:
    """The mean loss over train rows, each held out once; None if a fold diverges or there are no folds.

    A fold is trained for `min_updates`, or the epochs there are: nothing ends it early.
    """
    found = _of_folds(make, data, fit, rate, budget)
    return None if found is None else found[0]


def _by_validation(
    make: Make, data: Data, fit: Fit, rates: Sequence[float]
) -> tuple[RateChoice, Transferred]:
    losses: dict[float, float | None] = {}
    best: tuple[float, Transferred] | None = None
    failure: TrainingDiverged | None = None
    for rate in rates:
        trial = fit.named(f"{fit.hooks.run}/rate {rate:g}", learning_rate=rate)
        losses[rate] = None
        try:
            made = make(data, trial)
        except TrainingDiverged as error:
            failure = failure or error
            continue
        trial.close()
        loss = validation_loss(made, data, fit)
        if not math.isfinite(loss):
            continue
        losses[rate] = loss
        if best is None or loss < best[0]:
            best = loss, made
        if not trains_by_steps(made):
            return RateChoice(rate, "default", [], loss), made
    if best is None:
        raise failure or TrainingDiverged("Expected a finite validation loss. Received: none at any rate.")
    return _chosen(losses, "validation"), best[1]


def _by_folds(make: Make, data: Data, fit: Fit, rates: Sequence[float], budget: Budget | None) -> RateChoice:
    losses: dict[float, float | None] = {}
    for rate in rates:
        found = _of_folds(make, data, fit, rate, budget)
        losses[rate] = None if found is None else found[0]
        if found is not None and not found[1]:
            return RateChoice(rate, "default", [], found[0])
    if all(loss is None for loss in losses.values()):
        return RateChoice(rates[0], "default", [], None)
    return _chosen(losses, "cross-validation")


def _chosen(losses: dict[float, float | None], by: By) -> RateChoice:
    known = {rate: loss for rate, loss in losses.items() if loss is not None}
    rate = min(known, key=lambda rate: known[rate])  # of equal ones the first
    tried: list[dict[str, float | None]] = [
        {"learning_rate": one, "loss": losses[one]} for one in sorted(losses)
    ]
    return RateChoice(rate, by, tried, known[rate])


def trains_by_steps(made: Transferred) -> bool:
    """Whether a rate mattered: a closed form tells of no update."""
    return any(entry.get("updates", 1) for entry in made.history.epochs)


def _losses(made: Transferred, rows: Rows, data: Data, fit: Fit) -> Array:
    unit = tasks.LabelUnit.of(data.train.targets) if data.signature.task == "regression" else None
    frozen = is_backbone_frozen(made.receipt)
    return held_out_losses(made.network, rows, unit, fit.hooks.features, frozen_backbone=frozen)


def _of_folds(
    make: Make, data: Data, fit: Fit, rate: float, budget: Budget | None
) -> tuple[float, bool] | None:
    """The out-of-fold loss, and whether a rate mattered; None if a fold diverges or there are no folds."""
    total, by_steps, rows = 0.0, False, 0
    parts = list(folds(data, budget.search_folds if budget else 3, fit.training.seed))
    for number, (rest, held_out) in enumerate(parts):
        run = f"{fit.hooks.run}/rate {rate:g}/fold {number}"
        told = _fold(make, rest, held_out, data, fit, run, rate)
        if told["loss"] is None:
            return None
        total, by_steps = total + told["loss"], by_steps or told["by_steps"]
        rows += len(held_out)
    return (total / rows, by_steps) if parts else None


def _fold(
    make: Make, rest: Data, held_out: Rows, data: Data, fit: Fit, run: str, rate: float
) -> dict[str, Any]:
    """The sum of the held-out rows' losses, remembered or trained for; its network is not kept."""
    hooks, cost = fit.hooks, fit.cost
    known = hooks.load_value and hooks.load_value(run)
    if known:
        cost.add(known["updates"], known["cpu_seconds"])
        return known
    before = replace(cost)
    limits = fit.training.budget and replace(fit.training.budget, max_updates=fit.training.budget.min_updates)
    fold = fit.named(run, learning_rate=rate, patience=None, budget=limits)
    fold.hooks = replace(fold.hooks, on_interim_network=None)  # no network of some rows alone
    told: dict[str, Any] = {"loss": None, "by_steps": True}
    try:
        made = make(rest, fold)
        loss = float(_losses(made, held_out, data, fit).sum())
        told = {"loss": loss if math.isfinite(loss) else None, "by_steps": trains_by_steps(made)}
    except TrainingDiverged:
        pass
    told |= {"updates": cost.updates - before.updates, "cpu_seconds": cost.cpu_seconds - before.cpu_seconds}
    if hooks.save_value:
        hooks.save_value(run, told)
    return told


def folds(data: Data, count: int, seed: int) -> Iterator[tuple[Data, Rows]]:
    """The data with a share of its train rows held out and without validation rows, and those held out.

    Each class is dealt out evenly, in an order drawn from the seed; numbers and several labels a row just so.
    The one row of a class is never held out, so that no fold is trained without the class. There are no folds
    of fewer than two rows.
    """
    rows, targets = len(data.train), data.train.targets
    order = np.random.Generator(np.random.Philox(seed)).permutation(rows)
    if data.signature.task in ("binary", "multiclass"):
        classes = targets.reshape(-1).astype(np.int64)
        order = order[np.argsort(classes[order], kind="stable")]
        order = order[np.bincount(classes)[classes[order]] > 1]
    count = min(count, len(order))
    if count < 2:
        return
    fold = np.full(rows, -1)
    fold[order] = np.arange(len(order)) % count
    for number in range(count):
        held_out = fold == number
        yield replace(data, train=data.train.take(~held_out), validation=None), data.train.take(held_out)
