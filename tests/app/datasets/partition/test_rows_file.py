from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from app.datasets.partition.rows_file import RowFacts, read_rows_file, write_rows_file

ROWS = 7
KEYS = np.arange(2 * ROWS, dtype=np.uint64).reshape(ROWS, 2) + np.uint64(2**63)


def facts(**more: object) -> RowFacts:
    return RowFacts(np.arange(ROWS, dtype=np.uint8) % 3, KEYS[:, :1], **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "written",
    [
        facts(),
        facts(groups=KEYS[:, 0] // 2, clusters=KEYS[:, 1]),
        facts(signatures=np.arange(3 * ROWS, dtype=np.uint8).reshape(ROWS, 3)),
        RowFacts(np.zeros(ROWS, np.uint8), KEYS),
    ],
)
def test_what_is_written_comes_back(tmp_path: Path, written: RowFacts) -> None:
    write_rows_file(tmp_path / "rows", written)
    read = read_rows_file(tmp_path / "rows")
    assert len(read) == ROWS
    for name in ("parts", "keys", "groups", "clusters", "signatures"):
        expected, found = getattr(written, name), getattr(read, name)
        assert (expected is None) == (found is None), name
        if expected is not None:
            np.testing.assert_array_equal(found, expected)
            assert found.dtype == expected.dtype


def test_equal_facts_make_equal_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_rows_file(tmp_path / name, facts(groups=KEYS[:, 0]))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
