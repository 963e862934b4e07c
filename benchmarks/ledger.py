"""Which tasks of a long benchmark have been measured? One line of JSON each, so that it can be resumed."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any, TypeVar

TASKS_A_PROCESS = 20
"""As many jobs as a worker's process runs: training leaves some memory behind."""

Measured = dict[str, Any]
Of = TypeVar("Of")


def read(files: Iterable[Path]) -> list[Measured]:
    """All lines of the files that are there, of each task the first; a line that was cut off is none."""
    found: dict[int, Measured] = {}
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines() if file.exists() else []:
            try:
                measured = json.loads(line)
            except json.JSONDecodeError:
                continue
            found.setdefault(measured["number"], measured)
    return [found[number] for number in sorted(found)]


def append(file: Path, measured: Measured) -> None:
    """In one write, so that several processes may share a file."""
    line = json.dumps(measured, sort_keys=True) + "\n"
    with file.open("ab+") as out:
        if out.tell() and _is_cut_off(out):
            line = "\n" + line
        out.write(line.encode())
        out.flush()
        os.fsync(out.fileno())


def of_shard(numbers: Sequence[int], shard: str) -> list[int]:
    """Of `3/8` every eighth number, from the third on.

    Raises:
        ValueError: it is no such fraction.
    """
    part, _, parts = shard.partition("/")
    if not (part.isdecimal() and parts.isdecimal() and 0 < int(part) <= int(parts)):
        raise ValueError(f"Expected a shard such as 3/8. Received: {shard}.")
    return list(numbers[int(part) - 1 :: int(parts)])


def measure(numbers: Iterable[int], run: Callable[[int], Of]) -> Iterator[Of]:
    """What each task comes to, one after the other, in a process that is a new one now and then.

    Raises:
        RuntimeError: some tasks failed; told when all others are measured.
    """
    left, failures = list(numbers), list[str]()
    while left:
        yield from _in_one_pool(left, run, failures)
    if failures:
        raise RuntimeError(f"Expected tasks that succeed. Received: {'; '.join(failures)}. Run them again.")


def _in_one_pool(left: list[int], run: Callable[[int], Of], failures: list[str]) -> Iterator[Of]:
    """Until none is left, or the process died."""
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned, max_tasks_per_child=TASKS_A_PROCESS) as pool:
        while left:
            number = left.pop(0)
            asked = pool.submit(run, number)
            error = asked.exception()
            if error is None:
                yield asked.result()
            elif isinstance(error, BrokenProcessPool):
                failures.append(f"{number}, its process died")
                return
            else:
                failures.append(f"{number}, {type(error).__name__}: {error}")


def _is_cut_off(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) != b"\n")
