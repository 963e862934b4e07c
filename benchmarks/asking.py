"""A process that stays warm, reads a question a line, and answers each with seconds."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from benchmarks.service import ROOT


def environment() -> dict[str, str]:
    """This shell's, with TensorFlow quiet."""
    return {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


@contextmanager
def warm(*module: str) -> Iterator[subprocess.Popen[str]]:
    """`python -m module …`, which idles between two questions."""
    process = subprocess.Popen(
        [sys.executable, "-m", *module],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # TensorFlow's greetings
        text=True,
    )
    with process:
        yield process


def ask(process: subprocess.Popen[str], question: str) -> float:
    """The seconds that it answers."""
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{question}\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise RuntimeError(f"Expected seconds. Received: the end of {process.args!r}; run it by hand.")
    return float(answer)
