"""The geometry of the report's pictures: values to places in an SVG. How they look is the template's."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

WIDTH, HEIGHT = 480, 260
"""Units of the view box; the page scales it."""

LEFT, RIGHT, TOP, BOTTOM = 52, 470, 12, 222
"""The plot inside it."""

Point = tuple[float, float]


@dataclass(frozen=True)
class Tick:
    """A value that is written at an axis, and its place."""

    at: float
    label: str


@dataclass(frozen=True)
class Series:
    """A line: its SVG path, its points with what each says, and the one it is best at."""

    name: str
    path: str
    points: list[tuple[float, float, str]]
    best: tuple[float, float, str] | None = None


@dataclass(frozen=True)
class Plot:
    """Lines over two axes."""

    x_label: str
    y_label: str
    x_ticks: list[Tick]
    y_ticks: list[Tick]
    series: list[Series]
    levels: list[tuple[str, Tick]] = field(default_factory=list)
    """Values that go with no axis of epochs: whose, and where."""


@dataclass(frozen=True)
class Interval:
    """A gain with its interval on an axis that shows 0."""

    ticks: list[Tick]
    zero: float
    low: float
    high: float
    value: float


@dataclass(frozen=True)
class ArmPoint:
    """An arm's metric, and the bounds of its difference from the reference, if they are known."""

    name: str
    y: float
    at: float
    label: str
    low: float | None
    high: float | None


@dataclass(frozen=True)
class ArmsPlot:
    """All arms on one axis, one below the other, with a line at the reference."""

    height: float
    ticks: list[Tick]
    line: float
    points: list[ArmPoint]


def short(value: float) -> str:
    """At most three significant digits, and no trailing zeros."""
    return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")


def round_steps(low: float, high: float, count: int = 5) -> list[float]:
    """About `count` round numbers (1, 2 or 5 times a power of 10 apart) from `low` to `high`."""
    span = high - low
    if span <= 0 or not math.isfinite(span):
        return [low]
    rough = span / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]


def interval(low: float, high: float, value: float, start: float = 20, end: float = 620) -> Interval:
    """The gain's axis reaches from a little below the interval, or 0, to a little above."""
    least, most = min(low, value, 0.0), max(high, value, 0.0)
    margin = 0.12 * (most - least) or 1.0
    place = _scale(least - margin, most + margin, start, end)
    ticks = [Tick(place(step), f"{step:+.3g}" if step else "0") for step in round_steps(least, most)]
    return Interval(ticks, place(0.0), place(low), place(high), place(value))


def arms(values: Mapping[str, float], bounds: Mapping[str, tuple[float, float]], reference: str) -> ArmsPlot:
    """The metric of each arm; `bounds` are in its unit, around the arms that were compared."""
    ends = [*values.values(), *(bound for pair in bounds.values() for bound in pair)]
    least, most = min(ends), max(ends)
    margin = 0.08 * (most - least) or abs(most) * 0.05 or 1.0
    place = _scale(least - margin, most + margin, 190, 580)
    points = []
    for number, (name, value) in enumerate(values.items()):
        low, high = (None, None) if name not in bounds else map(place, bounds[name])
        points.append(ArmPoint(name, 18 + 26 * number, place(value), short(value), low, high))
    ticks = [Tick(place(step), short(step)) for step in round_steps(least - margin, most + margin)]
    return ArmsPlot(26 * len(values) + 36, ticks, place(values[reference]), points)


def curves(
    lines: Mapping[str, Sequence[float]],
    metric: str,
    best_is: Callable[[Iterable[float]], float] | None = None,
    levels: Mapping[str, float] | None = None,
) -> Plot:
    """Values by epoch, the first at epoch 1.

    `best_is` (`max` or `min`) marks each line's best epoch; `levels` are values without epochs.
    """
    points = {name: [(epoch + 1.0, value) for epoch, value in enumerate(of)] for name, of in lines.items()}
    most = max(len(of) for of in points.values())
    steps = sorted({max(1, round(step)) for step in round_steps(1, most, 6)} | {1, most})
    ticks = [step for step in steps if step == most or most - step >= most / 12]
    place = _scale(1, most, LEFT, RIGHT)
    drawn = _plot(
        points, place, [Tick(place(tick), str(tick)) for tick in ticks], "epoch", metric, levels or {}
    )
    if best_is is None:
        return drawn
    marked = []
    for series in drawn.series:
        values = list(lines[series.name])
        known = [value for value in values if math.isfinite(value)]
        at = values.index(best_is(known)) if known else 0
        x, y, said = series.points[at]
        marked.append(replace(series, best=(x, y, f"{said} at epoch {at + 1}")))
    return replace(drawn, series=marked)


def few_shot(points: Sequence[Mapping[str, Any]], metric: str) -> Plot:
    """The metric of each arm by labelled rows, on a logarithmic axis."""
    rows = [point["rows"] for point in points]
    place = _scale(math.log(min(rows)), math.log(max(rows)), LEFT, RIGHT)
    lines = {
        arm: [(math.log(point["rows"]), point[arm]) for point in points if point[arm] is not None]
        for arm in ("transfer", "control")
    }
    ticks = [Tick(place(math.log(row)), f"{row:,}") for row in rows]
    return _plot({arm: line for arm, line in lines.items() if line}, place, ticks, "labelled rows", metric)


def _plot(
    lines: Mapping[str, Sequence[Point]],
    place_x: Callable[[float], float],
    x_ticks: list[Tick],
    x_label: str,
    y_label: str,
    levels: Mapping[str, float] | None = None,
) -> Plot:
    levels = levels or {}
    values = [y for line in lines.values() for _, y in line if math.isfinite(y)] + list(levels.values())
    low, high = min(values), max(values)
    margin = 0.06 * (high - low) or abs(high) * 0.05 or 1.0
    place_y = _scale(low - margin, high + margin, BOTTOM, TOP)
    y_ticks = [Tick(place_y(step), short(step)) for step in round_steps(low - margin, high + margin)]
    series = []
    for name, line in lines.items():
        at = [(round(place_x(x), 1), round(place_y(y), 1)) for x, y in line]
        path = "M" + " L".join(f"{x} {y}" for x, y in at)
        points = [(x, y, short(value)) for (x, y), (_, value) in zip(at, line, strict=True)]
        series.append(Series(name, path, points))
    at_levels = [(name, Tick(place_y(level), short(level))) for name, level in levels.items()]
    return Plot(x_label, y_label, x_ticks, y_ticks, series, at_levels)


def _scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    span = high - low

    def place(value: float) -> float:
        return (start + end) / 2 if span == 0 else start + (value - low) / span * (end - start)

    return place
