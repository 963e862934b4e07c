import math
import random
import statistics

import pyarrow as pa
import pytest

from app.datasets.inspection.columns import DISTINCT, ColumnScan, Moments, Tally
from app.datasets.reading.conventions import Conventions


def test_moments_of_batches_are_those_of_the_whole_column() -> None:
    generator = random.Random(0)
    values = [1e9 + generator.gauss(0, 1) for _ in range(1000)]
    moments = Moments()
    for start in range(0, 1000, 170):
        moments.add(pa.array([*values[start : start + 170], None]))
    assert moments.mean == pytest.approx(statistics.fmean(values), rel=1e-14)
    assert moments.deviation == pytest.approx(statistics.pstdev(values), rel=1e-6)
    assert (moments.low, moments.high) == (min(values), max(values))


def test_the_ends_of_batches_within_and_beyond_those_before_are_found() -> None:
    moments = Moments()
    for values in ([2.0, 4.0], [3.0, None, 2.5], [5.0, 3.0], [1.0, 6.0], [None]):
        moments.add(pa.array(values, pa.float64()))
    assert (moments.low, moments.high, moments.count) == (1.0, 6.0, 8)


def test_a_counter_across_batches_is_seen() -> None:
    moments = Moments()
    moments.add(pa.array([5.0, 6.0]))
    moments.add(pa.array([7.0]))
    assert moments.step
    moments.add(pa.array([7.0]))
    assert not moments.step


def test_a_tally_is_exact_up_to_its_bound_and_says_at_least_beyond() -> None:
    tally = Tally()
    tally.add(pa.array([float(n) for n in range(DISTINCT)]))
    assert (tally.distinct, tally.exact, tally.all_differ) == (DISTINCT, True, True)
    tally.add(pa.array([-1.0, -2.0]))
    assert (tally.distinct, tally.exact) == (DISTINCT + 2, False)
    assert not tally.counts


def test_frequent_values_are_counted_on_beyond_the_bound() -> None:
    tally = Tally()
    for _ in range(3):
        tally.add(pa.array([str(n) for n in range(DISTINCT // 2)] * 2 + ["often"] * 9))
    tally.add(pa.array([f"new {n}" for n in range(DISTINCT)]))
    tally.add(pa.array(["often"] * 5))
    assert not tally.exact
    assert tally.counts["often"] == 32


def test_long_texts_do_not_fill_the_memory() -> None:
    tally = Tally()
    tally.add(pa.array([f"{n}" * 2000 for n in range(3000)]))
    assert not tally.exact
    assert not tally.counts


def test_a_later_word_turns_a_column_of_numbers_into_categories() -> None:
    column = ColumnScan("a", None, declared=False, conventions=Conventions.of("csv"))
    column.add(pa.array([None, ""]))
    assert column.type is None
    column.add(pa.array(["1", "2"]))
    assert (column.type, column.outdated) == ("number", False)
    column.add(pa.array(["yes"]))
    assert (column.type, column.outdated) == ("category", True)


def test_a_one_among_words_makes_no_boolean_whatever_the_batch() -> None:
    column = ColumnScan("a", None, declared=False, conventions=Conventions.of("csv"))
    column.add(pa.array(["yes", "no"]))
    column.add(pa.array(["1"]))
    assert column.type == "category"


def test_the_profile_of_dates_has_the_first_and_the_last() -> None:
    column = ColumnScan("a", None, declared=False, conventions=Conventions.of("csv"))
    column.add(pa.array(["2024-05-01", None]))
    column.add(pa.array(["1969-12-31T23:59:59"]))
    profile = column.profile("feature")
    assert (profile.minimum, profile.maximum) == ("1969-12-31T23:59:59", "2024-05-01")
    assert (profile.missing, profile.distinct) == (1, 2)


def test_a_column_of_one_number_has_no_deviation() -> None:
    column = ColumnScan("a", None, declared=False, conventions=Conventions.of("csv"))
    column.add(pa.array(["0.1"] * 10))
    profile = column.profile("feature")
    assert profile.mean == pytest.approx(0.1)
    assert math.isclose(profile.standard_deviation or 0.0, 0.0, abs_tol=1e-12)


def test_a_tally_of_a_wide_file_has_a_lower_bound() -> None:
    tally = Tally(limit=100)
    tally.add(pa.array([float(n % 90) for n in range(180)]))
    assert (tally.distinct, tally.exact) == (90, True)
    tally.add(pa.array([float(n) for n in range(101)]))
    assert (tally.distinct, tally.exact) == (101, False)
