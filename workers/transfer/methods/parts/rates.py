"""A learning rate for each arm, from one small grid: a rate that suits one arm may be another's ruin.

Then, at that rate, the strength of a regulariser, in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from typing import Any, Literal

from workers.transfer.data import Data
from workers.transfer.methods.parts.held_out import Score
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.methods.parts.trials import Judged, Make, Trial, on_validation, out_of_fold
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, ChosenBy, TrainingDiverged

DEFAULT_LEARNING_RATE = 0.001
"""The one that ties go to: `app.jobs.training` has the same."""

By = Literal["given", "validation", "cross-validation", "default"]


@dataclass(frozen=True)
class RateChoice:
    """A learning rate, what it was chosen by, and the loss and accuracy that were seen of each one tried.

    given: there was one to take. default: nothing is trained by steps, or too few rows are there to choose
    by. score: that of the rate chosen, on held-out rows; None where none were looked at. `tried` has
    `learning_rate`, `regulariser_strength`, `loss` and `accuracy`, the last two None of what diverged. A
    strength is None where none was to be chosen.
    """

    learning_rate: float
    by: By
    tried: list[dict[str, float | None]]
    score: Score | None
    regulariser_strength: float | None = None

    @property
    def trial(self) -> Trial:
        """What is trained with."""
        return Trial(self.learning_rate, self.regulariser_strength)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: dict[str, Any]) -> "RateChoice":
        """The inverse of `to_dict`."""
        score = values["score"]
        return cls(**{**values, "score": None if score is None else Score(**score)})


def choose_rate(
    make: Make,
    data: Data,
    fit: Fit,
    rates: Sequence[float],
    budget: Budget | None,
    strengths: Sequence[float] = (),
) -> tuple[RateChoice, Transferred]:
    """Train an arm at the rate that is best on held-out rows; ties go to the default rate.

    The best is that of the highest accuracy and of equal ones the lowest loss, or by loss alone, as the
    budget's `chosen_by` says. With at least `least_validation_rows` validation rows (without a budget: with
    any) each rate is trained with once, and what the best came to is kept as it is. With fewer it is the mean
    over train rows, each held out once in `search_folds` folds, see `trials.out_of_fold`; then one training
    follows at the rate chosen. Of one rate nothing is searched, nor of an arm that does not train by steps.

    The rates are tried with the first of the `strengths` of a regulariser, and then the others at the rate
    that was best; ties go to the first.

    The trainings are called `run/rate r`, `run/strength s`, or `run` where there is one alone. Each is
    durable when the next begins. One that diverges loses.

    Raises:
        TrainingDiverged: at every rate, or afterwards at the one chosen.
    """
    run = fit.hooks.run
    if len(rates) == 1:
        made = make(data, fit.named(run, learning_rate=rates[0]))
        return RateChoice(rates[0], "given", [], None), made
    rates = sorted(rates, key=lambda rate: rate != DEFAULT_LEARNING_RATE)  # ties go to the first
    first = Trial(rates[0], strengths[0] if strengths else None)
    search = _Search(make, data, fit, budget)
    # In full, since nearly equal rates are not one another's.
    search.go({f"rate {rate!r}": replace(first, learning_rate=rate) for rate in rates})
    if search.best is not None:
        best = search.best.trial
        search.go({f"strength {one:g}": replace(best, regulariser_strength=one) for one in strengths[1:]})
    return search.chosen(first)


def is_judged_by_validation(data: Data, budget: Budget | None) -> bool:
    """Whether there are validation rows enough to choose by."""
    if data.validation is None:
        return False
    return budget is None or len(data.validation) >= budget.least_validation_rows


def chosen_by(budget: Budget | None) -> ChosenBy:
    """What the better one is judged by."""
    return "loss" if budget is None else budget.chosen_by


class _Search:
    """Trials of an arm one after another, and the best of them so far."""

    def __init__(self, make: Make, data: Data, fit: Fit, budget: Budget | None) -> None:
        self.make, self.data, self.fit, self.budget = make, data, fit, budget
        self.by_validation = is_judged_by_validation(data, budget)
        self.scores: dict[Trial, Score | None] = {}
        self.best: Judged | None = None
        self.failure: TrainingDiverged | None = None

    def go(self, trials: Mapping[str, Trial]) -> None:
        """Try each, in a run of that name, unless nothing is trained by steps."""
        by = chosen_by(self.budget)
        for name, trial in trials.items():
            if self.best is not None and not self.best.by_steps:
                return
            judged = self._judged(trial, f"{self.fit.hooks.run}/{name}")
            self.scores[trial] = None if judged is None else judged.score
            if judged and (self.best is None or judged.score.penalty(by) < self.best.score.penalty(by)):
                self.best = judged

    def chosen(self, default: Trial) -> tuple[RateChoice, Transferred]:
        """The best, or where none could be judged the default, and what is trained with it."""
        best = self.best
        if best is None and self.failure is not None:
            raise self.failure
        trial, score, made = (default, None, None) if best is None else (best.trial, best.score, best.made)
        if made is None:
            made = self.make(self.data, trial.fit(self.fit, self.fit.hooks.run))
        by = self._by()
        tried = [] if by == "default" else self._tried()
        return RateChoice(score=score, by=by, tried=tried, **asdict(trial)), made

    def _judged(self, trial: Trial, run: str) -> Judged | None:
        if not self.by_validation:
            return out_of_fold(self.make, self.data, self.fit, trial, run, self.budget)
        try:
            return on_validation(self.make, self.data, self.fit, trial, run)
        except TrainingDiverged as error:
            self.failure = self.failure or error
            return None

    def _by(self) -> By:
        if self.best is None or not self.best.by_steps:
            return "default"
        return "validation" if self.by_validation else "cross-validation"

    def _tried(self) -> list[dict[str, float | None]]:
        nothing = {"loss": None, "accuracy": None}
        return [
            {**asdict(trial), **(nothing if score is None else asdict(score))}
            for trial, score in sorted(self.scores.items(), key=lambda item: astuple(item[0]))
        ]
