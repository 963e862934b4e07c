"""A job that fills the memory of a control group with a limit, so that the kernel kills its process."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import WriteCsv
from tests.e2e.conftest import start

pytestmark = pytest.mark.slow

LIMIT = 2 << 30


@pytest.fixture
def group() -> Iterator[Path]:
    """A control group of 2 GiB."""
    groups = Path("/proc/self/cgroup").read_text()
    if found := re.search(r"^\d+:memory:(.*)$", groups, re.MULTILINE):
        parent, limit = Path("/sys/fs/cgroup/memory") / found[1].lstrip("/"), "memory.limit_in_bytes"
    else:
        parent, limit = Path("/sys/fs/cgroup"), "memory.max"
    folder = parent / f"model-transfer-test-{os.getpid()}"
    try:
        folder.mkdir()
        (folder / limit).write_text(str(LIMIT))
    except OSError as error:  # a user needs none, and runs the tests all the same
        pytest.skip(f"no control group can be made here: {error}")
    yield folder
    for _ in range(100):  # until the last process in it has gone
        try:
            folder.rmdir()
            return
        except OSError:
            time.sleep(0.1)


def test_a_job_whose_process_is_killed_for_memory_fails_at_once_and_says_so(
    group: Path, tmp_path: Path, write_csv: WriteCsv
) -> None:
    service = start(tmp_path / "data", inside=group / "cgroup.procs")
    try:
        service.upload("t", write_csv(tmp_path / "t.csv", 200), label="y")
        about = {"model": "m", "source": {"dataset": "t"}, "target": {"dataset": "t"}}
        large = {"kind": "mlp", "hidden_units": [9000, 9000, 2000]}
        job = service.post(**about, network=large, training={"epochs": 1})
        ended = service.wait(job["id"])
        assert (ended["state"], ended["error"]["code"], ended["attempt"]) == ("failed", "out_of_memory", 1)
        small = service.post(**about, training={"epochs": 1})
        assert service.wait(small["id"])["state"] == "succeeded"
    finally:
        service.stop()
