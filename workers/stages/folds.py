"""The folds of a small target: all arms are trained and chosen anew in each, and answer for its rows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from app.jobs.budgets import chosen_by
from app.jobs.evaluation import LEAST_ROWS
from app.jobs.states import Stage
from workers.fold_context import Dealt, FoldContext, LabelledRows, dealt, labelled_rows
from workers.job_context import JobContext
from workers.stages.arms import choice_of, may_diverge, train_first
from workers.stages.baseline import baseline
from workers.stages.candidates import candidates
from workers.stages.choose_control import choose_control
from workers.stages.transfer import transfer_arm
from workers.transfer.data import Array, Data
from workers.transfer.delivery.predictions import Repeat
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.networks.network import Network
from workers.transfer.proof.cross_validation import Fold
from workers.transfer.proof.evaluation import Outcome, constant


@dataclass(frozen=True, eq=False)
class TrainedFold:
    """What the arms came to in a fold, and what was chosen by rows held out of its train rows.

    outcomes: by arm, of those that did not diverge. scores: by arm, None where there were no such rows.
    control, baseline: the candidate chosen, if there is one.
    """

    fold: Fold
    outcomes: dict[str, Outcome]
    scores: dict[str, Score | None]
    control: str | None
    baseline: str | None


@dataclass(frozen=True, eq=False)
class Folds:
    """All of them, and the labelled rows that they hold out."""

    labelled: LabelledRows
    trained: list[TrainedFold]
    judged_by: str

    def repeats(self) -> list[Repeat]:
        """Each dealing as a table has it: fold and answers of every labelled row."""
        found: dict[int, Repeat] = {}
        folds = [trained.fold for trained in self.trained]
        # An arm may have diverged in some of them.
        widths = {arm: p.shape[1:] for one in folds for arm, p in one.answers.items()}
        for one in folds:
            if one.repeat not in found:
                blank = {arm: np.full((len(self.labelled.rows), *of), np.nan) for arm, of in widths.items()}
                found[one.repeat] = Repeat(np.full(len(self.labelled.rows), -1), blank)
            found[one.repeat].fold[one.rows] = one.number
            for arm, p in one.answers.items():
                found[one.repeat].answers[arm][one.rows] = p
        return list(found.values())


def folds(context: JobContext, source: Sequence[Network]) -> Folds:
    """Every arm in every fold, from the one source; each training and each choice is durable.

    Nothing is trained where too few rows can be held out to tell anything.
    """
    labelled = labelled_rows(context)
    spec, task = context.job.spec, context.whole_target.signature.task
    judged_by = chosen_by(spec.training, spec.evaluation.metric, task)
    if len(np.unique(labelled.units[~labelled.seen])) < LEAST_ROWS:
        return Folds(labelled, [], judged_by)
    known: dict[str, Data] = {}
    trained = [
        _trained(FoldContext.of(context, fold, known), fold, source) for fold in dealt(context, labelled)
    ]
    return Folds(labelled, trained, judged_by)


def _trained(context: FoldContext, fold: Dealt, source: Sequence[Network]) -> TrainedFold:
    asked = context.job.spec.evaluation
    arm = replace(transfer_arm(context, source), stage=Stage.CONTROL)
    outcomes: dict[str, Outcome] = {}
    scores: dict[str, Score | None] = {}
    with may_diverge(context, "transfer"):
        outcomes["transfer"], _ = train_first(context, arm, fold.data)
        scores["transfer"] = _score(context, "transfer")
    kind = model = None
    control = choose_control(context, candidates(context, source)) if asked.control else None
    if control is not None:
        kind, outcomes["control"] = control.chosen, control.outcomes[control.chosen]
        scores["control"] = _score(context, f"control/{kind}")
    if asked.baseline:
        fitted = baseline(context, source, keeps_model=False)
        model, outcomes["baseline"], scores["baseline"] = fitted.told["chosen"], fitted.outcome, fitted.score
    outcomes["constant"] = constant(fold.data, fold.seed)
    answers: dict[str, Array] = {name: outcome.test for name, outcome in outcomes.items()}
    return TrainedFold(
        Fold(fold.repeat, fold.number, fold.held_out, answers), outcomes, scores, control=kind, baseline=model
    )


def _score(context: FoldContext, name: str) -> Score | None:
    chosen = choice_of(context, Stage.CONTROL, name)
    assert chosen is not None  # the arm is trained
    return chosen.rate.score
