"""What a long benchmark has measured is kept, and nothing is measured twice."""

from __future__ import annotations

import math
import os
from pathlib import Path

import pytest

from benchmarks import ledger


def test_what_is_appended_is_read_again_in_the_order_of_the_numbers(tmp_path: Path) -> None:
    file = tmp_path / "measured.jsonl"
    for number in (3, 1, 2):
        ledger.append(file, {"number": number, "verdict": None})
    assert ledger.read([file]) == [{"number": number, "verdict": None} for number in (1, 2, 3)]


def test_a_line_that_a_kill_cut_off_is_measured_again_and_spoils_no_other(tmp_path: Path) -> None:
    file = tmp_path / "measured.jsonl"
    ledger.append(file, {"number": 1})
    with file.open("a") as out:
        out.write('{"number": 2, "verd')
    assert ledger.read([file]) == [{"number": 1}]
    ledger.append(file, {"number": 3})
    assert ledger.read([file]) == [{"number": 1}, {"number": 3}]


def test_of_a_task_that_was_measured_twice_the_first_line_counts(tmp_path: Path) -> None:
    one, other = tmp_path / "one.jsonl", tmp_path / "other.jsonl"
    ledger.append(one, {"number": 1, "of": "one"})
    ledger.append(other, {"number": 1, "of": "other"})
    assert ledger.read([one, other, tmp_path / "none.jsonl"]) == [{"number": 1, "of": "one"}]


def test_the_shards_have_each_task_once() -> None:
    parts = [ledger.of_shard(range(21), f"{part}/8") for part in range(1, 9)]
    assert sorted(number for part in parts for number in part) == list(range(21))
    assert parts[2] == [2, 10, 18]


@pytest.mark.parametrize("shard", ["", "0/8", "9/8", "3", "a/b", "1/0"])
def test_what_is_no_shard_is_refused(shard: str) -> None:
    with pytest.raises(ValueError, match=r"Expected a shard such as 3/8\. Received: "):
        ledger.of_shard(range(8), shard)


def test_a_task_that_fails_is_told_when_all_others_are_measured() -> None:
    measured = ledger.measure([4, -1, 9], math.sqrt)
    assert [next(measured), next(measured)] == [2.0, 3.0]
    with pytest.raises(RuntimeError, match=r"Received: -1, ValueError: .*\. Run them again\."):
        next(measured)


def test_a_task_whose_process_dies_does_not_keep_others_from_being_measured() -> None:
    with pytest.raises(RuntimeError, match=r"1, its process died; 2, its process died\."):
        list(ledger.measure([1, 2], os._exit))
