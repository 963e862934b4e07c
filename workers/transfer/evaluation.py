"""Predictions, the gain of transfer over its control with a confidence interval, and the verdict."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Rows, Task
from workers.transfer.network import Network, forward
from workers.transfer.resampling import weighted_metric

_BLOCK_VALUES = 2**18
"""Row weights held at a time."""

_OF_DECISIONS = frozenset({"accuracy", "balanced_accuracy", "f1", "macro_f1"})


@dataclass(frozen=True)
class Gain:
    """The metric of transfer less that of its control; loss-like metrics turned, so that above 0 is better.

    `transfer` and `control` are the metric's own values; `low` and `high` bound `value` with `confidence`;
    `draws` counts the resamplings on which the metric is defined.
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

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


class Verdict(NamedTuple):
    """Whether the transfer helped, and one sentence why."""

    outcome: Literal["helped", "no difference", "hurt"]
    reason: str


def predict(network: Network, inputs: Mapping[str, Array]) -> Array:
    """The network's predictions for raw inputs, in batches: what the downloaded file answers."""
    return forward(network.model, {column.name: inputs[column.name] for column in network.signature.columns})


def compare(
    task: Task,
    y: Array,
    p_transfer: Array,
    p_control: Array,
    metric: str,
    *,
    confidence: float = 0.95,
    draws: int = 10_000,
    seed: int = 0,
) -> Gain:
    """Paired percentile bootstrap over test rows: both arms are measured on the same resampled rows.

    Raises:
        ValueError: the task has no such metric, or it is undefined on these rows.
    """
    transfer, control = (_defined(tasks.metrics(task, y, p), metric) for p in (p_transfer, p_control))
    sign = -1.0 if metric in tasks.LOWER_IS_BETTER else 1.0
    gains = sign * np.concatenate(list(_differences(task, y, p_transfer, p_control, metric, draws, seed)))
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
    )


def verdict(gain: Gain) -> Verdict:
    """`helped` if the interval lies above 0, `hurt` if below, else `no difference`."""
    bounds = f"{gain.low:+.4g} to {gain.high:+.4g}"
    interval = f"The {gain.confidence:.0%} interval of the gain in {gain.metric}, {bounds},"
    if gain.low > 0:
        return Verdict("helped", f"{interval} lies above 0.")
    if gain.high < 0:
        return Verdict("hurt", f"{interval} lies below 0.")
    return Verdict("no difference", f"{interval} contains 0: take the cheaper model.")


def prove(
    transferred: Network,
    control: Network | None,
    rows: Rows,
    *,
    metric: str | None,
    confidence: float,
    draws: int,
    seed: int,
) -> dict[str, Any]:
    """Metrics of both on the test rows, gain, verdict and its reason, as plain JSON values.

    Without a control, or where the metric (by default the task's own) is undefined on these rows, gain and
    verdict are None, and the reason says so.
    """
    task = transferred.signature.task
    arms = {"transfer": transferred} | ({} if control is None else {"control": control})
    predictions = {arm: predict(network, rows.inputs) for arm, network in arms.items()}
    metrics = {arm: tasks.metrics(task, rows.targets, p) for arm, p in predictions.items()}
    output: dict[str, Any] = {"metrics": metrics, "gain": None, "verdict": None}
    if control is None:
        return {**output, "reason": "No control was trained, so whether the transfer helped is not known."}
    metric = metric or tasks.DEFAULT_METRIC[task]
    if any(metrics[arm][metric] is None for arm in arms):
        return {**output, "reason": f"The {metric} is not defined on these {len(rows)} test rows."}
    both = predictions["transfer"], predictions["control"]
    gain = compare(task, rows.targets, *both, metric, confidence=confidence, draws=draws, seed=seed)
    outcome, reason = verdict(gain)
    return {**output, "gain": gain.to_dict(), "verdict": outcome, "reason": reason}


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
    task: Task, y: Array, p_transfer: Array, p_control: Array, metric: str, draws: int, seed: int
) -> Iterator[Array]:
    """Transfer's metric less the control's, on `draws` resamplings, a block at a time."""
    rows, counts = _kinds_of_rows(task, y, p_transfer, p_control, metric)
    y, p_transfer, p_control = y[rows], p_transfer[rows], p_control[rows]
    rng = np.random.Generator(np.random.Philox(seed))
    block = max(1, _BLOCK_VALUES // len(rows))
    for start in range(0, draws, block):
        weights = _resample(rng, counts, min(block, draws - start))
        of_transfer = weighted_metric(task, metric, y, p_transfer, weights)
        yield of_transfer - weighted_metric(task, metric, y, p_control, weights)


def _kinds_of_rows(
    task: Task, y: Array, p_transfer: Array, p_control: Array, metric: str
) -> tuple[Array, Array]:
    """One row of each kind and the kinds' sizes; rows of a kind are the same to the metric.

    A metric of decisions knows few kinds: (class, transfer's decision, control's decision).
    """
    if metric not in _OF_DECISIONS:
        return np.arange(len(y)), np.ones(len(y), np.int64)
    decided = [tasks.decide(task, p) for p in (p_transfer, p_control)]
    kinds = np.stack([y.reshape(-1).astype(np.int64), *decided], axis=1)
    _, rows, counts = np.unique(kinds, axis=0, return_index=True, return_counts=True)
    return rows, counts


def _resample(rng: np.random.Generator, counts: Array, draws: int) -> Array:
    """How often each kind is drawn in Σcounts draws with replacement: Multinomial, (draws, kinds)."""
    total, kinds = int(counts.sum()), len(counts)
    if kinds < total:
        return rng.multinomial(total, counts / total, size=draws).astype(np.float64)
    cells = rng.integers(0, kinds, size=(draws, total), dtype=np.int64) + kinds * np.arange(draws)[:, None]
    return np.bincount(cells.reshape(-1), minlength=draws * kinds).reshape(draws, kinds).astype(np.float64)
