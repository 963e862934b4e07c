"""What does one answer for all rows reach? The least that a network has to beat."""

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Data


def one_answer_loss(data: Data, unit: tasks.LabelUnit) -> float:
    """The validation rows' mean loss where each gets the train rows' mean, of a regression in the unit.

    Raises:
        ValueError: there are no validation rows.
    """
    if data.validation is None:
        raise ValueError("Expected validation rows. Received: none. Mark some rows `validation`.")
    task = data.signature.task
    width = len(data.signature.classes) if task in ("multiclass", "multilabel") else 1

    def targets(y: Array) -> Array:
        return unit.standardised(y) if task == "regression" else y

    train, y = targets(data.train.targets), targets(data.validation.targets)
    same = tasks.one_answer(task, train, np.zeros((len(train), width)))[:1]
    p = np.repeat(same, len(y), axis=0).astype(np.float32)
    return float(np.mean(np.asarray(tasks.row_losses(task, y.astype(np.float32), p))))
