"""As many updates for an arm that reads fewer rows: its epochs are shorter, so it takes more of them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training


@contextmanager
def as_many_updates(fit: Fit, rows: int, as_of: int) -> Iterator[None]:
    """Within it, the fit's epochs over `rows` rows make the updates of its epochs over `as_of` rows.

    They are whole epochs, rounded up, and so is whatever else is counted in epochs: patience, and of a budget
    the epochs without validation rows and the short ones. A round of a budget is as long as those of the
    other arm, so that both are validated, and may end, as often. Its limits in updates stay as they are.
    """
    training = fit.training
    fit.training = _stretched(training, rows, as_of)
    try:
        yield
    finally:
        fit.training = training


def _stretched(training: Training, rows: int, as_of: int) -> Training:
    own, wanted = (math.ceil(count / training.batch_size) for count in (rows, as_of))

    def more(epochs: int) -> int:
        return math.ceil(epochs * wanted / own)

    budget = training.budget
    if budget is not None:
        unwatched, short = more(budget.epochs_without_validation), more(budget.short_epochs)
        longer = replace(budget, epochs_without_validation=unwatched, short_epochs=short)
        return replace(training, budget=replace(longer, round_updates=max(budget.round_updates, wanted)))
    assert training.epochs is not None
    return replace(
        training, epochs=more(training.epochs), patience=training.patience and more(training.patience)
    )
