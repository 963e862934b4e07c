from __future__ import annotations

import pytest

from app.reports import charts


@pytest.mark.parametrize(
    ("low", "high", "steps"),
    [
        (0.0, 1.0, [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]),
        (-0.03, 0.11, [0.0, 0.05, 0.1]),
        (12.0, 4800.0, [1000.0, 2000.0, 3000.0, 4000.0]),
        (0.5, 0.5, [0.5]),
    ],
)
def test_an_axis_has_round_numbers_that_lie_on_it(low: float, high: float, steps: list[float]) -> None:
    assert charts.round_steps(low, high) == pytest.approx(steps)


@pytest.mark.parametrize(("low", "high"), [(0.02, 0.09), (-0.09, -0.02), (-0.03, 0.04), (0.0, 0.0)])
def test_the_picture_of_an_interval_shows_it_whole_and_0_beside_it(low: float, high: float) -> None:
    drawn = charts.interval(low, high, (low + high) / 2, start=0, end=100)
    assert all(0 <= place <= 100 for place in (drawn.zero, drawn.low, drawn.high, drawn.value))
    assert drawn.low <= drawn.value <= drawn.high
    assert (drawn.zero < drawn.low) == (low > 0)
    assert (drawn.zero > drawn.high) == (high < 0)


def test_curves_of_unlike_length_share_their_axes() -> None:
    drawn = charts.curves({"transfer": [0.5, 0.9], "control": [0.1, 0.4, 0.5]}, "accuracy")
    transfer, control = (series.points for series in drawn.series)
    assert [x for x, _, _ in control][:2] == [x for x, _, _ in transfer]
    assert control[0][0] == charts.LEFT
    assert control[-1][0] == charts.RIGHT
    assert [said for _, _, said in transfer] == ["0.5", "0.9"]
    assert transfer[0][1] == control[2][1]  # the same value, the same height
    assert all(charts.TOP <= y <= charts.BOTTOM for _, y, _ in [*transfer, *control])
    assert [tick.label for tick in drawn.x_ticks] == ["1", "2", "3"]


def test_one_epoch_is_a_point_in_the_middle() -> None:
    (series,) = charts.curves({"transfer": [0.5]}, "accuracy").series
    assert series.points[0][0] == (charts.LEFT + charts.RIGHT) / 2


def test_rows_of_a_few_shot_curve_stand_by_their_logarithm() -> None:
    points = [{"rows": rows, "transfer": 0.5, "control": None} for rows in (10, 100, 1000)]
    drawn = charts.few_shot(points, "accuracy")
    (series,) = drawn.series
    first, middle, last = (x for x, _, _ in series.points)
    assert middle - first == pytest.approx(last - middle)
    assert [tick.label for tick in drawn.x_ticks] == ["10", "100", "1,000"]


def test_a_curve_marks_its_best_epoch_and_lies_beside_what_has_no_epochs() -> None:
    plot = charts.curves({"transfer": [0.5, 0.9, 0.7]}, "accuracy", max, {"baseline": 0.95})
    (line,) = plot.series
    assert line.best == (*line.points[1][:2], "0.9 at epoch 2")
    ((name, level),) = plot.levels
    assert (name, level.label) == ("baseline", "0.95")
    assert charts.TOP <= level.at < line.best[1]
    (lowest,) = charts.curves({"control": [3.0, 1.0, float("nan")]}, "loss", min).series
    assert lowest.best is not None
    assert lowest.best[2] == "1 at epoch 2"
