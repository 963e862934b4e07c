"""Predictions, the gain of transfer over its control with a confidence interval, and the verdict."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
from scipy.stats import binomtest

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Task
from workers.transfer.proof import confusion
from workers.transfer.proof.calibration import calibrate
from workers.transfer.proof.curves import compare_curves, mean_curve
from workers.transfer.proof.weighted_metrics import weighted_metric

LEAST_TEST_ROWS = 20
"""Of fewer test rows there is no verdict, where others were left out because they had been seen."""

_BLOCK_VALUES = 2**18
"""Row weights held at a time."""

_LEARNT_NOTHING = (
    " The control is not shown to be better than one answer for all rows ({:.3g}): the arm `usual_network`, "
    "another learning rate or more epochs may be a fairer comparison."
)

_LEFT_OUT = (
    "{} of the {} test rows were left out, since something in the transfer was trained or validated on them. "
)
_TOO_FEW = (
    "{} remain, fewer than the "
    f"{LEAST_TEST_ROWS} that a verdict needs then, so whether the transfer helped is not known: use a target "
    "with rows that the source has not seen."
)

CONTROLS: Mapping[str, str] = {
    "from_scratch": "from scratch",
    "random_weights": "by the same procedure from random weights",
    "preset_weights": "by the same procedure from the preset's own weights",
    "random_structure": "with a random structure of the same size",
    "untrained_teacher": "by a student of an untrained teacher",
}
"""What the control may be, as the sentence says it."""

_IN_THE_LABELS_UNIT = frozenset({"rmse", "mae"})
_OF_DECISIONS = frozenset({"accuracy", "balanced_accuracy", "exact_match", "f1", "micro_f1", "macro_f1"})


@dataclass(frozen=True)
class Gain:
    """The metric of transfer less that of its control; loss-like metrics turned, so that above 0 is better.

    `transfer` and `control` are the metric's own values, means over the seeds; `low` and `high` bound
    `value` with `confidence`; `draws` counts the resamplings on which the metric is defined.
    """

    metric: str
    value: float
    low: float
    high: float
    confidence: float
    transfer: float
    control: float
    rows: int
    draws: int
    seeds: int = 1

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Outcome:
    """What one training of an arm came to: predictions on test and validation rows, and its curve.

    curve: the validation accuracy after each epoch, or the validation loss of a regression; empty without
    validation rows.
    """

    seed: int
    test: Array
    validation: Array | None
    curve: Sequence[float]


class Verdict(NamedTuple):
    """Whether the transfer helped, and one sentence why."""

    outcome: Literal["helped", "no difference", "hurt"]
    reason: str


def default_metric(task: Task) -> str:
    """The metric of the gain where none is asked for."""
    return tasks.DEFAULT_METRIC[task]


def compare(
    task: Task,
    y: Array,
    p_transfer: Sequence[Array],
    p_control: Sequence[Array],
    metric: str,
    *,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Gain:
    """Paired percentile bootstrap over test rows and, if there are several, over seeds.

    The predictions are lists with one entry a seed, in the same order. A draw takes rows with replacement,
    the same for both arms and all seeds, and seeds with replacement, the same for both arms; its gain is the
    mean difference over the drawn seeds (a two-level bootstrap, Davison & Hinkley 1997, §3.8).

    Raises:
        ValueError: the task has no such metric, or it is undefined on these rows.
    """
    transfer, control = (
        float(np.mean([_defined(tasks.metrics(task, y, p), metric) for p in arm]))
        for arm in (p_transfer, p_control)
    )
    sign = -1.0 if metric in tasks.LOWER_IS_BETTER else 1.0
    blocks = list(_differences(task, y, p_transfer, p_control, metric, draws, seed))
    by_seed = np.concatenate(blocks, axis=1)  # (seeds, draws)
    # Differences of equal metrics may come out as 1e-17; such a bound is 0. Errors have the label's size.
    size = max(abs(transfer), abs(control)) if metric in _IN_THE_LABELS_UNIT else 1.0
    size = 2.0 ** math.frexp(size)[1] if size else 1.0
    gains = np.round(sign * _over_seeds(by_seed, seed) / size, 12) * size + 0.0
    gains = gains[~np.isnan(gains)]
    if not len(gains):
        raise ValueError(
            f"Expected resampled test rows on which {metric} is defined. Received: none. Add test rows."
        )
    tail = (1 - confidence) / 2
    low, high = np.quantile(gains, [tail, 1 - tail])
    return Gain(
        metric=metric,
        value=sign * (transfer - control),
        low=float(low),
        high=float(high),
        confidence=confidence,
        transfer=transfer,
        control=control,
        rows=len(y),
        draws=len(gains),
        seeds=len(by_seed),
    )


def _over_seeds(by_seed: Array, seed: int) -> Array:
    """The mean over seeds drawn with replacement, draw by draw, (draws,)."""
    seeds, draws = by_seed.shape
    if seeds == 1:
        only: Array = by_seed[0]
        return only
    rng = np.random.Generator(np.random.Philox([seed, seeds]))
    drawn = rng.integers(0, seeds, size=(seeds, draws))
    mean: Array = np.take_along_axis(by_seed, drawn, axis=0).mean(axis=0)
    return mean


def mcnemar(right_transfer: Array, right_control: Array) -> dict[str, Any]:
    """Exact test on the rows that only one arm gets right: Binomial(n, ½), two-sided (McNemar 1947)."""
    only_transfer = int(np.sum(right_transfer & ~right_control))
    only_control = int(np.sum(right_control & ~right_transfer))
    n = only_transfer + only_control
    p_value = float(binomtest(only_transfer, n, 0.5).pvalue) if n else 1.0
    return {"transfer_only": only_transfer, "control_only": only_control, "p_value": p_value}


def verdict(gain: Gain, control: str = "from_scratch") -> Verdict:
    """`helped` if the interval lies above 0, `hurt` if below, else `no difference`; `control` is its kind."""
    words = {True: ("helped", "lies above 0"), False: ("hurt", "lies below 0")}
    seeds = f" and {gain.seeds} seeds" if gain.seeds > 1 else ""
    value = f"{gain.value:+.3g}" if gain.value else "0"
    measured = (
        f"With transfer the {gain.metric.replace('_', ' ')} is {gain.transfer:.3g}, "
        f"{CONTROLS[control]} {gain.control:.3g}, on {gain.rows} test rows{seeds}: a gain of {value}, whose "
        f"{gain.confidence:.0%} interval, {gain.low:+.3g} to {gain.high:+.3g},"
    )
    if gain.low > 0 or gain.high < 0:
        outcome, lies = words[gain.low > 0]
        return Verdict(outcome, f"{measured} {lies}.")  # type: ignore[arg-type]
    return Verdict("no difference", f"{measured} contains 0: take the cheaper model.")


def evaluate_arms(
    arms: Mapping[str, Sequence[Outcome]],
    data: Data,
    *,
    seen: Array | None = None,
    control: str = "from_scratch",
    metric: str | None,
    confidence: float,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """All that the data's test rows say of the arms, as plain JSON values.

    Test rows that were `seen`, (n,) bool, since something in the transfer was trained or validated on them,
    are left out of all arms and of all that is said. Where fewer than `LEAST_TEST_ROWS` remain then, gain,
    verdict and ablations are None or empty, and the reason says so; of no rows at all, every metric is None.

    `arms` holds "transfer", perhaps "control", of the kind `control`, see `CONTROLS`, perhaps others; each
    with one outcome a seed, in the same order, or with one alone if no seed enters: it is compared with each
    of the other's. `metrics` are means over the seeds; calibration, classes, confusion and McNemar's test (of
    rows right in all labels) are of the first seed, whose network is the model.
    `ablations` are the gains of the transfer over the other arms. Without a control, or where the metric (by
    default the task's own) is undefined on these rows, gain and verdict are None, and the reason says so;
    as it does where the control learnt nothing, which makes any transfer look good.
    """
    assert data.test is not None  # checked before the job was accepted
    task = data.signature.task
    metric = metric or default_metric(task)
    seen = np.zeros(len(data.test), bool) if seen is None else seen
    arms = {arm: [replace(one, test=one.test[~seen]) for one in outcomes] for arm, outcomes in arms.items()}
    y, told = data.test.targets[~seen], _LEFT_OUT.format(seen.sum(), len(seen)) if seen.any() else ""
    by_arm: dict[str, list[dict[str, Any]]] = {
        arm: [{"seed": one.seed, "metrics": _metrics(task, y, one.test)} for one in outcomes]
        for arm, outcomes in arms.items()
    }
    metrics = {arm: _means([one["metrics"] for one in seeds]) for arm, seeds in by_arm.items()}
    both = {arm: outcomes for arm, outcomes in arms.items() if arm in ("transfer", "control")}
    output: dict[str, Any] = {
        "metrics": metrics,
        "gain": None,
        "verdict": None,
        "reason": told + "No control was trained, so whether the transfer helped is not known.",
        "arms": by_arm,
        "ablations": {},
        "few_shot": None,
        "choices": {},
        "control": None,
        **_of_first_seed(both, data, y),
        "curves": _curves(both, task),
    }
    if seen.any() and len(y) < LEAST_TEST_ROWS:
        return {**output, "reason": told + _TOO_FEW.format(len(y))}
    gains = {}
    for arm in arms:
        measured = [one["metrics"][metric] for known in ("transfer", arm) for one in by_arm[known]]
        if arm != "transfer" and None not in measured:
            transfer, other = _paired(*([one.test for one in arms[known]] for known in ("transfer", arm)))
            gains[arm] = compare(
                task, y, transfer, other, metric, confidence=confidence, draws=draws, seed=seed
            )
    output["ablations"] = {arm: gain.to_dict() for arm, gain in gains.items() if arm != "control"}
    if "control" not in arms:
        return output
    if "control" not in gains:
        return {**output, "reason": f"{told}The {metric} is not defined on these {len(y)} test rows."}
    outcome, reason = verdict(gains["control"], control)
    if outcome == "helped":
        answers = [one.test for one in arms["control"]]
        same = [tasks.one_answer(task, data.train.targets, p) for p in answers]
        learnt = compare(task, y, answers, same, metric, confidence=confidence, draws=draws, seed=seed)
        reason += "" if learnt.low > 0 else _LEARNT_NOTHING.format(learnt.control)
    return {**output, "gain": gains["control"].to_dict(), "verdict": outcome, "reason": told + reason}


def metrics_of(outcome: Outcome, data: Data, seen: Array) -> dict[str, float | None]:
    """The task's metrics of one training on the test rows that were not `seen`, (n,) bool."""
    assert data.test is not None  # checked before the job was accepted
    return _metrics(data.signature.task, data.test.targets[~seen], outcome.test[~seen])


def _paired(arm: list[Array], other: list[Array]) -> tuple[list[Array], list[Array]]:
    """The predictions by seed; what no seed enters is paired with each of the other's."""
    seeds = max(len(arm), len(other))
    return tuple(known * seeds if len(known) == 1 else known for known in (arm, other))  # type: ignore[return-value]


def _metrics(task: Task, y: Array, p: Array) -> dict[str, float | None]:
    """The task's metrics, each None without rows."""
    return tasks.metrics(task, y, p) if len(y) else dict.fromkeys(tasks.METRICS[task])


def _means(metrics: Sequence[Mapping[str, float | None]]) -> dict[str, float | None]:
    """Means over the seeds; None where a seed's is."""
    values = {name: [one[name] for one in metrics] for name in metrics[0]}
    return {
        name: None if None in of_seeds else float(np.mean(np.array(of_seeds, dtype=np.float64)))
        for name, of_seeds in values.items()
    }


def _of_first_seed(arms: Mapping[str, Sequence[Outcome]], data: Data, y: Array) -> dict[str, Any]:
    """What single decisions say, on the test rows that y is left of."""
    task, classes = data.signature.task, data.signature.classes
    y_validation = None if data.validation is None else data.validation.targets
    if task == "regression" or not len(y):
        return {"mcnemar": None, "calibration": None, "classes": None, "confusion": None}
    true = y.astype(np.int64) if task == "multilabel" else y.reshape(-1).astype(np.int64)
    first = {arm: outcomes[0] for arm, outcomes in arms.items()}
    decided = {arm: tasks.decide(task, one.test) for arm, one in first.items()}
    right = {arm: tasks.right_answers(task, y, decisions) for arm, decisions in decided.items()}
    return {
        "mcnemar": mcnemar(right["transfer"], right["control"]) if "control" in right else None,
        "calibration": {
            arm: calibrate(task, y_validation, one.validation, y, one.test) for arm, one in first.items()
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


def _curves(arms: Mapping[str, Sequence[Outcome]], task: Task) -> dict[str, Any] | None:
    curves = {arm: [one.curve for one in outcomes] for arm, outcomes in arms.items()}
    if any(not curve for of_arm in curves.values() for curve in of_arm):
        return None
    metric = "loss" if task == "regression" else "accuracy"
    if "control" not in curves:
        alone = mean_curve(curves["transfer"], max(len(curve) for curve in curves["transfer"])).tolist()
        higher = metric == "accuracy"
        return {"metric": metric, "higher_is_better": higher, "transfer": alone, "control": None}
    return compare_curves(curves["transfer"], curves["control"], metric, metric == "accuracy")


def _defined(scores: Mapping[str, float | None], metric: str) -> float:
    if metric not in scores:
        raise ValueError(f"Expected one of the metrics {', '.join(scores)}. Received: {metric!r}.")
    value = scores[metric]
    if value is None:
        raise ValueError(
            f"Expected test rows on which {metric} is defined. Received: rows that lack a class or whose "
            "label never varies. Choose another metric or a larger test part."
        )
    return value


def _differences(
    task: Task,
    y: Array,
    p_transfer: Sequence[Array],
    p_control: Sequence[Array],
    metric: str,
    draws: int,
    seed: int,
) -> Iterator[Array]:
    """Transfer's metric less the control's, (seeds, draws), on the same resampled rows, a block at a time."""
    rows, counts = _kinds_of_rows(task, y, [*p_transfer, *p_control], metric)
    y = y[rows]
    rng = np.random.Generator(np.random.Philox(seed))
    block = max(1, _BLOCK_VALUES // len(rows))
    for start in range(0, draws, block):
        weights = _resample(rng, counts, min(block, draws - start))
        yield np.stack(
            [
                weighted_metric(task, metric, y, one[rows], weights)
                - weighted_metric(task, metric, y, other[rows], weights)
                for one, other in zip(p_transfer, p_control, strict=True)
            ]
        )


def _kinds_of_rows(task: Task, y: Array, predictions: Sequence[Array], metric: str) -> tuple[Array, Array]:
    """One row of each kind and the kinds' sizes; rows of a kind are the same to the metric.

    A metric of decisions knows few kinds: the class, and what each arm and seed decided.
    """
    if metric not in _OF_DECISIONS:
        return np.arange(len(y)), np.ones(len(y), np.int64)
    decided = [tasks.decide(task, p) for p in predictions]
    kinds = np.concatenate([part.reshape(len(y), -1).astype(np.int64) for part in (y, *decided)], axis=1)
    _, rows, counts = np.unique(kinds, axis=0, return_index=True, return_counts=True)
    return rows, counts


def _resample(rng: np.random.Generator, counts: Array, draws: int) -> Array:
    """How often each kind is drawn in Σcounts draws with replacement: Multinomial, (draws, kinds)."""
    total, kinds = int(counts.sum()), len(counts)
    if kinds < total:
        return rng.multinomial(total, counts / total, size=draws).astype(np.float64)
    cells = rng.integers(0, kinds, size=(draws, total), dtype=np.int64) + kinds * np.arange(draws)[:, None]
    return np.bincount(cells.reshape(-1), minlength=draws * kinds).reshape(draws, kinds).astype(np.float64)
