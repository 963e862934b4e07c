import pytest

from workers.transfer.proof.curves import compare_curves, labels_saved


def test_a_hand_made_pair_of_curves_says_what_its_definitions_say():
    transfer, control = [[0.6, 0.8, 0.8, 0.8, 0.8, 0.8]], [[0.2, 0.4, 0.6, 0.7, 0.75, 0.8]]
    told = compare_curves(transfer, control, "accuracy", True)
    assert told["jumpstart"] == pytest.approx(0.4)
    assert told["asymptotic_gain"] == pytest.approx(0.8 - (0.4 + 0.6 + 0.7 + 0.75 + 0.8) / 5)
    assert told["area_ratio"] == pytest.approx((4.6 - 3.45) / 3.45)
    at_90, at_95 = told["time_to_threshold"]
    assert (at_90["threshold"], at_90["transfer"], at_90["control"]) == (pytest.approx(0.72), 2, 5)
    assert at_90["ratio"] == pytest.approx(0.4)
    assert at_95["control"] == 6


def test_of_losses_lower_is_better():
    told = compare_curves([[1.0, 0.5]], [[2.0, 0.9]], "loss", False)
    assert told["jumpstart"] == pytest.approx(1.0)
    assert told["area_ratio"] == pytest.approx((2.9 - 1.5) / 2.9)
    assert told["time_to_threshold"][0] | {"threshold": 1.0} == {
        "share": 0.9,
        "threshold": 1.0,
        "transfer": 1,
        "control": 2,
        "ratio": 0.5,
    }


def test_a_curve_that_ended_early_holds_its_last_value_and_seeds_are_averaged():
    told = compare_curves([[0.5], [0.7, 0.9]], [[0.4, 0.4]], "accuracy", True)
    assert told["transfer"] == pytest.approx([0.6, 0.7])
    assert told["control"] == [0.4, 0.4]


def test_a_threshold_that_is_never_reached_has_no_time():
    told = compare_curves([[0.1, 0.2]], [[0.5, 0.9]], "accuracy", True)
    assert told["time_to_threshold"][0]["transfer"] is None
    assert told["time_to_threshold"][0]["ratio"] is None


def _points(*values: tuple[int, float, float | None]):
    return [{"rows": rows, "transfer": transfer, "control": control} for rows, transfer, control in values]


def test_labels_saved_lie_between_the_points_around_the_controls_value():
    # Halfway between .6 and .8 in the logarithm of 10 and 1000 rows is 100 rows.
    assert labels_saved(_points((10, 0.6, 0.3), (1000, 0.8, 0.7))) == 900


@pytest.mark.parametrize(
    ("points", "saved"),
    [
        (_points((10, 0.9, 0.3), (1000, 0.95, 0.9)), 990),
        (_points((10, 0.5, 0.3), (1000, 0.6, 0.7)), None),
        (_points((10, 0.5, None), (1000, 0.6, None)), None),
    ],
)
def test_labels_saved_at_the_ends(points, saved):
    assert labels_saved(points) == saved
