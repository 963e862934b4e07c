"""Rows of the target that something was trained on are found, and rows that are equal by chance are not."""

import time

import numpy as np
import pytest

from workers.transfer.proof.equal_keys import mixed
from workers.transfer.proof.known_rows import KnownRows
from workers.transfer.proof.rows_seen import overlap


def _table(cells: np.ndarray, names: str = "abcdefgh") -> KnownRows:
    """Rows of whole numbers, (n, columns); 0 is a missing cell."""
    columns = {name: cells[:, place].astype(np.uint32) for place, name in enumerate(names[: cells.shape[1]])}
    salted = [np.where(of == 0, 0, mixed(of + np.uint64(ord(name) << 32))) for name, of in columns.items()]
    return KnownRows(mixed(np.sum(salted, axis=0, dtype=np.uint64))[:, None], columns=columns)


def _cells(rows: int, columns: int = 4, values: int = 1000, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, values, (rows, columns))


def _every(rows: KnownRows) -> np.ndarray:
    return np.ones(len(rows), bool)


def _equal_rows(target: np.ndarray, source: np.ndarray) -> np.ndarray:
    theirs = {tuple(row) for row in source.tolist()}
    return np.array([tuple(row) in theirs for row in target.tolist()])


def test_rows_that_are_equal_in_all_columns_are_seen_whatever_the_columns_order():
    source = _cells(500)
    target = np.concatenate([_cells(300, seed=1), source[:40]])
    other_order = KnownRows(_table(source).keys, columns=dict(reversed(_table(source).columns.items())))
    found = overlap(_table(target), _every(_table(target)), other_order)
    np.testing.assert_array_equal(found.equal, _equal_rows(target, source))
    assert found.equal.sum() == 40
    assert found.is_told_apart


def test_only_the_rows_asked_for_are_answered():
    source = _cells(100)
    target = np.concatenate([_cells(50, seed=1), source[:10]])
    asked = np.arange(60) % 2 == 0
    found = overlap(_table(target), asked, _table(source))
    np.testing.assert_array_equal(found.seen, _equal_rows(target, source)[asked])


def test_rows_are_compared_over_the_columns_that_both_have():
    source = _cells(400, 6)
    target = np.concatenate([_cells(200, 6, seed=1), source[:30]])
    fewer = _table(target[:, [0, 1, 2, 5]], "abcf")
    found = overlap(fewer, _every(fewer), _table(source))
    assert (found.equal.sum(), found.is_told_apart) == (30, True)
    np.testing.assert_array_equal(found.equal, _equal_rows(target[:, [0, 1, 2, 5]], source[:, [0, 1, 2, 5]]))


@pytest.mark.parametrize("theirs", [7, 8])
def test_a_column_that_says_of_all_rows_where_they_come_from_hides_no_row(theirs: int):
    source = _cells(200)
    with_source = np.column_stack([source, np.full(200, theirs)])
    with_target = np.column_stack([source[:50], np.full(50, 7)])
    found = overlap(_table(with_target), np.ones(50, bool), _table(with_source))
    assert found.equal.all()


def test_a_column_that_has_no_value_in_common_hides_no_row():
    """Such as one in other units, codes without their zeros, names of files, or ids that were drawn anew."""
    source = _cells(300, 5)
    target = np.concatenate([_cells(100, 5, seed=1), source[:40]])
    target[:, 2] += 1000
    target[::7, 2] = source[::9, 2] = 0  # missing, which says nothing
    found = overlap(_table(target), np.ones(140, bool), _table(source))
    others = [0, 1, 3, 4]
    np.testing.assert_array_equal(found.equal, _equal_rows(target[:, others], source[:, others]))
    assert (found.equal.sum(), found.is_told_apart) == (40, True)


def test_without_a_column_of_other_values_rows_that_repeat_are_not_the_same():
    """Such as measurements of the same few machines."""
    source = np.column_stack([_cells(200, 2, 5), np.arange(1, 201)])
    target = np.column_stack([_cells(50, 2, 5, seed=1), np.arange(1001, 1051)])
    found = overlap(_table(target), np.ones(50, bool), _table(source))
    assert (found.seen.any(), found.is_told_apart) == (False, True)


def test_rows_whose_cells_are_equal_in_seven_digits_are_told_by_all_of_them():
    """Moments in seconds: cells tell a few of them apart, keys all."""
    moments = np.arange(300)
    ours, theirs = _table(moments[100:200, None] // 64 + 1), _table(moments[:, None] // 64 + 1)
    keys = mixed(moments.astype(np.uint64))[:, None]
    target, source = (
        KnownRows(keys[100:200], columns=ours.columns),
        KnownRows(keys[:150], columns=theirs.of(moments < 150).columns),
    )
    found = overlap(target, np.ones(100, bool), source)
    assert (found.equal.sum(), found.is_told_apart) == (50, True)


@pytest.mark.parametrize("values", [10, 10_000], ids=["folds", "noise"])
def test_rows_with_one_column_drawn_anew_are_seen_all_the_same(values: int):
    source, new = _cells(400, 6), _cells(60, 6, seed=1)
    target = np.concatenate([source[100:180], new])
    target[:, 3] = np.random.default_rng(2).integers(1, values + 1, len(target))
    found = overlap(_table(target), np.ones(140, bool), _table(source))
    np.testing.assert_array_equal(found.equal, [True] * 80 + [False] * 60)
    assert found.is_told_apart


@pytest.mark.parametrize(("columns", "values"), [(5, 5), (3, 20), (4, 8), (8, 3)])
def test_rows_of_few_values_that_differ_in_one_column_are_other_rows(columns: int, values: int):
    """Chance brings many such, and hardly any equal ones: those of a table that is nearly unique stay."""
    for seed in range(10):
        ours, theirs = (_cells(rows, columns, values, 2 * seed + n) for n, rows in enumerate((90, 150)))
        found = overlap(_table(ours), np.ones(90, bool), _table(theirs))
        assert not (found.equal & ~_equal_rows(ours, theirs)).any()


def _numbered(rows: KnownRows) -> KnownRows:
    return KnownRows(rows.keys, columns=rows.columns, identifiers=frozenset({"e", "f"}))


@pytest.mark.parametrize("of", [(True, True), (True, False), (False, True)], ids=["both", "ours", "theirs"])
def test_rows_that_are_numbered_anew_are_seen_all_the_same(of: tuple[bool, bool]):
    source, new = _cells(200), _cells(30, seed=1)
    target = np.concatenate([new, source[100:150]])
    ours = _table(np.column_stack([target, np.arange(1, 81), np.arange(501, 581)]))
    theirs = _table(np.column_stack([source, np.arange(1, 201), np.arange(501, 701)]))
    assert not overlap(ours, _every(ours), theirs).equal.any()
    ours, theirs = (
        _numbered(rows) if is_known else rows for rows, is_known in zip((ours, theirs), of, strict=True)
    )
    found = overlap(ours, _every(ours), theirs)
    np.testing.assert_array_equal(found.equal, [False] * 30 + [True] * 50)
    assert found.is_told_apart


def test_rows_that_only_their_number_tells_apart_are_not_told_apart_even_where_it_is_the_same_data():
    few = [_cells(300, 3, 2, seed) for seed in (0, 1)]
    ours, theirs = (
        KnownRows(rows.keys, columns=rows.columns, identifiers=frozenset({"d"}))
        for rows in (
            _table(np.column_stack([of, np.arange(1, 301) + at]))
            for of, at in zip(few, (0, 300), strict=True)
        )
    )
    found = overlap(ours, _every(ours), theirs, is_same_data=True)
    assert not found.equal.any()
    assert not found.is_told_apart


@pytest.mark.parametrize("copied", ["source", "target", "both"])
def test_rows_that_are_copied_unevenly_are_seen_where_either_half_of_the_columns_tells_them_apart(
    copied: str,
):
    """As those of a rare class are copied before a training."""
    source = _cells(300)
    target = np.concatenate([source[:20], _cells(200, seed=1)])
    if copied != "target":
        source = np.repeat(source, np.arange(300) % 4 + 1, axis=0)
    if copied != "source":
        target = np.repeat(target, np.arange(220) % 3 + 1, axis=0)
    found = overlap(_table(target), np.ones(len(target), bool), _table(source))
    np.testing.assert_array_equal(found.equal, _equal_rows(target, source))
    assert found.equal.sum() >= 20
    assert found.is_told_apart


def test_rows_that_repeat_though_one_column_tells_most_apart_are_not_taken_for_copies():
    """Prices and flags: equal prices are common, and the flags say little."""
    rng = np.random.default_rng(0)
    source, target = (
        np.column_stack([rng.integers(1, 120, (rows, 1)), rng.integers(1, 3, (rows, 3)) * [1, 0, 1]])
        for rows in (600, 300)
    )
    found = overlap(_table(target), np.ones(300, bool), _table(source))
    assert not found.seen.any()
    assert not found.is_told_apart


def test_missing_cells_are_equal_to_missing_cells_alone():
    source = np.array([[1, 0, 3], [1, 2, 0], [4, 5, 6]])
    target = np.array([[1, 0, 3], [1, 2, 3], [0, 5, 6]])
    found = overlap(_table(target), np.ones(3, bool), _table(source))
    assert found.equal.tolist() == [True, False, False]


def test_rows_of_few_values_are_not_told_apart_from_chance():
    source, target = _table(_cells(500, 3, 2)), _table(_cells(100, 3, 2, seed=1))
    found = overlap(target, _every(target), source)
    assert not found.seen.any()
    assert not found.is_told_apart


def test_few_values_are_counted_where_the_lineage_says_that_it_is_the_same_data():
    source, target = _cells(6, 3, 2), _cells(100, 3, 2, seed=1)
    found = overlap(_table(target), np.ones(100, bool), _table(source), is_same_data=True)
    np.testing.assert_array_equal(found.equal, _equal_rows(target, source))
    assert found.equal.any()
    assert found.is_told_apart


def test_a_small_sample_of_few_values_is_no_subset():
    """All of its rows are alone, and most are in the source: so they would be by chance."""
    source, target = _cells(20_000, 3, 10), np.unique(_cells(40, 3, 10, seed=1), axis=0)
    assert _equal_rows(target, source).all()
    found = overlap(_table(target), np.ones(len(target), bool), _table(source))
    assert (found.seen.any(), found.is_told_apart) == (False, False)


def _told_by_one_column(rows: int, seed: int = 0) -> np.ndarray:
    return np.column_stack([_cells(rows, 1, 1_000_000, seed), _cells(rows, 2, 2, seed)])


def test_a_subset_of_rows_that_repeat_is_seen():
    """A third of the rows are copies, so keys are not nearly unique; chance brings no such subset."""
    source = _told_by_one_column(600)
    source = np.concatenate([source, source[:300]])
    target = np.concatenate([source[:160], _told_by_one_column(20, seed=1)])
    found = overlap(_table(target), np.ones(180, bool), _table(source))
    np.testing.assert_array_equal(found.equal, _equal_rows(target, source))
    assert found.equal.sum() == 160


def test_a_source_that_is_a_subset_of_the_target_is_seen():
    """A fourth of the target's rows repeat, since values are few, so keys are not nearly unique."""
    target = _cells(400, 3, 9)
    source = target[np.random.default_rng(1).choice(400, 150, replace=False)]
    found = overlap(_table(target), np.ones(400, bool), _table(source))
    np.testing.assert_array_equal(found.equal, _equal_rows(target, source))
    assert found.is_told_apart


def test_a_few_equal_rows_among_rows_that_repeat_are_not_told_apart():
    source = np.concatenate([_told_by_one_column(600), _told_by_one_column(600)[:300]])
    target = np.concatenate([source[:10], _told_by_one_column(100, seed=1)])
    found = overlap(_table(target), np.ones(110, bool), _table(source))
    assert (found.seen.any(), found.is_told_apart) == (False, False)


def test_a_source_that_holds_each_row_twice_hides_none():
    source = _cells(300)
    target = np.concatenate([source[:20], _cells(80, seed=1)])
    found = overlap(_table(target), np.ones(100, bool), _table(np.concatenate([source, source])))
    assert (found.equal.sum(), found.is_told_apart) == (20, True)


def test_copies_within_a_table_do_not_hide_that_keys_are_nearly_unique():
    source = np.concatenate([_cells(500), _cells(500)[:50]])
    target = np.concatenate([_cells(100, seed=1), source[:12], source[:3]])
    found = overlap(_table(target), np.ones(115, bool), _table(source))
    assert (found.equal.sum(), found.is_told_apart) == (15, True)


def test_one_shared_column_of_many_makes_no_rows_the_same():
    """Such as days, which two sensors share."""
    days = np.arange(1, 201)
    source = np.column_stack([days, _cells(200, 3)])
    target = np.column_stack([days[:80], _cells(80, 3, seed=1)])
    ours = _table(target, "axyz")
    found = overlap(ours, _every(ours), _table(source))
    assert (found.seen.any(), found.is_told_apart) == (False, False)


def test_tables_that_share_no_column_tell_nothing():
    ours, theirs = _table(_cells(20, 2), "xy"), _table(_cells(20, 2), "ab")
    found = overlap(ours, _every(ours), theirs)
    assert (found.seen.any(), found.is_told_apart) == (False, False)


def test_nothing_shared_but_a_label_of_nothing_is_no_overlap():
    ours, theirs = _table(_cells(50, 4)), _table(_cells(50, 4, seed=1))
    found = overlap(ours, _every(ours), theirs)
    assert (found.seen.any(), found.is_told_apart) == (False, True)


def test_no_row_is_seen_where_nothing_was_trained():
    ours = _table(_cells(50, 4))
    assert not overlap(ours, _every(ours), _table(_cells(0, 4))).seen.any()


def _pictures(values: np.ndarray) -> KnownRows:
    """Signatures of one byte, and keys of their own for each row."""
    values = np.asarray(values)
    keys = mixed(np.arange(len(values), dtype=np.uint64) + np.uint64(1_000 * int(values.sum())))
    return KnownRows(keys[:, None], values.astype(np.uint8)[:, None])


def _close(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    distances = np.abs(a.astype(int) - b.astype(int).T)
    return (distances <= 1).any(axis=1)


def test_a_row_that_is_nearly_equal_is_seen():
    target, source = _pictures([10, 50, 90, 130, 200]), _pictures([11, 70, 131])
    found = overlap(target, np.array([1, 0, 1, 1, 0], bool), source, near=_close)
    assert found.equal.tolist() == [False, False, False]
    assert found.near.tolist() == [True, False, True]
    assert found.is_told_apart


def test_being_near_says_nothing_where_rows_of_different_parts_are_near_each_other():
    target, source = _pictures([10, 10, 11, 11, 12, 12]), _pictures([11, 70])
    found = overlap(target, np.array([1, 0, 1, 0, 1, 0], bool), source, near=_close)
    assert (found.seen.any(), found.is_told_apart) == (False, False)


def test_texts_that_repeat_are_seen_by_their_signatures_where_keys_say_nothing():
    """The network has read these very words, and its control has not; without a signature nothing is told."""
    values = np.array([10, 10, 10, 30, 30, 50, 50, 70, 70, 90, 90])
    source = KnownRows(values.astype(np.uint64)[:, None], values.astype(np.uint8)[:, None])
    target = KnownRows(
        np.array([[10], [31], [130], [50]], np.uint64), np.array([[10], [31], [130], [200]], np.uint8)
    )
    found = overlap(target, np.array([1, 1, 1, 0], bool), source, near=_close)
    assert found.equal.tolist() == [True, False, False]
    assert found.near.tolist() == [False, True, False]
    assert found.is_told_apart
    found = overlap(target, np.ones(4, bool), source, near=_close)
    assert found.seen.tolist() == [True, True, False, False]
    assert not found.is_told_apart


def test_a_row_of_several_keys_is_seen_by_any_of_them():
    target = KnownRows(np.array([[1, 11], [2, 12], [3, 13]], np.uint64))
    source = KnownRows(np.array([[1, 21], [4, 13]], np.uint64))
    assert overlap(target, np.ones(3, bool), source).equal.tolist() == [True, False, True]


def test_a_million_keys_are_compared_in_seconds():
    rng = np.random.default_rng(0)
    source = rng.integers(0, 2**63, 1_000_000).astype(np.uint64)
    target = np.concatenate([source[:1_000], rng.integers(0, 2**63, 999_000).astype(np.uint64)])
    begun = time.process_time()
    found = overlap(KnownRows(target[:, None]), np.ones(len(target), bool), KnownRows(source[:, None]))
    assert time.process_time() - begun < 10
    assert found.equal.sum() == 1_000


def test_a_pair_is_seen_by_a_sentence_on_either_side_wherever_the_other_has_it() -> None:
    ours = np.array([[1, 11], [2, 12], [3, 13], [0, 14], [5, 11]], np.uint64)
    theirs = np.array([[11, 21], [22, 2], [0, 23]], np.uint64)
    found = overlap(KnownRows(ours), np.ones(5, bool), KnownRows(theirs))
    assert found.seen.tolist() == [True, True, False, False, True]
    assert found.is_told_apart
