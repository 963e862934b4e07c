import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.duplicates import Contradictions, Duplicates, row_hashes


def test_rows_hash_alike_exactly_if_they_are_equal() -> None:
    columns = [
        pa.array([1.0, 1.0, None, 0.0, -0.0, 2.0]),
        pa.array(["a", "a", "a", None, None, "a"]),
        pa.array([True, True, None, False, False, True]),
    ]
    hashes = row_hashes(columns).to_pylist()
    assert hashes[0] == hashes[1]
    assert hashes[3] == hashes[4]
    assert len(set(hashes)) == 4


def test_no_two_of_many_small_grid_rows_collide() -> None:
    side = range(100)
    first = pa.array([float(a) for a in side for _ in side])
    second = pa.array([float(b) for _ in side for b in side])
    hashes = row_hashes([first, second, pc.add(first, second)])
    assert len(hashes.unique()) == 10_000


def test_duplicates_are_counted_within_and_across_batches() -> None:
    duplicates = Duplicates()
    duplicates.add([pa.array([1.0, 2.0, 1.0])], [], pa.nulls(3, pa.string()))
    duplicates.add([pa.array([3.0, 2.0])], [], pa.nulls(2, pa.string()))
    assert (duplicates.count, duplicates.rows, duplicates.searched) == (2, [3, 5], 5)


def test_the_same_input_under_another_label_contradicts_what_stood_before() -> None:
    found = Contradictions()
    found.add(["a", "b", "c", "d"], ["1", "2", None, "1"])
    assert not found.telling
    found.add(["b", "a", "c"], ["1", "1", "2"])
    assert (found.count, found.rows, found.telling) == (1, [2, 5], True)
