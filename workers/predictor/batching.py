"""Rows that wait at the same time are predicted together: while one call runs, the next batch gathers.

So nobody waits for others to come, and under load one call answers many.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from workers.predictor.loading import Inputs, Loaded
from workers.transfer.data import Array

log = logging.getLogger(__name__)


class Busy(Exception):
    """More rows wait than the process takes."""


@dataclass(eq=False)
class _Waiting:
    """Rows of one request, and who waits for their answers."""

    version: Loaded
    inputs: Inputs
    done: Future[Array] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return len(next(iter(self.inputs.values())))

    @property
    def shape(self) -> tuple[object, ...]:
        """What can be joined has the same."""
        return (id(self.version), *((name, column.shape[1:]) for name, column in self.inputs.items()))


class Batches:
    """One thread that calls the graphs: TensorFlow itself spreads a call over the processors."""

    def __init__(self, most_waiting_rows: int) -> None:
        self._most = most_waiting_rows
        self._waiting: deque[_Waiting] = deque()
        self._rows = 0
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def submit(self, version: Loaded, inputs: Inputs) -> Future[Array]:
        """The outputs of these rows, (n, outputs), when they are there.

        Raises:
            Busy: too many rows wait already; one request alone may have as many as it likes.
        """
        one = _Waiting(version, inputs)
        with self._changed:
            if self._rows and self._rows + one.rows > self._most:
                raise Busy(f"{self._rows:,} rows wait")
            self._waiting.append(one)
            self._rows += one.rows
            self._changed.notify()
        return one.done

    def close(self) -> None:
        """Answer what waits, then end."""
        with self._changed:
            self._over = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while (batch := self._next()) is not None:
            _answer(batch)
            with self._changed:
                self._rows -= sum(one.rows for one in batch)

    def _next(self) -> list[_Waiting] | None:
        """The request that waits longest, and those like it, as many as one call takes."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            if not self._waiting:
                return None
            first = self._waiting.popleft()
            batch, others, rows = [first], deque[_Waiting](), first.rows
            for one in self._waiting:
                fits = one.shape == first.shape and rows + one.rows <= first.version.most_rows(first.inputs)
                (batch if fits else others).append(one)
                rows += one.rows if fits else 0
            self._waiting = others
            return batch


def _answer(batch: list[_Waiting]) -> None:
    """Whatever goes wrong is told to those who wait, and the thread goes on."""
    wanted = [one for one in batch if one.done.set_running_or_notify_cancel()]
    try:
        outputs = _outputs(batch[0].version, [one.inputs for one in wanted]) if wanted else []
    except Exception as error:
        log.exception("a call of a network failed")
        for one in wanted:
            one.done.set_exception(error)
        return
    for one, own in zip(wanted, outputs, strict=True):
        one.done.set_result(own)


def _outputs(version: Loaded, inputs: list[Inputs]) -> Iterable[Array]:
    """Those of each, from as few calls as the version's limit of rows allows."""
    joined = {name: np.concatenate([one[name] for one in inputs]) for name in inputs[0]}
    lengths = [len(next(iter(one.values()))) for one in inputs]
    most = version.most_rows(joined)
    calls = [
        version.answer({name: column[start : start + most] for name, column in joined.items()})
        for start in range(0, sum(lengths), most)
    ]
    return np.split(np.concatenate(calls), np.cumsum(lengths)[:-1])
