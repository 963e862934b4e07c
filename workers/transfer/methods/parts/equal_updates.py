"""As many updates for an arm that reads fewer rows: its epochs are shorter, so it takes more of them."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from workers.transfer.training.fitting import Fit


@contextmanager
def as_many_updates(fit: Fit, rows: int, as_of: int) -> Iterator[None]:
    """Within it, the fit's epochs over `rows` rows make the updates of its epochs over `as_of` rows.

    They are whole epochs, rounded up; a patience grows alike. A training whose limits are in updates has the
    same ones whatever it reads, and stays as it is.
    """
    training = fit.training
    if training.epochs is not None and rows != as_of:
        own, wanted = (math.ceil(count / training.batch_size) for count in (rows, as_of))
        patience = training.patience and math.ceil(training.patience * wanted / own)
        epochs = math.ceil(training.epochs * wanted / own)
        fit.training = replace(training, epochs=epochs, patience=patience)
    try:
        yield
    finally:
        fit.training = training
