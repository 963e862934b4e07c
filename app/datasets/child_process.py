"""Inspects an untrusted file in a child process with bounded memory and time; imports no pyarrow."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Inspection

log = logging.getLogger(__name__)

_CHUNK = 1 << 20
_ROOT = Path(__file__).resolve().parents[2]


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
        self._is_stopped = False
        request = {
            "path": str(path),
            "declaration": declaration.model_dump(mode="json"),
            "limits": limits.model_dump(mode="json"),
            "memory_bytes": memory_bytes,
            "seconds": seconds,
        }
        self._child = subprocess.Popen(
            [sys.executable, "-m", "app.datasets.inspection.child"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=_environment(),
        )
        self._say(json.dumps(request))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._child.kill()
        self._child.communicate()

    @property
    def is_running(self) -> bool:
        """Whether the process has not ended."""
        return self._child.poll() is None

    def kill(self) -> None:
        """End the process; who waits for its answer hears of it by `Stopped`."""
        self._is_stopped = True
        self._child.kill()

    def _say(self, line: str) -> None:
        assert self._child.stdin is not None
        with suppress(BrokenPipeError):
            self._child.stdin.write(line.encode() + b"\n")
            self._child.stdin.flush()

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
            RuntimeError: if the inspection itself is at fault.
        """
        self._say("whole")
        late = threading.Timer(self._seconds, self._child.kill)
        late.start()
        try:
            with ThreadPoolExecutor(1) as pool:
                stderr_output = pool.submit(self._child.stderr.read)  # type: ignore[union-attr]
                last = self._listen(on_rows, rows_file)
                is_late = late.finished.is_set()
                late.cancel()
                errors = stderr_output.result()
        finally:
            late.cancel()
        if self._is_stopped:
            raise Stopped
        if is_late and not last:
            raise _too_slow(self._seconds)
        return _answer(self._child.returncode, last, errors, self._memory_bytes, self._seconds)

    def _listen(
        self, on_rows: Callable[[int], None] | None, rows_file: Callable[[bytes], object] | None
    ) -> dict[str, Any]:
        """The child's last line, after its end; those before tell how far it is, the rows file is behind."""
        assert self._child.stdout is not None
        last: dict[str, Any] = {}
        for line in self._child.stdout:
            last = json.loads(line)
            if "rows" in last and on_rows:
                on_rows(last["rows"])
            if "rows_file" in last:
                break
        left = last.get("rows_file", 0)
        while left and (chunk := self._child.stdout.read(min(left, _CHUNK))):
            left -= len(chunk)
            if rows_file:
                rows_file(chunk)
        self._child.wait()
        return {} if "rows" in last or left else last


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


def _environment() -> dict[str, str]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
        # Arrow's allocator reserves 1 GB at once otherwise, which counts against the limit.
        "ARROW_DEFAULT_MEMORY_POOL": "mimalloc",
        "MIMALLOC_ARENA_EAGER_COMMIT": "0",
        # NumPy multiplies no matrices here; a thread for each core would reserve memory of its own.
        "OPENBLAS_NUM_THREADS": "1",
    }


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
