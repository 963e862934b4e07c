"""A Python that knows nothing of this project and has imported Keras: each program runs in a fork of it.

To import TensorFlow takes seconds, to load a small network and to ask it far less. That the programs of a
bundle run in a Python which has imported nothing is tested in `test_export.py`.
"""

from __future__ import annotations

import json
import os
import runpy
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, Any, NoReturn


class PlainPython:
    """That Python, as the tests see it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(
        self, *arguments: str | Path, cwd: Path, input: str = "", status: int = 0
    ) -> subprocess.CompletedProcess[str]:
        """As `python -I ARGUMENTS` in this folder, which has to end with this status."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"arguments": [str(one) for one in arguments], "cwd": str(cwd), "input": input}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        ended = json.loads(self._process.stdout.readline())
        assert ended["status"] == status, ended["err"]
        return subprocess.CompletedProcess(asked["arguments"], status, ended["out"], ended["err"])


@contextmanager
def plain_python() -> Iterator[PlainPython]:
    """Start it; it ends with the block."""
    command = [sys.executable, "-I", __file__]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield PlainPython(process)
        assert process.stdin is not None
        process.stdin.close()


def _serve() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what a library may print is no answer
    import keras  # noqa: F401

    for line in sys.stdin:
        asked = json.loads(line)
        with ExitStack() as files:
            given = files.enter_context(tempfile.TemporaryFile("w+"))
            out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(2))
            given.write(asked["input"])
            given.seek(0)
            pid = os.fork()
            if not pid:
                _run(asked, [given, out, err])
            status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
            texts = {"out": _text(out), "err": _text(err)}
        answers.write(json.dumps({"status": status, **texts}) + "\n")
        answers.flush()


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


def _run(asked: dict[str, Any], streams: list[IO[Any]]) -> NoReturn:
    status = 1
    try:
        for number, stream in enumerate(streams):
            os.dup2(stream.fileno(), number)
        sys.stdin = os.fdopen(0)  # the other one has read ahead
        os.chdir(asked["cwd"])
        sys.argv = asked["arguments"]
        if sys.argv[0] == "-c":
            exec(sys.argv.pop(1), {"__name__": "__main__"})
        else:
            runpy.run_path(sys.argv[0], run_name="__main__")
        status = 0
    except SystemExit as ended:
        status = ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  # as the interpreter does
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


if __name__ == "__main__":
    _serve()
