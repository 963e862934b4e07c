"""Which candidate is best, whether it is better than no source, and how sure that is."""

import json
from dataclasses import replace

import numpy as np
import pytest

from workers.transfer.choosing.measuring import Measured
from workers.transfer.choosing.ranking import optimism, rank, standard_error
from workers.transfer.choosing.target import Target


@pytest.fixture
def target(numbers) -> Target:
    return Target.of(numbers(200))


def measured(name: str, right, of="candidate", loss: float = 0.5) -> Measured:
    right = np.asarray(right, float)
    told = -np.where(right > 0.5, loss, 3 * loss)
    return Measured(name, of, told.tolist(), right.tolist(), {"accuracy": right.mean(), "auc": 0.5})


def answers(right: int, rows: int = 120):
    return np.arange(rows) < right


def ranked(target: Target, *candidates: Measured, baseline: int = 60):
    base = measured("base", answers(baseline), "baseline")
    weak = measured("weak", answers(baseline - 20), "baseline")
    return rank(target, candidates, [weak, base], measured("none", answers(50), "none"))


@pytest.mark.parametrize(("right", "answer"), [(75, "use"), (61, "use"), (60, "no"), (50, "no")])
def test_the_answer_follows_from_the_paired_difference_to_the_best_baseline(target, right, answer) -> None:
    made = ranked(target, measured("a", answers(right)))
    # The same rows are right: with one more right answer the error is that of one row, 1/n.
    assert (made.answer, made.baseline, made.best) == (
        ("undecided" if right == 61 else answer), "base", "a"
    )  # fmt: skip
    row = next(row for row in made.ranked if row.name == "a")
    differences = answers(right).astype(float) - answers(60)
    assert row.gain.value == pytest.approx(differences.mean())
    assert row.gain.standard_error == pytest.approx(differences.std(ddof=1) / np.sqrt(120))


def test_lines_are_ordered_by_score_and_told_as_plain_values(target) -> None:
    made = ranked(target, measured("a", answers(70), loss=0.9), measured("b", answers(65)))
    told = json.loads(json.dumps(made.to_dict(), allow_nan=False))
    names = [row["name"] for row in told["rows_ranked"]]
    scores = [row["score"] for row in told["rows_ranked"]]
    assert scores == sorted(scores, reverse=True)
    assert names.index("b") < names.index("a")
    by_name = {row["name"]: row for row in told["rows_ranked"]}
    assert by_name["base"]["gain"] is None
    assert by_name["none"]["answer"] is None
    assert by_name["a"]["expected"] == pytest.approx(70 / 120)
    assert (told["rows"], told["of_rows"], told["folds"]) == (120, 120, 5)


def test_the_metric_that_is_asked_for_is_expected(target) -> None:
    made = rank(target, [measured("a", answers(70))], [], measured("none", answers(50), "none"), metric="auc")
    assert made.metric == "auc"
    assert made.baseline == "none"
    assert [row.expected for row in made.ranked] == [0.5, 0.5]


def test_few_rows_decide_nothing(numbers) -> None:
    target = Target.of(numbers(30))
    rows = int(target.is_held_out.sum())
    made = rank(
        target,
        [measured("a", answers(rows, rows))],
        [measured("base", answers(2, rows), "baseline")],
        measured("none", answers(2, rows), "none"),
    )
    assert made.answer == "undecided"
    assert "too few" in made.why


def test_of_numbers_squared_errors_are_compared(numbers) -> None:
    target = Target.of(numbers(200, "regression"))
    good, bad = (
        Measured(name, of, (-np.full(120, error)).tolist(), [], {"r2": 1 - error})
        for name, of, error in (("a", "candidate", 0.2), ("base", "baseline", 0.5))
    )
    made = rank(target, [good], [bad], replace(bad, name="none", of="none"))
    assert (made.answer, made.metric) == ("use", "r2")
    assert made.ranked[0].gain.unit == "squared_error"
    assert made.ranked[0].gain.value == pytest.approx(0.3)


def test_rows_that_belong_together_count_as_one() -> None:
    values = np.repeat(np.random.default_rng(0).normal(size=30), 4)
    alone = standard_error(values, np.arange(120))
    assert alone == pytest.approx(values.std(ddof=1) / np.sqrt(120))
    together = standard_error(values, np.arange(120) // 4)
    assert together == pytest.approx(values[::4].std(ddof=1) / np.sqrt(30))


def test_the_best_of_many_that_know_nothing_is_optimistic_and_its_correction_is_not() -> None:
    rng = np.random.default_rng(0)
    many = [measured(str(number), rng.integers(0, 2, 100)) for number in range(20)]
    told = optimism(many, np.arange(100))
    assert told.expected > 0.57
    assert told.corrected == pytest.approx(0.5, abs=0.04)
    assert told.to_dict()["optimism"] > 0.04
    one = optimism(many[:1], np.arange(100))
    assert one.corrected == pytest.approx(one.expected, abs=0.01)
