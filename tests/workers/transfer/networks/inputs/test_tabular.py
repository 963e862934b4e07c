import numpy as np
import pytest

from workers.transfer.data import Array, Column
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.inputs.tabular import learnt, plain


def _features(column: Column, train: list, rows: list, max_categories: int = 256) -> Array:
    def array(values: list) -> Array:
        return np.array(values, np.float32 if column.is_numeric else object)

    part = learnt([column], {column.name: array(train)}, max_categories)
    return forward(part, [array(rows).reshape(-1, 1)])


NUMBER, CITY, DAY = Column("n", "number"), Column("c", "category"), Column("d", "date")
NAN = float("nan")


def test_numbers_are_standardised_by_the_train_rows():
    assert _features(NUMBER, [1, 3], [1, 3, 5]).tolist() == [[-1], [1], [3]]


def test_a_missing_number_becomes_the_mean_and_is_flagged_if_train_rows_miss_some():
    assert _features(NUMBER, [1, 3, NAN], [3, NAN]).tolist() == [[1, 0], [0, 1]]


def test_a_missing_number_becomes_the_mean_without_a_flag_if_train_rows_miss_none():
    assert _features(NUMBER, [1, 3], [NAN]).tolist() == [[0]]


def test_a_constant_number_becomes_zero():
    assert _features(NUMBER, [7, 7], [7]).tolist() == [[0]]


@pytest.mark.parametrize(
    ("column", "train", "later"),
    [
        (NUMBER, [0, 0], [0, 50, 1e30, np.inf, -np.inf, NAN]),
        (NUMBER, [1e9, 1e9 + 64], [0, 2e9]),
        (NUMBER, [NAN, NAN], [NAN, 2]),
        (Column("b", "boolean"), [1, 1], [0, 1, NAN]),
        (CITY, ["a", "a"], ["a", "b", ""]),
        (CITY, ["", ""], ["", "x"]),
        (DAY, ["2024-01-02", "2024-01-02"], ["2024-01-02", "1999-12-31T23:00:00", ""]),
        (DAY, ["", ""], ["", "2020-01-01"]),
    ],
)
def test_a_column_that_does_not_vary_in_the_train_rows_is_0_whatever_it_holds(column, train, later):
    assert not _features(column, train, later).any()


def test_of_a_date_the_parts_that_do_not_vary_are_0_whatever_they_hold():
    days = ["2024-03-05", "2024-03-06", "2024-03-09"]
    year, month, day, hour = _features(DAY, days, [*days, "2024-11-06T15:00:00"])[-1]
    assert (month, hour) == (0, 0)
    assert year != 0
    assert day != 0


def test_a_category_that_no_train_row_has_is_0_where_none_was_unknown():
    assert _features(CITY, ["a", "b"], ["a", "b", "c"]).tolist() == [[0, 1, 0], [0, 0, 1], [0, 0, 0]]


@pytest.mark.parametrize("size", [1e-30, 1e-9, 1, 1e6, 1e15])
def test_a_column_of_any_size_is_standardised_alike(size):
    values = np.random.default_rng(0).normal(2, 1, 50)
    expected = (values - values.mean()) / values.std()
    features = _features(NUMBER, list(values * size), list(values * size))[:, 0]
    np.testing.assert_allclose(features, expected, atol=1e-5)


@pytest.mark.parametrize("size", [1e-9, 1.0, 1e9])
def test_a_column_that_hardly_varies_is_held_within_the_train_rows(size):
    train = [0] * 60 + [size]
    features = _features(NUMBER, train, [0, size, 2 * size, 1e12, -1e12, NAN])[:, 0]
    np.testing.assert_allclose(features, [0, 1, 1, 1, -1, 0], atol=1e-6)


def test_a_date_that_hardly_varies_is_scaled_by_its_own_units():
    train = ["2024-03-05T00:00:00"] * 60 + ["2024-03-05T00:00:01"]
    features = _features(DAY, train, ["2024-03-05T23:00:00"])
    assert np.abs(features).max() < 24


def test_categories_are_one_hot_by_frequency_with_a_place_for_unknown_ones():
    train = ["b", "a", "b", ""]
    assert _features(CITY, train, ["b", "", "a", "?"]).argmax(axis=1).tolist() == [1, 2, 3, 0]


def test_categories_beyond_the_cap_count_as_unknown():
    features = _features(CITY, ["a", "a", "b", "b", "c"], ["c", "a"], max_categories=2)
    assert features.tolist() == [[1, 0, 0], [0, 1, 0]]


def test_a_date_gives_years_month_day_and_hour():
    train = ["1999-01-01", "2001-03-05T12:30:00"]
    low, high = _features(DAY, train, train)
    assert low.tolist() == pytest.approx([-1, -1, -1, -1], abs=1e-3)
    assert high.tolist() == pytest.approx([1, 1, 1, 1], abs=1e-3)


def test_later_dates_have_more_years_across_the_ends_of_months_and_years():
    days = [str(day) for day in np.arange("1999-12-28", "2001-01-05", dtype="datetime64[D]")]
    assert (np.diff(_features(DAY, days, days)[:, 0]) > 0).all()


def test_a_missing_date_becomes_the_mean_and_is_flagged():
    features = _features(DAY, ["2020-01-01", "2022-05-06", ""], [""])
    assert features.tolist() == [[0, 0, 0, 0, 1]]


def test_plain_columns_are_put_side_by_side_in_order():
    part = plain([Column("z", "number"), Column("a", "boolean")])
    rows = [np.array([[1.0], [2.0]], np.float32), np.array([[0.0], [1.0]], np.float32)]
    assert forward(part, rows).tolist() == [[1, 0], [2, 1]]


def test_a_text_column_without_preprocessing_is_refused_by_name():
    with pytest.raises(ValueError, match=r"only number and boolean columns .* Received: c"):
        plain([NUMBER, CITY])
