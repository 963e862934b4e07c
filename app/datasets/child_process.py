"""Inspects an untrusted file in a child process with bounded memory and time; imports no pyarrow."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from app.datasets import process_start
from app.datasets.process_start import Process, ServerEnded
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection

log = logging.getLogger(__name__)

_CHUNK = 1 << 20


class Stopped(Exception):
    """The inspection was ended from outside: nobody wants its answer."""


class Inspector:
    """A child process that inspects one file, and may begin while the file is still being written.

    A context manager: the process is gone at its end.
    """

    def __init__(
        self, path: Path, declaration: Declaration, limits: Limits, *, memory_bytes: int, seconds: float
    ) -> None:
        self.declaration = declaration
        self._memory_bytes = memory_bytes
        self._seconds = seconds
        self._is_stopped = self._has_rows = False
        self._request = {
            "path": str(path.absolute()),
            "declaration": declaration.model_dump(mode="json"),
            "limits": limits.model_dump(mode="json"),
            "memory_bytes": memory_bytes,
            "seconds": seconds,
        }
        self._child = self._start()

    def _start(self) -> Process:
        child = process_start.start()
        _say(child, json.dumps(self._request))
        return child

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.close()

    def kill(self) -> None:
        """End the process; who waits for its answer hears of it by `Stopped`."""
        self._is_stopped = True
        self._child.kill()

    def finish(
        self,
        on_rows: Callable[[int], None] | None = None,
        rows_file: Callable[[bytes], object] | None = None,
    ) -> Inspection:
        """What `inspection.inspect` answers of the file, which is whole now.

        `on_rows` is told how many rows were read so far; `rows_file` gets the bytes of the rows file.

        Raises:
            DatasetError: if the file is refused, or its inspection needs more memory or time than allowed.
            Stopped: if it was killed.
            ServerEnded: if its process was ended from outside twice, or where nobody can take back its rows.
            RuntimeError: if the inspection itself is at fault.
        """
        try:
            return self._finish(on_rows, rows_file)
        except ServerEnded:
            if self._has_rows:
                raise
            log.warning("the process that forks those of inspections was ended; an inspection begins again")
            self._child.close()
            self._child = self._start()
            if self._is_stopped:
                raise Stopped from None
            return self._finish(on_rows, rows_file)

    def _finish(
        self, on_rows: Callable[[int], None] | None, rows_file: Callable[[bytes], object] | None
    ) -> Inspection:
        _say(self._child, "whole")
        is_late = threading.Event()

        def end() -> None:
            is_late.set()  # before the process ends, which is when somebody asks
            self._child.kill()

        late = threading.Timer(self._seconds, end)
        late.start()
        try:
            with ThreadPoolExecutor(1) as pool:
                stderr_output = pool.submit(self._child.stderr.read)
                last = self._listen(on_rows, rows_file)
                late.cancel()
                errors = stderr_output.result()
            status = self._child.wait()
        finally:
            late.cancel()
        if self._is_stopped:
            raise Stopped
        if is_late.is_set() and not last:
            raise _too_slow(self._seconds)
        return _answer(status, last, errors, self._memory_bytes, self._seconds)

    def _listen(
        self, on_rows: Callable[[int], None] | None, rows_file: Callable[[bytes], object] | None
    ) -> dict[str, Any]:
        """The child's last line; those before tell how far it is, or bring the rows file."""
        last: dict[str, Any] = {}
        for line in self._child.stdout:
            try:
                last = json.loads(line)
            except ValueError:  # the process was killed while it wrote
                return {}
            if "rows" in last and on_rows:
                on_rows(last["rows"])
            left = last.get("rows_file", 0)
            while left and (chunk := self._child.stdout.read(min(left, _CHUNK))):
                left -= len(chunk)
                self._has_rows = True
                if rows_file:
                    rows_file(chunk)
        return {} if {"rows", "rows_file"} & last.keys() else last


def _say(child: Process, line: str) -> None:
    with suppress(BrokenPipeError):
        child.stdin.write(line.encode() + b"\n")
        child.stdin.flush()


def run(
    path: Path,
    declaration: Declaration,
    *,
    limits: Limits | None = None,
    memory_bytes: int,
    seconds: float,
    on_rows: Callable[[int], None] | None = None,
    rows_file: Callable[[bytes], object] | None = None,
) -> Inspection:
    """Inspect a file that is whole; see `Inspector.finish`."""
    limits = limits or Limits()
    with Inspector(path, declaration, limits, memory_bytes=memory_bytes, seconds=seconds) as child:
        return child.finish(on_rows, rows_file)


def _answer(
    status: int, answer: dict[str, Any], stderr_output: bytes, memory_bytes: int, seconds: float
) -> Inspection:
    if status == 0 and answer:
        if "inspection" in answer:
            return Inspection.model_validate(answer["inspection"])
        if "refused" in answer:
            raise DatasetError.from_json(json.dumps(answer["refused"]))
        if "broken" in answer:
            # If the fault is ours after all, this line is where it shows.
            log.error("the inspection of a file failed, which was refused as broken: %s", answer["broken"])
            raise _broken(answer["broken"])
        raise _too_large(memory_bytes)
    stderr = stderr_output.decode("utf-8", "replace")
    log.error("inspection of a file ended with %s: %s", status, stderr[-4000:])
    if status == -_signal("SIGXCPU"):
        raise _too_slow(seconds)
    # Arrow aborts where a thread or an allocation inside of it fails; SIGKILL is the system's own limit.
    killed = status in (-_signal("SIGKILL"), -_signal("SIGABRT"))
    if killed or any(words in stderr for words in ("bad_alloc", "MemoryError", "can't start new thread")):
        raise _too_large(memory_bytes)
    if status < 0:
        received = f"a file that crashed the reader (signal {-status})"
        message = f"Expected a file that can be read. Received: {received}."
        raise DatasetError("unreadable_file", message, "Save the file again, or upload it as CSV.")
    raise RuntimeError(f"the inspection ended with {status}: {stderr[-1000:]}")


def _signal(name: str) -> int:
    import signal

    return int(getattr(signal, name, 0))


def _broken(traceback: str) -> DatasetError:
    reason = traceback.strip().rpartition("\n")[2][:200]
    message = f"Expected a complete file. Received: a file that cannot be read ({reason})."
    return DatasetError("broken_file", message, "Save the file again, then upload it.")


def _too_slow(seconds: float) -> DatasetError:
    message = (
        f"Expected a file that can be read within {seconds:g} seconds. Received: a file that takes longer."
    )
    hint = (
        "Upload fewer rows or columns, or use Parquet. The operator can raise "
        "MODEL_TRANSFER_INSPECTION_SECONDS."
    )
    return DatasetError("inspection_too_slow", message, hint)


def _too_large(memory_bytes: int) -> DatasetError:
    message = (
        f"Expected a file that can be read in {memory_bytes >> 20} MB of memory. Received: a file "
        "that needs more."
    )
    hint = (
        "Upload fewer columns or shorter texts. The operator can raise "
        "MODEL_TRANSFER_INSPECTION_MEMORY_BYTES."
    )
    return DatasetError("inspection_too_large", message, hint)
