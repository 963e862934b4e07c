"""Learning curves of transfer against scratch, and how many labels transfer saves (Taylor & Stone 2009)."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from workers.transfer.data import Array, Task

LAST = 5
"""Evaluations at the end whose mean is the asymptote."""

SHARES = (0.9, 0.95)


def curves_of(curves: Mapping[str, Sequence[Sequence[float]]], task: Task) -> dict[str, Any] | None:
    """What the curves of transfer and perhaps control say, one a seed; None where one is empty."""
    if any(not curve for of_arm in curves.values() for curve in of_arm):
        return None
    metric = "loss" if task == "regression" else "accuracy"
    higher = metric == "accuracy"
    if "control" not in curves:
        alone = mean_curve(curves["transfer"], max(len(curve) for curve in curves["transfer"])).tolist()
        return {"metric": metric, "higher_is_better": higher, "transfer": alone, "control": None}
    return compare_curves(curves["transfer"], curves["control"], metric, higher)


def compare_curves(
    transfer: Sequence[Sequence[float]],
    control: Sequence[Sequence[float]],
    metric: str,
    higher_is_better: bool,
) -> dict[str, Any]:
    """The mean curves over seeds and what they say; all gains are positive where the transfer is better.

    Curves hold a value for each epoch; one that ended early holds its last value. jumpstart: the gain at the
    first evaluation; asymptotic_gain: of the means of the last five; time_to_threshold: epochs until 90 and
    95 % of scratch's best are reached (of a loss: its best over 0.9 and 0.95), None where they never are, and
    the ratio; area_ratio: (area of transfer - area of control) / |area of control|, areas as mean values.
    """
    sign = 1.0 if higher_is_better else -1.0
    epochs = max(len(curve) for curve in [*transfer, *control])
    t, c = mean_curve(transfer, epochs), mean_curve(control, epochs)
    best = c.max() if higher_is_better else c.min()
    area = float(np.abs(c.mean()))
    return {
        "metric": metric,
        "higher_is_better": higher_is_better,
        "transfer": t.tolist(),
        "control": c.tolist(),
        "jumpstart": float(sign * (t[0] - c[0])),
        "asymptotic_gain": float(sign * (t[-LAST:].mean() - c[-LAST:].mean())),
        "area_ratio": float(sign * (t.mean() - c.mean()) / area) if area > 0 else None,
        "time_to_threshold": [_time(t, c, float(best), share, higher_is_better) for share in SHARES],
    }


def labels_saved(points: Sequence[Mapping[str, Any]], higher_is_better: bool = True) -> int | None:
    """Labelled rows fewer with which the transfer does as well as the control with all.

    `points` are those of a few-shot curve with `rows`, `transfer` and `control`. Between two points the
    transfer is taken to be linear in the logarithm of the rows. None where it never reaches the control, or
    none was trained.
    """
    known = sorted((point for point in points if point["transfer"] is not None), key=lambda p: p["rows"])
    if not known or known[-1]["control"] is None:
        return None
    sign = 1.0 if higher_is_better else -1.0
    goal, total = sign * known[-1]["control"], known[-1]["rows"]
    values = [sign * point["transfer"] for point in known]
    for place, value in enumerate(values):
        if value >= goal:
            rows = float(known[place]["rows"])
            if place:
                share = (goal - values[place - 1]) / (value - values[place - 1])
                few, many = np.log(known[place - 1]["rows"]), np.log(rows)
                rows = float(np.exp(few + share * (many - few)))
            return int(total - np.ceil(rows - 1e-9))
    return None


def mean_curve(curves: Sequence[Sequence[float]], epochs: int) -> Array:
    """The mean over seeds, (epochs,); a curve that ended early holds its last value."""
    held = [np.concatenate([curve, np.full(epochs - len(curve), curve[-1])]) for curve in curves]
    mean: Array = np.mean(held, axis=0)
    return mean


def _time(t: Array, c: Array, best: float, share: float, higher_is_better: bool) -> dict[str, Any]:
    threshold = best * share if higher_is_better else best / share
    times = [_first(curve, threshold, higher_is_better) for curve in (t, c)]
    ratio = times[0] / times[1] if times[0] is not None and times[1] is not None else None
    return {"share": share, "threshold": threshold, "transfer": times[0], "control": times[1], "ratio": ratio}


def _first(curve: Array, threshold: float, higher_is_better: bool) -> int | None:
    reached = np.flatnonzero(curve >= threshold if higher_is_better else curve <= threshold)
    return int(reached[0]) + 1 if len(reached) else None
