"""A learning rate for each arm, from one small grid: a rate that suits one arm may be another's ruin."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Data, Rows
from workers.transfer.methods.parts.held_out import HeldOut, Score, held_out
from workers.transfer.methods.parts.receipt import Transferred, is_backbone_frozen
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, ChosenBy, TrainingDiverged

Make = Callable[[Data, Fit], Transferred]
"""What trains an arm on data."""

DEFAULT_LEARNING_RATE = 0.001
"""The one that ties go to: `app.jobs.recipes` has the same."""

By = Literal["given", "validation", "cross-validation", "default"]


@dataclass(frozen=True)
class RateChoice:
    """A learning rate, what it was chosen by, and the loss and accuracy that were seen of each one tried.

    given: there was one to take. default: nothing is trained by steps, or too few rows are there to choose
    by. score: that of the rate chosen, on held-out rows; None where none were looked at. `tried` has
    `learning_rate`, `loss` and `accuracy`, both None of a rate that diverged.
    """

    learning_rate: float
    by: By
    tried: list[dict[str, float | None]]
    score: Score | None

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RateChoice":
        """The inverse of `to_dict`."""
        score = values["score"]
        return cls(**{**values, "score": None if score is None else Score(**score)})


def choose_rate(
    make: Make, data: Data, fit: Fit, rates: Sequence[float], budget: Budget | None
) -> tuple[RateChoice, Transferred]:
    """Train an arm at the rate that is best on held-out rows; ties go to the default rate.

    The best is that of the highest accuracy and of equal ones the lowest loss, or by loss alone, as the
    budget's `chosen_by` says. With at least `search_validation_rows` validation rows (without a budget: with
    any) each rate is trained with once, and what the best came to is kept as it is. With fewer it is the mean
    over train rows, each held out once in `search_folds` folds, see `out_of_fold_score`; then one training
    follows at the rate chosen. Of one rate nothing is searched, nor of an arm that does not train by steps.

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
        return _by_validation(make, data, fit, rates, chosen_by(budget))
    choice = _by_folds(make, data, fit, rates, budget)
    return choice, make(data, fit.named(run, learning_rate=choice.learning_rate))


def is_judged_by_validation(data: Data, budget: Budget | None) -> bool:
    """Whether there are validation rows enough to choose by."""
    if data.validation is None:
        return False
    return budget is None or len(data.validation) >= budget.search_validation_rows


def chosen_by(budget: Budget | None) -> ChosenBy:
    """What the better one is judged by."""
    return "loss" if budget is None else budget.chosen_by


def validation_score(made: Transferred, data: Data, fit: Fit) -> Score:
    """The mean over the validation rows, of a regression in units of the train rows' label."""
    assert data.validation is not None
    return _judged(made, data.validation, data, fit).score


def out_of_fold_score(make: Make, data: Data, fit: Fit, rate: float, budget: Budget | None) -> Score | None:
    """The mean over train rows, each held out once; None if a fold diverges or there are no folds.

    A fold is trained for `min_updates`, or the epochs there are: nothing ends it early.
    """
    found = _of_folds(make, data, fit, rate, budget)
    return None if found is None else found[0]


def _trial(fit: Fit, rate: float) -> str:
    """The name of a training at this rate, in full: rates that are nearly equal are not one another's."""
    return f"{fit.hooks.run}/rate {rate!r}"


def _by_validation(
    make: Make, data: Data, fit: Fit, rates: Sequence[float], by: ChosenBy
) -> tuple[RateChoice, Transferred]:
    scores: dict[float, Score | None] = {}
    best: tuple[Score, Transferred] | None = None
    failure: TrainingDiverged | None = None
    for rate in rates:
        trial = fit.named(_trial(fit, rate), learning_rate=rate)
        scores[rate] = None
        try:
            made = make(data, trial)
        except TrainingDiverged as error:
            failure = failure or error
            continue
        trial.close()
        score = validation_score(made, data, fit)
        if not math.isfinite(score.loss):
            continue
        scores[rate] = score
        if best is None or score.penalty(by) < best[0].penalty(by):
            best = score, made
        if not trains_by_steps(made):
            return RateChoice(rate, "default", [], score), made
    if best is None:
        raise failure or TrainingDiverged("Expected a finite validation loss. Received: none at any rate.")
    return _chosen(scores, "validation", by), best[1]


def _by_folds(make: Make, data: Data, fit: Fit, rates: Sequence[float], budget: Budget | None) -> RateChoice:
    scores: dict[float, Score | None] = {}
    for rate in rates:
        found = _of_folds(make, data, fit, rate, budget)
        scores[rate] = None if found is None else found[0]
        if found is not None and not found[1]:
            return RateChoice(rate, "default", [], found[0])
    if all(score is None for score in scores.values()):
        return RateChoice(rates[0], "default", [], None)
    return _chosen(scores, "cross-validation", chosen_by(budget))


def _chosen(scores: dict[float, Score | None], by: By, judged_by: ChosenBy) -> RateChoice:
    known = {rate: score for rate, score in scores.items() if score is not None}
    rate = min(known, key=lambda rate: known[rate].penalty(judged_by))  # of equal ones the first
    nothing = {"loss": None, "accuracy": None}
    tried: list[dict[str, float | None]] = [
        {"learning_rate": one, **(nothing if score is None else asdict(score))}
        for one, score in sorted(scores.items(), key=lambda item: item[0])
    ]
    return RateChoice(rate, by, tried, known[rate])


def trains_by_steps(made: Transferred) -> bool:
    """Whether a rate mattered: a closed form tells of no update."""
    return any(entry.get("updates", 1) for entry in made.history.epochs)


def _judged(made: Transferred, rows: Rows, data: Data, fit: Fit) -> HeldOut:
    unit = tasks.LabelUnit.of(data.train.targets) if data.signature.task == "regression" else None
    frozen = is_backbone_frozen(made.receipt)
    return held_out(made.network, rows, unit, fit.hooks.features, frozen_backbone=frozen)


def _of_folds(
    make: Make, data: Data, fit: Fit, rate: float, budget: Budget | None
) -> tuple[Score, bool] | None:
    """The score out of fold, and whether a rate mattered; None if a fold diverges or there are no folds."""
    told, weights = [], []
    for number, (rest, held) in enumerate(
        folds(data, budget.search_folds if budget else 3, fit.training.seed)
    ):
        run = f"{_trial(fit, rate)}/fold {number}"
        told.append(_fold(make, rest, held, data, fit, run, rate))
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
    return Score(loss, accuracy), any(one["by_steps"] for one in told)


def _fold(make: Make, rest: Data, held: Rows, data: Data, fit: Fit, run: str, rate: float) -> dict[str, Any]:
    """The held-out rows' means, remembered or trained for; the network is not kept."""
    hooks, cost = fit.hooks, fit.cost
    known = hooks.load_value and hooks.load_value(run)
    if known:
        cost.add(known["updates"], known["cpu_seconds"])
        return known
    before = replace(cost)
    limits = fit.training.budget and replace(fit.training.budget, max_updates=fit.training.budget.min_updates)
    fold = fit.named(run, learning_rate=rate, patience=None, budget=limits)
    fold.hooks = replace(fold.hooks, on_interim_network=None)  # no network of some rows alone
    told: dict[str, Any] = {"loss": None, "accuracy": None, "by_steps": True}
    try:
        made = make(rest, fold)
        score = _judged(made, held, data, fit).score
        if math.isfinite(score.loss):
            told = {**asdict(score), "by_steps": trains_by_steps(made)}
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
