"""How is a training cut into rounds, which weights may be its best, and when is it over?

With a number of epochs a round is an epoch. With a budget it is an epoch too, or `round_updates` steps on
full batches where an epoch has fewer, or as many as the budget has where an epoch has more: its rows come
from one epoch's order after another, without a break.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from workers.transfer.data import Array, Data
from workers.transfer.training.options import Budget, ChosenBy, Training
from workers.transfer.training.sampling import epoch_order

STILL_FALLING = 0.2
"""Share of its mean rate over a training at which a validation loss that falls is still falling."""


@dataclass(frozen=True)
class Rounds:
    """The rounds of one run: `most` of them at most, of `updates` steps on batches of `batch` rows each.

    first: the number of rounds that earlier runs of the fit had, which their orders count on from.
    """

    training: Training
    rows: int
    batch: int
    updates: int
    most: int
    first: int
    is_watched: bool
    """Whether there are validation rows, and with a budget enough of them to choose by."""
    is_few: bool = False
    """Whether these are few."""

    @property
    def keeps_best(self) -> bool:
        """Whether the weights of the lowest validation loss are kept, and not the last ones."""
        patience, budget = self.training.patience, self.training.budget
        return self.is_watched and (patience if budget is None else budget.patience_updates) is not None

    def order(self, number: int) -> Array:
        """The rows of a round, from 0: a function of seed and number, so a resumed run needs no state."""
        number += self.first
        if self.updates == _epoch(self.rows, self.batch):
            return epoch_order(self.training, number, self.rows)
        start, count = number * self.updates * self.batch, self.updates * self.batch
        epochs = range(start // self.rows, (start + count - 1) // self.rows + 1)
        whole = np.concatenate([epoch_order(self.training, epoch, self.rows) for epoch in epochs])
        return whole[start - epochs[0] * self.rows :][:count]

    def may_be_best(self, done: int) -> bool:
        """Whether the weights after so many rounds may be kept as the best."""
        budget = self.training.budget
        return budget is None or not self.is_few or done * self.updates >= budget.min_updates

    def is_short(self, done: int) -> bool:
        """Whether so many rounds are the short training: `short_epochs` end in the last of them."""
        budget = self.training.budget
        if budget is None or not budget.short_epochs:
            return False
        return done == max(1, math.ceil(budget.short_epochs * _epoch(self.rows, self.batch) / self.updates))

    def is_better(self, one: Mapping[str, float], other: Mapping[str, float]) -> bool:
        """Whether one round's validation is better than another's, by what short and long are chosen by."""
        return is_better(self.training.budget, one, other)

    def is_over(self, done: int, lowest: int) -> bool:
        """Whether to stop after so many rounds, when the one with this number had the lowest loss."""
        patience, budget = self.training.patience, self.training.budget
        if budget is None:
            return patience is not None and done - lowest >= patience > 0
        if not self.keeps_best or budget.patience_updates is None or done * self.updates < budget.min_updates:
            return False
        waited = done - lowest
        return waited >= budget.patience_rounds and waited * self.updates >= budget.patience_updates

    def is_cut_off(self, losses: Sequence[float]) -> bool:
        """Whether a run with these validation losses was still learning when it came to its limit.

        It took all rounds there are and would have gone on by its patience; and in the last rounds, those of
        its patience but at most half, the lowest loss fell at `STILL_FALLING` of its mean rate or faster.
        """
        budget, done = self.training.budget, len(losses)
        if budget is None or budget.patience_updates is None or not self.keeps_best or done < self.most:
            return False
        best = min(losses, default=0.0)
        if done < 2 or self.is_over(done, losses.index(best) + 1):
            return False
        patience = max(budget.patience_rounds, math.ceil(budget.patience_updates / self.updates))
        last = min(max(1, patience), done // 2)
        fell, whole = min(losses[:-last]) - best, losses[0] - best
        return fell > 0 and fell / last >= STILL_FALLING * whole / (done - 1)


def is_watched(training: Training, data: Data) -> bool:
    """Whether the data has validation rows, and with a budget enough of them to choose by."""
    count = 0 if data.validation is None else len(data.validation)
    return _are_enough(training, count)


def _are_enough(training: Training, validation_rows: int) -> bool:
    budget = training.budget
    return validation_rows >= (1 if budget is None else max(1, budget.least_validation_rows))


def rounds(training: Training, rows: int, validation_rows: int, first: int = 0) -> Rounds:
    """How a run over so many train rows is cut."""
    batch, budget = min(training.batch_size, max(rows, 1)), training.budget
    epoch = _epoch(rows, batch)
    watched = _are_enough(training, validation_rows)
    if budget is None:
        assert training.epochs is not None
        return Rounds(training, rows, batch, epoch, training.epochs, first, watched)
    updates = max(epoch, budget.round_updates)
    most = budget.max_updates
    if not watched and budget.patience_updates is not None:
        most = min(most, max(budget.min_updates, budget.epochs_without_validation * epoch))
    updates = min(updates, max(1, most))  # of very many rows a round is less than an epoch
    # A whole number of rounds within the limit, and never none.
    count = max(math.ceil(min(budget.min_updates, most) / updates), most // updates)
    few = validation_rows < budget.few_validation_rows
    return Rounds(training, rows, batch, updates, count, first, watched, few)


def is_better(budget: Budget | None, one: Mapping[str, float], other: Mapping[str, float]) -> bool:
    """Whether one validation (`val_loss`, `val_accuracy`) is better than another, by the budget's choice."""
    by: ChosenBy = "loss" if budget is None else budget.chosen_by
    penalties = [penalty(by, seen["val_loss"], seen.get("val_accuracy")) for seen in (one, other)]
    return penalties[0] < penalties[1]


def penalty(chosen_by: ChosenBy, loss: float, accuracy: float | None) -> tuple[float, float]:
    """What is lower of the better one: the loss; or the negative accuracy, and then the loss."""
    if chosen_by == "loss" or accuracy is None:
        return loss, 0.0
    return -accuracy, loss


def exactly(training: Training, updates: int, rows: int) -> Training:
    """The training with so many updates, rounded up to whole rounds, whose last weights are kept."""
    if training.budget is None:
        batch = min(training.batch_size, max(rows, 1))
        return replace(training, epochs=math.ceil(updates / _epoch(rows, batch)), patience=None)
    fixed: Budget = replace(training.budget, min_updates=updates, max_updates=updates, patience_updates=None)
    return replace(training, budget=fixed)


def _epoch(rows: int, batch: int) -> int:
    return max(1, math.ceil(rows / batch))
