"""Rows that wait at the same time are predicted together: while one call runs, the next batch gathers.

So nobody waits for others to come, and under load one call answers many. Workspaces take turns, a call each:
the rows of one that asks for thousands are cut to what a call takes, and others are answered between.
"""

from __future__ import annotations

import logging
import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from concurrent.futures import Future
from dataclasses import dataclass, field

import numpy as np

from workers.predictor.loading import Inputs, Loaded
from workers.transfer.data import Array

log = logging.getLogger(__name__)


class Busy(Exception):
    """More rows of a workspace wait than the process takes."""


@dataclass(eq=False)
class _Waiting:
    """Rows of one request, no more than one call takes, and who waits for their answers."""

    workspace: str
    version: Loaded
    inputs: Inputs
    done: Future[Array] = field(default_factory=Future)

    @property
    def rows(self) -> int:
        return _rows(self.inputs)

    @property
    def shape(self) -> tuple[object, ...]:
        """What can be joined has the same."""
        return (id(self.version), *((name, column.shape[1:]) for name, column in self.inputs.items()))


class Batches:
    """One thread that calls the graphs: TensorFlow itself spreads a call over the processors.

    most_waiting_rows: of one workspace.
    """

    def __init__(self, most_waiting_rows: int) -> None:
        self._most = most_waiting_rows
        self._waiting: OrderedDict[str, deque[_Waiting]] = OrderedDict()
        """Those of each workspace, in the order of the workspaces' turns; none is empty."""
        self._rows: Counter[str] = Counter()
        """By workspace, those being predicted as well."""
        self._changed = threading.Condition()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="batches", daemon=True)
        self._thread.start()

    def submit(self, workspace: str, version: Loaded, inputs: Inputs) -> list[Future[Array]]:
        """The outputs of these rows, (n, outputs), when they are there: one after the other, in parts.

        Raises:
            Busy: too many rows of the workspace wait already; one request alone may have as many as it likes.
        """
        most, rows = version.most_rows(inputs), _rows(inputs)
        parts = [
            _Waiting(
                workspace,
                version,
                {name: column[start : start + most] for name, column in inputs.items()},
            )
            for start in range(0, rows, most)
        ]
        with self._changed:
            known = self._rows[workspace]
            if known and known + rows > self._most:
                raise Busy(f"{known:,} rows of the workspace wait")
            self._waiting.setdefault(workspace, deque()).extend(parts)
            self._rows[workspace] += rows
            self._changed.notify()
        return [one.done for one in parts]

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
                if batch[0].workspace in self._waiting:  # who came during its call goes first
                    self._waiting.move_to_end(batch[0].workspace)
                for one in batch:
                    self._rows[one.workspace] -= one.rows
                self._rows = +self._rows  # without those of nobody

    def _next(self) -> list[_Waiting] | None:
        """What waits longest in the workspace whose turn it is, and those like it, as many as one call takes.

        Those of other workspaces join where there is room, for nobody's answer comes later by that.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._over)
            if not self._waiting:
                return None
            workspace = next(iter(self._waiting))
            first = self._waiting[workspace].popleft()
            batch, rows, most = [first], first.rows, first.version.most_rows(first.inputs)
            for name in (workspace, *(one for one in self._waiting if one != workspace)):
                others = deque[_Waiting]()
                for one in self._waiting[name]:
                    fits = one.shape == first.shape and rows + one.rows <= most
                    (batch if fits else others).append(one)
                    rows += one.rows if fits else 0
                self._waiting[name] = others
            for name in [name for name, left in self._waiting.items() if not left]:
                del self._waiting[name]
            return batch


def _rows(inputs: Inputs) -> int:
    return len(next(iter(inputs.values())))


def _answer(batch: list[_Waiting]) -> None:
    """Whatever goes wrong is told to those who wait, and the thread goes on."""
    wanted = [one for one in batch if one.done.set_running_or_notify_cancel()]
    try:
        outputs = _outputs(wanted) if wanted else []
    except Exception as error:
        log.exception("a call of a network failed")
        for one in wanted:
            one.done.set_exception(error)
        return
    for one, own in zip(wanted, outputs, strict=True):
        one.done.set_result(own)


def _outputs(batch: list[_Waiting]) -> Iterable[Array]:
    """Those of each, from one call."""
    first = batch[0]
    joined = {name: np.concatenate([one.inputs[name] for one in batch]) for name in first.inputs}
    return np.split(first.version.answer(joined), np.cumsum([one.rows for one in batch])[:-1])
