from __future__ import annotations

import threading
from concurrent.futures import Future
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.workers.predictor.conftest import Make
from workers.predictor.batching import Batches, Busy
from workers.predictor.loading import Inputs, Loaded, load


def rows(*a: float) -> Inputs:
    return {"a": np.array(a, np.float32), "b": np.zeros(len(a), np.float32)}


def submit(batches: Batches, version: Loaded, inputs: Inputs, workspace: str = "team") -> Future[Any]:
    """The one part of rows that one call takes."""
    (part,) = batches.submit(workspace, version, inputs)
    return part


class Held:
    """A version whose calls are counted, and wait to be let go."""

    def __init__(self, version: Loaded) -> None:
        self.sizes: list[int] = []
        self.begun, self.go = threading.Event(), threading.Event()
        graph = version.graph

        def held(inputs: Any) -> Any:
            self.begun.set()
            assert self.go.wait(60)
            self.sizes.append(len(inputs["a"]))
            return graph(inputs)

        self.version = replace(version, graph=held)


@pytest.fixture(scope="module")
def version(bundle: Make) -> Loaded:
    return load(bundle(1))


def test_rows_that_wait_meanwhile_are_predicted_by_one_call_and_each_request_gets_its_own(
    version: Loaded,
) -> None:
    held, batches = Held(version), Batches(1000)
    first = submit(batches, held.version, rows(0.5))
    assert held.begun.wait(60)
    others = [
        submit(batches, held.version, rows(*values)) for values in ((1.0, 2.0), (3.0,), (-1.0, 0.0, 4.0))
    ]
    held.go.set()
    got = [np.asarray(one.result(60)) for one in (first, *others)]
    assert held.sizes == [1, 6]
    for outputs, values in zip(got, ((0.5,), (1.0, 2.0), (3.0,), (-1.0, 0.0, 4.0)), strict=True):
        assert np.abs(outputs - version.answer(rows(*values))).max() <= 1e-6
    batches.close()


def test_more_rows_than_a_call_takes_are_predicted_in_several(version: Loaded) -> None:
    held, batches = Held(version), Batches(1000)
    held.go.set()
    values = np.linspace(-1, 1, 2500).astype(np.float32)
    parts = batches.submit("team", held.version, rows(*values))
    outputs = np.concatenate([part.result(60) for part in parts])
    assert held.sizes == [1024, 1024, 452]
    assert np.abs(outputs - version.answer(rows(*values))).max() <= 1e-6
    batches.close()


def test_too_many_waiting_rows_are_refused_but_a_large_request_alone_is_not(version: Loaded) -> None:
    held, batches = Held(version), Batches(3)
    large = submit(batches, held.version, rows(*range(10)))
    with pytest.raises(Busy, match="10 rows of the workspace wait"):
        submit(batches, held.version, rows(1.0))
    other = submit(batches, held.version, rows(1.0, 2.0), "other")
    held.go.set()
    assert large.result(60).shape == (10, 1)
    assert other.result(60).shape == (2, 1)
    assert submit(batches, held.version, rows(*range(3))).result(60).shape == (3, 1)
    batches.close()


def test_a_workspace_that_asks_for_thousands_is_answered_in_turn_with_one_that_asks_for_one(
    version: Loaded,
) -> None:
    flood, other, batches = Held(version), Held(version), Batches(100_000)
    other.go.set()
    flooding = batches.submit("flood", flood.version, rows(*range(1024 * 10)))
    flooding += batches.submit("flood", flood.version, rows(*range(1024 * 10)))
    assert flood.begun.wait(60)
    answered: list[int] = []  # how many parts of the flood were answered before each
    mine = [submit(batches, replace(other.version), rows(1.0), "other") for _ in range(3)]
    for one in mine:  # each of a version of its own: none is joined with another
        one.add_done_callback(lambda _: answered.append(sum(part.done() for part in flooding)))
    flood.go.set()
    for one in (*mine, *flooding):
        one.result(60)
    assert answered == [1, 2, 3]
    batches.close()


def test_rows_of_two_workspaces_share_a_call_where_it_has_room(version: Loaded) -> None:
    held, batches = Held(version), Batches(1000)
    submit(batches, held.version, rows(0.5))
    assert held.begun.wait(60)
    one, other = submit(batches, held.version, rows(1.0)), submit(batches, held.version, rows(2.0), "other")
    held.go.set()
    assert one.result(60) != other.result(60)
    assert held.sizes == [1, 2]
    batches.close()


def test_a_call_that_fails_is_told_to_those_who_wait_and_the_next_one_is_answered(version: Loaded) -> None:
    batches = Batches(1000)
    wrong = submit(batches, version, {"a": np.zeros(1, np.float32)})
    with pytest.raises(Exception, match="b"):
        wrong.result(60)
    others = [submit(batches, version, rows(1.0)) for _ in range(20)]
    assert all(one.result(60).shape == (1, 1) for one in others)
    batches.close()


def test_what_waits_at_the_end_is_answered(version: Loaded) -> None:
    held, batches = Held(version), Batches(1000)
    waiting = [submit(batches, held.version, rows(1.0)) for _ in range(3)]
    closing = threading.Thread(target=batches.close)
    closing.start()
    held.go.set()
    closing.join(60)
    assert not closing.is_alive()
    assert all(one.done() for one in waiting)
