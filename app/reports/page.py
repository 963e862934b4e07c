"""A report as one HTML page that loads nothing: what of it is shown, and how numbers read."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from app.jobs.result_cost import JobCost, Spent
from app.reports import charts, words
from app.reports.schemas import ReportView

MATRIX_CLASSES = 20
"""Of more classes, the most frequent confusions are listed instead of the whole matrix."""

LISTED_CLASSES = 40
"""Of more classes, those that are found worst are listed."""

_LOWER_IS_BETTER = ("log_loss", "rmse", "mae")

ORIGINS = ("copied", "partly copied", "new", "reinitialised")


def render(report: ReportView) -> str:
    """The page, as UTF-8 text."""
    evaluation, receipt = (part.model_dump(by_alias=True) for part in (report.evaluation, report.receipt))
    gain, confusion = evaluation["gain"], evaluation["confusion"]
    return _ENVIRONMENT.get_template("report.html").render(
        report=report,
        job=report.job.model_dump(),
        evaluation=evaluation,
        lineage=report.lineage.model_dump(),
        receipt=receipt,
        interval=gain and charts.interval(gain["low"], gain["high"], gain["value"]),
        arms=_arms(evaluation),
        crossed=_crossed(evaluation["proof"]),
        compared_with=_control(evaluation),
        curves=_curves(evaluation["curves"], evaluation["metrics"]),
        calibrated=_calibrated(evaluation["calibration"]),
        few_shot=_few_shot(evaluation["few_shot"], gain),
        matrices=_matrices(confusion),
        confusions=_confusions(confusion),
        classes=_classes(evaluation["classes"]),
        layers=[layer for layer in receipt["layers"] if layer["weights"]],
        seeds_of=max(len(of_arm) for of_arm in evaluation["arms"].values()),
        origins=_origins(receipt["totals"]),
        seeds=_seeds(evaluation["arms"], gain),
        costs=_costs(None if report.job.result is None else report.job.result.cost),
        request=json.dumps(
            report.request.model_dump(mode="json", exclude_unset=True), indent=2, ensure_ascii=False
        ),
    )


def _arms(evaluation: Mapping[str, Any]) -> dict[str, Any] | None:
    """All arms' metric, with the interval of each difference from the transfer; None of one arm alone."""
    versus = evaluation["versus_baseline"]
    crossed = _crossed(evaluation["proof"])
    gains = {
        "control": evaluation["gain"],
        "baseline": versus and versus["gain"],
        **({} if crossed else evaluation["ablations"]),  # those are of the test rows
    }
    known = {arm: gain for arm, gain in gains.items() if gain}
    if not known:
        return None
    metric = next(iter(known.values()))["metric"]
    metrics = crossed["metrics"] if crossed else evaluation["metrics"]
    values = {arm: of[metric] for arm, of in metrics.items() if of[metric] is not None}
    sign = -1 if metric in _LOWER_IS_BETTER else 1
    bounds = {}
    for arm, gain in known.items():
        ends = sorted(gain["transfer"] - sign * gain[end] for end in ("low", "high"))
        bounds[arm] = (ends[0], ends[1])
    return {"metric": metric, "plot": charts.arms(values, bounds, "transfer")}


def _crossed(proof: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The proof by cross-validation, where it is one that tells something."""
    return proof if proof["kind"] == "cross-validation" and proof["metrics"] else None


def _control(evaluation: Mapping[str, Any]) -> str | None:
    """The candidate that the gain is over: the version's own, or what the folds compared with."""
    if evaluation["proof"]["kind"] == "cross-validation":
        chosen = list((evaluation["proof"]["chosen"] or {}).get("control", ()))
        return None if not chosen else chosen[0] if len(chosen) == 1 else "of_each_fold"
    return evaluation["control"] and str(evaluation["control"]["chosen"])


def _curves(curves: Mapping[str, Any] | None, metrics: Mapping[str, Any]) -> charts.Plot | None:
    """Transfer and control by epoch, with the best epoch of each, beside what has no epochs."""
    if curves is None:
        return None
    lines = {arm: curves[arm] for arm in ("transfer", "control") if curves[arm]}
    found = {arm: metrics.get(arm, {}).get(curves["metric"]) for arm in ("baseline", "constant")}
    levels = {arm: value for arm, value in found.items() if value is not None}
    best_is = max if curves["higher_is_better"] else min
    return charts.curves(lines, f"validation {curves['metric']}", best_is, levels)


def _calibrated(calibration: Mapping[str, Any] | None) -> str | None:
    """How far the transfer's probabilities may be trusted, in a plain sentence."""
    transfer = (calibration or {}).get("transfer")
    if transfer is None:
        return None
    error, scaled = transfer["before"]["calibration_error"], transfer["after"]
    if error is None:
        return "There are too few test rows to tell how far the transfer's probabilities may be trusted."
    said = (
        "When the transfer says a probability, what it says it of happens about "
        f"{words.points(error)} more or less often than that"
    )
    after = scaled and scaled["calibration_error"]
    return f"{said}." if after is None else f"{said}; of scaled probabilities it is {words.points(after)}."


def _few_shot(few_shot: Mapping[str, Any] | None, gain: Mapping[str, Any] | None) -> charts.Plot | None:
    points = [] if few_shot is None else [p for p in few_shot["points"] if p["transfer"] is not None]
    return charts.few_shot(points, gain["metric"] if gain else "metric") if points else None


def _matrices(confusion: Mapping[str, Any] | None) -> dict[str, list[list[tuple[int, float]]]]:
    """By arm, each count with its share of the true class's rows."""
    if confusion is None or len(confusion["classes"]) > MATRIX_CLASSES:
        return {}
    return {
        arm: [[(count, count / (sum(row) or 1)) for count in row] for row in confusion[arm]]
        for arm in ("transfer", "control")
        if confusion[arm]
    }


def _confusions(confusion: Mapping[str, Any] | None) -> list[tuple[str, str, int]]:
    """The transferred model's most frequent mistakes: true class, decided class, rows."""
    if confusion is None or len(confusion["classes"]) <= MATRIX_CLASSES:
        return []
    names = confusion["classes"]
    mistakes = [
        (names[i], names[j], count)
        for i, row in enumerate(confusion["transfer"])
        for j, count in enumerate(row)
        if i != j and count
    ]
    return sorted(mistakes, key=lambda mistake: -mistake[2])[:MATRIX_CLASSES]


def _classes(classes: Mapping[str, Any] | None) -> list[dict[str, Any]]:
    """The transfer's classes with the control's F1 beside; of many, those found worst."""
    if classes is None:
        return []
    control = {one["class"]: one["f1"] for one in classes.get("control", [])}
    both = [{**one, "control_f1": control.get(one["class"])} for one in classes["transfer"]]
    if len(both) > LISTED_CLASSES:
        both = sorted(both, key=lambda one: float(one["f1"]))[:LISTED_CLASSES]
    return both


def _origins(totals: Mapping[str, Any]) -> list[tuple[str, int, float]]:
    """Origin, parameters, share; those there are."""
    parameters = totals["parameters"] or 1
    return [(name, totals[name], totals[name] / parameters) for name in ORIGINS if totals[name]]


def _seeds(arms: Mapping[str, Any], gain: Mapping[str, Any] | None) -> list[tuple[int, list[float | None]]]:
    """The gain's metric of each seed, arm by arm; empty with one seed alone."""
    longest = max(arms.values(), key=len)
    if gain is None or len(longest) < 2:
        return []
    return [
        (one["seed"], [_of_seed(of_arm, one["seed"], gain["metric"]) for of_arm in arms.values()])
        for one in longest
    ]


def _of_seed(of_arm: Sequence[Mapping[str, Any]], seed: int, metric: str) -> float | None:
    """An arm that no seed enters has one training alone; one that diverged with a seed lacks it."""
    known = {one["seed"]: one["metrics"][metric] for one in of_arm}
    return known.get(seed, of_arm[0]["metrics"][metric] if len(of_arm) == 1 else None)


def _costs(cost: JobCost | None) -> list[tuple[str, Spent]]:
    """What the trainings took, arm by arm; few-shot points last."""
    if cost is None:
        return []
    arms = {"source": cost.source, "transfer": cost.transfer, "control": cost.control}
    arms |= {**cost.__pydantic_extra__, "few_shot": cost.few_shot}
    return [(arm, spent) for arm, spent in arms.items() if spent is not None]


_ENVIRONMENT = Environment(
    loader=PackageLoader("app.reports"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters.update(words.FILTERS)
_ENVIRONMENT.globals.update(seconds=words.between, chart=charts)
