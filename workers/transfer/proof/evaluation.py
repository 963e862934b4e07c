"""What the test rows say of all arms: metrics, the gain of the transfer over each, the verdict."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from workers.transfer import tasks, text_metrics
from workers.transfer.data import Array, Data, Task
from workers.transfer.proof.comparison import Gain
from workers.transfer.proof.curves import curves_of
from workers.transfer.proof.evidence import told_of, unclaimed
from workers.transfer.proof.first_seed import of_first_seed
from workers.transfer.proof.judging import NOT_COMPARED, Beside, judge
from workers.transfer.proof.measured import Measured, means
from workers.transfer.proof.several import corrected, said
from workers.transfer.proof.verdict import Silence

_LEFT_OUT = (
    "{} of the {} test rows were left out, since something in the transfer was trained or validated on them. "
)
_CHEAP = ("baseline", "constant")
"""Arms that the transfer is compared with in `recommendation`."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one training of an arm came to: predictions on test and validation rows, and its curve.

    Where answers are texts, the predictions are the rows' statistics (n, S), see `text_metrics`, and `texts`
    the answers to the test rows, (n,) str.
    curve: the validation accuracy after each epoch, or the validation loss of a regression; empty without
    validation rows. is_cut_off: the training ended at its limit while it still learnt, see `History`.
    """

    seed: int
    test: Array
    validation: Array | None
    curve: Sequence[float]
    is_cut_off: bool = False
    texts: Array | None = None


@dataclass(frozen=True)
class Rules:
    """How arms are compared, the same for all of them.

    metric: of the gain; None for the task's own. margin: within it, arms are equivalent, see `verdict`. seed:
    of the draws. shared_source: all trainings of the transfer come from one source, which was drawn once;
    is_source_retrained: each comes from its own, which the sentences say. drawn_once: arms that no seed
    enters, so that one training is all there is. diverged: arms that lack trainings, since these diverged.
    """

    metric: str | None
    confidence: float
    draws: int
    seed: int
    margin: float = 0.02
    shared_source: bool = False
    drawn_once: Collection[str] = ()
    is_source_retrained: bool = False
    diverged: Collection[str] = ()


def default_metric(task: Task) -> str:
    """The metric of the gain where none is asked for."""
    return tasks.DEFAULT_METRIC[task]


def measured(
    arms: Mapping[str, Sequence[Outcome]],
    data: Data,
    rules: Rules,
    *,
    seen: Array | None = None,
    units: Array | None = None,
) -> Measured:
    """What the arms answer for the data's test rows, without those that were `seen`."""
    assert data.test is not None  # checked before the job was accepted
    signature, rows = data.signature, len(data.test)
    seen = np.zeros(rows, bool) if seen is None else seen
    return Measured(
        task=signature.task,
        classes=len(signature.classes),
        y=data.test.targets[~seen],
        units=(np.arange(rows) if units is None else units)[~seen],
        left_out=int(seen.sum()),
        answers={arm: [one.test[~seen] for one in outcomes] for arm, outcomes in arms.items()},
        one_answer=constant(data, rules.seed).test[~seen],
        metric=rules.metric or default_metric(signature.task),
        confidence=rules.confidence,
        draws=rules.draws,
        seed=rules.seed,
        shared_source=rules.shared_source,
    )


def evaluate_arms(
    arms: Mapping[str, Sequence[Outcome]],
    data: Data,
    rules: Rules,
    *,
    seen: Array | None = None,
    units: Array | None = None,
    control: str = "from_scratch",
) -> dict[str, Any]:
    """All that the data's test rows say of the arms, as plain JSON values.

    Test rows that were `seen`, (n,) bool, since something in the transfer was trained or validated on them,
    are left out of all arms and of all that is said. `units`, (n,), numbers of the test rows that belong
    together and are drawn whole, by default each for itself. Where nothing can be told, see `judging`, the
    verdict is None, and the reason says so; of too few rows gain and ablations are None, too, or empty; of
    no rows at all, or of answers that are not finite, every metric is None.

    `arms` holds "transfer", perhaps "control", of the kind `control`, see `CONTROLS`, perhaps others; each
    with one outcome a seed, in the same order, or with one alone if no seed enters. `metrics` are means over
    the seeds; calibration, classes, confusion and McNemar's test (of rows right in all labels) are of the
    first seed, whose network is the model. `ablations` are the gains of the transfer over the other arms,
    corrected for their number, but for "baseline" and "constant", see `recommendation`.
    """
    rows = measured(arms, data, rules, seen=seen, units=units)
    by_arm: dict[str, list[dict[str, Any]]] = {
        arm: [
            {"seed": one.seed, "metrics": rows.metrics(p)}
            for one, p in zip(outcomes, rows.answers[arm], strict=True)
        ]
        for arm, outcomes in arms.items()
    }
    both = {arm: outcomes for arm, outcomes in arms.items() if arm in ("transfer", "control")}
    first = of_first_seed(
        rows,
        data.signature.classes,
        None if data.validation is None else data.validation.targets,
        {arm: outcomes[0].validation for arm, outcomes in both.items()},
    )
    beside = Beside(
        control=control,
        margin=rules.margin,
        drawn_once=rules.drawn_once,
        cut_off=cut_off(both),
        diverged={"transfer", "control"} & set(rules.diverged),
        is_source_retrained=rules.is_source_retrained,
        p_of_rows=first["mcnemar"]["p_value"] if first["mcnemar"] else None,
    )
    told = _LEFT_OUT.format(rows.left_out, rows.left_out + len(rows.y)) if rows.left_out else ""
    is_compared = "control" in arms or "control" in rules.diverged
    proved = judge(rows, beside) if is_compared else NOT_COMPARED
    metrics = {arm: means([one["metrics"] for one in seeds]) for arm, seeds in by_arm.items()}
    return {
        "metrics": metrics,
        **proved,
        "reason": told + proved["reason"],
        "arms": by_arm,
        **_ablations(
            rows,
            [arm for arm in arms if arm not in ("transfer", "control", *_CHEAP)],
            drawn_once=rules.drawn_once,
            cut_off=cut_off(arms),
            diverged=rules.diverged,
        ),
        "few_shot": None,
        "choices": {},
        "control": None,
        "baseline": None,
        "versus_control": None,
        "versus_baseline": None,
        "recommendation": None,
        "recommendation_reason": None,
        "proof": {
            "kind": "test_rows",
            "folds": None,
            "repeats": None,
            "rows": len(rows.y),
            "left_out": rows.left_out,
            "metrics": metrics,
            "chosen": None,
        },
        **first,
        "curves": curves_of({arm: [one.curve for one in of] for arm, of in both.items()}, rows.task),
    }


def _ablations(rows: Measured, arms: Sequence[str], **known: Collection[str]) -> dict[str, Any]:
    """The transfer's gain over each that may be told, as one family of comparisons, and sentences on them.

    `known` as in `evidence.unclaimed`.
    """
    gains: dict[str, Gain] = {}
    silent: dict[Silence, list[str]] = {}
    for arm in arms if rows.silence(rows.metric) is None else ():
        why, gain = unclaimed(rows, "transfer", arm, **known), rows.gain("transfer", arm)
        if why is not None:
            silent.setdefault(why, []).append(arm)
        elif gain is not None:
            gains[arm] = gain
    found = corrected(gains)
    told = [said(found, "ablation")] if found else []
    told += [told_of(why, of) for why, of in silent.items()]
    return {
        "ablations": {arm: one.to_dict() for arm, one in found.items()},
        "ablations_reason": " ".join(told) or None,
    }


def cut_off(arms: Mapping[str, Sequence[Outcome]]) -> set[str]:
    """Arms of which at least half of the trainings ended at their limit while they still learnt."""
    return {arm for arm, of in arms.items() if of and 2 * sum(one.is_cut_off for one in of) >= len(of)}


def constant(data: Data, seed: int) -> Outcome:
    """One answer for all rows, the mean of the train rows' targets; of texts the most frequent one."""
    assert data.test is not None  # checked before the job was accepted
    if data.signature.task in tasks.OF_TEXTS:
        return _same_text(data, seed)
    task, y = data.signature.task, data.train.targets
    width = len(data.signature.classes) if task in ("multiclass", "multilabel") else 1
    parts = [None if rows is None else np.zeros((len(rows), width)) for rows in (data.test, data.validation)]
    test, validation = (None if p is None else tasks.one_answer(task, y, p) for p in parts)
    assert test is not None
    return Outcome(seed, test, validation, [])


def _same_text(data: Data, seed: int) -> Outcome:
    task, answer = data.signature.task, text_metrics.most_frequent(data.signature.task, data.train.targets)
    parts = [
        None if rows is None else text_metrics.statistics(task, rows.targets, [answer] * len(rows))
        for rows in (data.test, data.validation)
    ]
    assert data.test is not None
    assert parts[0] is not None
    return Outcome(seed, parts[0], parts[1], [], texts=np.array([answer] * len(data.test), np.str_))


def metrics_of(outcome: Outcome, data: Data, seen: Array) -> dict[str, float | None]:
    """The task's metrics of one training on the test rows that were not `seen`, (n,) bool."""
    assert data.test is not None  # checked before the job was accepted
    rows = measured({"alone": [outcome]}, data, Rules(None, 0.95, 1, 0), seen=seen)
    return rows.metrics(rows.answers["alone"][0])
