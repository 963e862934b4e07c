"""How often is a target cross-validated? Filled in when a job is accepted, or refused with the reason."""

from __future__ import annotations

from app.datasets.reading.description import Description
from app.errors import ServiceError
from app.jobs.evaluation import FOLDS, LEAST_ROWS, MOST_ROWS, REPEATS, SEEDS, Evaluation

_FEW_ROWS = 200
"""With fewer labelled rows, a test part of them shows little."""


def settled(asked: Evaluation, target: Description) -> Evaluation:
    """The options with folds, repeats and seeds filled in, for this target.

    Raises:
        ServiceError: folds were asked for that this target cannot have.
    """
    folds = _default(asked, target) if asked.folds is None else asked.folds
    if asked.folds:
        _check(asked, asked.folds, target)
    repeats = (asked.repeats or REPEATS) if folds else None
    # Folds bring a seed each; ablations and few-shot points are measured on the test rows with their own.
    judged_by_seeds = not folds or asked.arms or asked.few_shot
    seeds = asked.seeds or (SEEDS if judged_by_seeds else 1)
    return asked.model_copy(update={"folds": folds, "repeats": repeats, "seeds": seeds})


def validation_rows(target: Description, folds: int) -> int:
    """About how many rows validate beside a fold: of its train rows as large a share as in the split."""
    rows = target.split.rows
    return round(
        rows["validation"] / (rows["train"] + rows["validation"]) * sum(rows.values()) * (1 - 1 / folds)
    )


def _default(asked: Evaluation, target: Description) -> int:
    if target.task in ("seq2seq", "span"):
        return 0
    few = LEAST_ROWS <= target.labelled_rows < _FEW_ROWS
    compares = (asked.control or asked.baseline) and not asked.retrain_source
    return FOLDS if few and compares and target.split.by in ("key", "group") else 0


def _check(asked: Evaluation, folds: int, target: Description) -> None:
    if target.task in ("seq2seq", "span"):
        called = "translations" if target.task == "seq2seq" else "questions"
        expected, received = f"0 for {called}", str(folds)
        hint = "Leave `evaluation.folds` out: a network of texts needs more rows than are worth folds."
    elif target.split.by == "time":
        expected, received = "0 for a target that is split by time", str(folds)
        hint = "Leave `evaluation.folds` out: in folds, later rows would tell of earlier ones."
    elif target.labelled_rows > MOST_ROWS:
        expected = f"0 for a target of more than {MOST_ROWS:,} labelled rows"
        received = f"{folds} for {target.labelled_rows:,} rows"
        hint = "Leave `evaluation.folds` out: so many rows have test rows enough."
    elif 2 * folds > target.labelled_rows:
        expected = f"at most {target.labelled_rows // 2}, half of the target's labelled rows"
        received, hint = str(folds), "Lower `evaluation.folds`, or label more rows."
    elif not (asked.control or asked.baseline):
        expected, received = "0 without `control` and `baseline`", str(folds)
        hint = "Ask for one of them: folds compare the transfer with it."
    elif asked.retrain_source:
        expected, received = "0 with `retrain_source`", str(folds)
        hint = "Send one of the two: a source for each of all folds and seeds would take too long."
    else:
        return
    message = f"evaluation.folds: expected {expected}. Received: {received}."
    raise ServiceError(422, "folds_do_not_fit", message, hint=hint)
