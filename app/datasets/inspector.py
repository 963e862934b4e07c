"""Inspects an untrusted file in a child process with bounded memory and time; imports no pyarrow."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from pathlib import Path

from app.datasets.schema import DatasetError, Declaration, Inspection

log = logging.getLogger(__name__)

_ROOT = Path(__file__).resolve().parents[2]


def run(path: Path, declaration: Declaration, *, memory_bytes: int, seconds: float) -> Inspection:
    """What `inspection.inspect` answers.

    Raises:
        DatasetError: if the file is refused, or its inspection needs more memory or time than allowed.
        RuntimeError: if the inspection itself is at fault.
    """
    request = {
        "path": str(path),
        "declaration": declaration.model_dump(mode="json"),
        "memory_bytes": memory_bytes,
        "seconds": seconds,
    }
    try:
        child = subprocess.run(
            [sys.executable, "-m", "app.datasets.child"],
            input=json.dumps(request).encode(),
            capture_output=True,
            env=_environment(),
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise _too_slow(seconds) from error
    return _answer(child, memory_bytes, seconds)


def _environment() -> dict[str, str]:
    paths = [str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUTF8": "1",
        # Arrow's allocator reserves 1 GB at once otherwise, which counts against the limit.
        "ARROW_DEFAULT_MEMORY_POOL": "mimalloc",
        "MIMALLOC_ARENA_EAGER_COMMIT": "0",
    }


def _answer(child: subprocess.CompletedProcess[bytes], memory_bytes: int, seconds: float) -> Inspection:
    stderr = child.stderr.decode("utf-8", "replace")
    if child.returncode == 0:
        answer = json.loads(child.stdout)
        if "inspection" in answer:
            return Inspection.model_validate(answer["inspection"])
        if "refused" in answer:
            raise DatasetError.from_json(json.dumps(answer["refused"]))
        raise _too_large(memory_bytes)
    log.error("inspection of a file ended with %s: %s", child.returncode, stderr[-4000:])
    if child.returncode == -_signal("SIGXCPU"):
        raise _too_slow(seconds)
    # Arrow aborts where a thread or an allocation inside of it fails; SIGKILL is the system's own limit.
    killed = child.returncode in (-_signal("SIGKILL"), -_signal("SIGABRT"))
    if killed or any(words in stderr for words in ("bad_alloc", "MemoryError", "can't start new thread")):
        raise _too_large(memory_bytes)
    if child.returncode < 0:
        received = f"one that ended its reader (signal {-child.returncode})"
        message = f"Expected a file that can be read. Received: {received}."
        raise DatasetError("unreadable_file", message, "Write the file anew, or upload it as CSV.")
    raise RuntimeError(f"the inspection ended with {child.returncode}: {stderr[-1000:]}")


def _signal(name: str) -> int:
    import signal

    return int(getattr(signal, name, 0))


def _too_slow(seconds: float) -> DatasetError:
    message = f"Expected a file that is read within {seconds:g} seconds. Received: one that takes longer."
    hint = "Upload fewer rows or columns, or Parquet; whoever runs the service can allow more time."
    return DatasetError("inspection_too_slow", message, hint)


def _too_large(memory_bytes: int) -> DatasetError:
    message = (
        f"Expected a file that is read in {memory_bytes >> 20} MB of memory. Received: one that needs more."
    )
    hint = "Upload fewer columns or shorter texts; whoever runs the service can allow more memory."
    return DatasetError("inspection_too_large", message, hint)
