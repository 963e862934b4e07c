"""What single decisions of the first seed's trainings say, whose network is the model."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array
from workers.transfer.proof import confusion
from workers.transfer.proof.calibration import calibrate
from workers.transfer.proof.comparison import mcnemar
from workers.transfer.proof.measured import Measured


def of_first_seed(
    rows: Measured,
    classes: Sequence[str],
    y_validation: Array | None,
    p_validation: Mapping[str, Array | None],
) -> dict[str, Any]:
    """McNemar's test, calibration, classes and confusion of the arms that have `p_validation`, by arm.

    All None of numbers and of texts, without rows, and where the transfer answers what is no finite number;
    so is what an arm that does so would add.
    """
    task, y = rows.task, rows.y
    first = {arm: rows.answers[arm][0] for arm in p_validation if np.isfinite(rows.answers[arm][0]).all()}
    if task == "regression" or task in tasks.OF_TEXTS or not len(y) or "transfer" not in first:
        return {"mcnemar": None, "calibration": None, "classes": None, "confusion": None}
    true = y.astype(np.int64) if task == "multilabel" else y.reshape(-1).astype(np.int64)
    decided = {arm: tasks.decide(task, p) for arm, p in first.items()}
    right = {arm: tasks.right_answers(task, y, decisions) for arm, decisions in decided.items()}
    return {
        "mcnemar": mcnemar(right["transfer"], right["control"]) if "control" in right else None,
        "calibration": {
            arm: calibrate(task, y_validation, p_validation[arm], y, p) for arm, p in first.items()
        },
        "classes": {arm: confusion.by_class(classes, true, decisions) for arm, decisions in decided.items()},
        # Labels that come together are not taken for one another.
        "confusion": None
        if task == "multilabel"
        else {
            "classes": list(classes),
            **{arm: confusion.matrix(classes, true, decisions) for arm, decisions in decided.items()},
        },
    }
