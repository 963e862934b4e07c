"""One way to train any arm: its rate is searched for with the first seed, and the other seeds take it.

So is the strength of a regulariser, where the arm has one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from app.jobs.states import Stage
from workers.job_context import JobContext
from workers.transfer.data import Data
from workers.transfer.methods.parts import rates, trials
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.methods.parts.rates import RateChoice
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.parts.trials import Make, Trial
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import TrainingDiverged


@dataclass(frozen=True)
class Arm:
    """What is trained under a name in a stage; each seed's run is `name/seed`.

    rates: those to choose from, by default the job's. like: the name of the arm whose rate and strength it
    takes. is_by_the_method: whether it has the job's regulariser, whose strength may have to be chosen.
    is_judged: whether its score on held-out rows is asked for, though no rate may have to be chosen.
    """

    stage: Stage
    name: str
    make: Make
    rates: Sequence[float] | None = None
    like: str | None = None
    is_by_the_method: bool = False
    is_judged: bool = False


@dataclass(frozen=True)
class Chosen:
    """What the first seed's training of an arm settled for the others."""

    rate: RateChoice
    is_deterministic: bool

    def to_dict(self) -> dict[str, Any]:
        return {**self.rate.to_dict(), "is_deterministic": self.is_deterministic}

    @classmethod
    def from_dict(cls, value: dict[str, Any]) -> Chosen:
        known = dict(value)
        is_deterministic = bool(known.pop("is_deterministic"))
        return cls(RateChoice.from_dict(known), is_deterministic)


Keep = Callable[[Transferred], Transferred]
"""Makes what the first seed came to durable before its outcome is."""


def train_arm(
    context: JobContext, arm: Arm, data: Data, keep: Keep | None = None
) -> tuple[list[Outcome], Transferred | None]:
    """The outcomes of all seeds, of one alone where no seed enters; and the first one's network, if new."""
    outcome, fresh = train_first(context, arm, data, keep)
    return [outcome, *train_others(context, arm, data)], fresh


def train_first(
    context: JobContext, arm: Arm, data: Data, keep: Keep | None = None
) -> tuple[Outcome, Transferred | None]:
    """The first seed, whose rate is chosen and becomes durable before its outcome."""
    train, run = partial(_search, context, arm, data, keep), f"{arm.name}/{context.seeds[0]}"
    trials = 1 if arm.like or arm.rates else context.trials_of_an_arm
    return context.trainings.outcome(arm.stage, run, data, train, trials)


def train_others(context: JobContext, arm: Arm, data: Data) -> list[Outcome]:
    """The other seeds at the rate of the first; one that diverges is left out, and noted in the context."""
    if _chosen(context, arm).is_deterministic:
        return []
    return train_seeds(context, arm, dict.fromkeys(context.seeds[1:], data))


def train_seeds(context: JobContext, arm: Arm, data: Mapping[int, Data]) -> list[Outcome]:
    """Of each seed the training on its data, at a rate that was chosen before, but those that diverge."""
    chosen, outcomes = _chosen(context, arm), []
    for seed, own in data.items():
        train = partial(_train, context, arm, own, seed, chosen)
        with may_diverge(context, arm.name):
            outcomes.append(context.trainings.outcome(arm.stage, f"{arm.name}/{seed}", own, train)[0])
    return outcomes


@contextmanager
def may_diverge(context: JobContext, arm: str) -> Iterator[None]:
    """The transfer is worth its model, whatever becomes of what it is compared with; it is noted."""
    try:
        yield
    except TrainingDiverged as error:
        context.diverged[arm] = str(error)


def _chosen(context: JobContext, arm: Arm) -> Chosen:
    chosen = choice_of(context, arm.stage, arm.like or arm.name)
    assert chosen is not None  # written before the first seed's outcome, and by the arm it is like
    return chosen


def choice_of(context: JobContext, stage: Stage, name: str) -> Chosen | None:
    """What was chosen for an arm, in its stage or for the transfer in an earlier one."""
    for place in dict.fromkeys((stage, Stage.TRANSFER)):
        part = context.journal.part(place, f"{context.prefix}choice {name}")
        if part is not None and part.value is not None:
            return Chosen.from_dict(part.value)
    return None


def _search(context: JobContext, arm: Arm, data: Data, keep: Keep | None) -> Transferred:
    seed = context.seeds[0]
    if arm.like is not None:
        return _train(context, arm, data, seed, _chosen(context, arm))
    fit = _fit(context, arm, seed)
    strengths = context.strengths if arm.is_by_the_method else []
    asked = arm.rates or (context.rates if strengths else context.rates_without_strength)
    choice, made = rates.choose_rate(arm.make, data, fit, asked, fit.training.budget, strengths)
    if arm.is_judged and choice.score is None:
        choice = replace(choice, score=_judged(arm, data, fit, choice.trial, made))
    chosen = Chosen(choice, made.is_deterministic)
    context.journal.save_part(arm.stage, f"{context.prefix}choice {arm.name}", value=chosen.to_dict())
    return made if keep is None else keep(made)


def _judged(arm: Arm, data: Data, fit: Fit, trial: Trial, made: Transferred) -> Score | None:
    """How good it is on held-out rows, where no rate was searched for; None with epochs and no such rows."""
    budget = fit.training.budget
    if rates.is_judged_by_validation(data, budget):
        return trials.validation_score(made, data, fit)
    if fit.training.in_updates:
        run = f"{fit.hooks.run}/rate {trial.learning_rate:g}"
        judged = trials.out_of_fold(arm.make, data, fit, trial, run, budget)
        return None if judged is None else judged.score
    return None


def _train(context: JobContext, arm: Arm, data: Data, seed: int, chosen: Chosen) -> Transferred:
    fit = _fit(context, arm, seed)
    return arm.make(data, chosen.rate.trial.fit(fit, fit.hooks.run))


def _fit(context: JobContext, arm: Arm, seed: int) -> Fit:
    return context.trainings.fit(arm.stage, f"{arm.name}/{seed}", context.training, seed=seed)
