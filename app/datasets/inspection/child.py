"""The program that inspects one untrusted file under limits: `python -m app.datasets.inspection.child`.

It reads `{path, declaration, limits, memory_bytes, seconds}` on standard input, and a line more as soon as
the file is whole. It writes lines on standard output: `{"rows": …}` now and then, `{"rows_file": bytes}` with
so many bytes of the rows file behind, since this process may write no file, and last `{"inspection": …}`,
`{"refused": …}`, `{"out_of_memory": {}}`, or `{"broken": traceback}` where a decoder raised what is not known
of it.
"""

from __future__ import annotations

import io
import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from app.datasets.inspection.limits import limit_process
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError, speakable
from app.datasets.reading.formats import arrival
from app.datasets.reading.limits import Limits

_SECONDS_BETWEEN = 0.5
_TRACEBACK = 4000  # characters, of its end


def main() -> None:
    """Inspect the file that standard input names."""
    # Not sys.stdin: a thread that waits for its lock would make an abort of an exit by an exception.
    told = open(sys.stdin.fileno(), "rb", buffering=0, closefd=False)  # noqa: SIM115
    request = json.loads(told.readline())
    load()
    import pyarrow as pa

    from app.datasets.inspection.inspect_file import inspect
    from app.datasets.partition.rows_file import RowFacts, write_rows_file
    from app.datasets.reading.formats.decoding import is_of_the_machine

    declaration = Declaration.model_validate(request["declaration"])
    limits = Limits.model_validate(request["limits"])
    arrival.expect(told)
    limit_process(request["memory_bytes"], request["seconds"])

    def keep(facts: RowFacts) -> None:
        with pa.PythonFile(_RowsFile(), "w") as rows_file:
            write_rows_file(rows_file, facts)

    try:
        inspection = inspect(Path(request["path"]), declaration, limits, _telling(), keep)
        answer = {"inspection": speakable(inspection.model_dump(mode="json"))}
    except DatasetError as error:
        # Libraries name the file by where it lies, which is a matter of the server.
        folder = json.dumps(f"{Path(request['path']).parent}{os.sep}")[1:-1]
        answer = {"refused": json.loads(error.to_json().replace(folder, ""))}
    except MemoryError:
        answer = {"out_of_memory": {}}
    except Exception as error:  # the file is anyone's: whatever it makes a decoder raise is the file's fault
        if is_of_the_machine(error):
            raise
        answer = {"broken": speakable(traceback.format_exc()[-_TRACEBACK:])}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()
    # Arrow may still be reading ahead of a refusal; an orderly exit would end under its threads, and abort.
    os._exit(0)


class _RowsFile(io.RawIOBase):
    """Hands on what is written to it."""

    def __init__(self) -> None:
        self._written = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._written

    def write(self, data: Any) -> int:
        sys.stdout.write(json.dumps({"rows_file": len(data)}) + "\n")
        sys.stdout.flush()
        sys.stdout.buffer.write(data)
        self._written += len(data)
        return len(data)


def load() -> None:
    """Import what any inspection may need, and which takes time."""
    from PIL import Image

    import app.datasets.inspection.inspect_file
    import app.datasets.partition.rows_file  # noqa: F401

    Image.preinit()  # imports the plugins of the common formats


def _telling() -> Callable[[int], None]:
    told = time.monotonic()

    def tell(rows: int) -> None:
        nonlocal told
        # Before the file is whole nobody reads; the lines would fill the pipe.
        if arrival.is_whole() and time.monotonic() - told >= _SECONDS_BETWEEN:
            told = time.monotonic()
            sys.stdout.write(json.dumps({"rows": rows}) + "\n")
            sys.stdout.flush()

    return tell


if __name__ == "__main__":
    main()
