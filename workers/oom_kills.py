"""Which processes did the system kill since memory ran out, and what becomes of their jobs?

A process that is killed so can tell nobody. The kernel counts such kills, for the worker's control group or
for the machine; the process that takes a killed one's place looks whether the count has grown since the
attempt of that one began, and ends its job. Otherwise it would be tried again, and fill the memory again.
"""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

from sqlalchemy import select

from app.db.session import Sessions
from app.db.tables import JobStage
from app.jobs import transitions
from app.jobs.states import Stage
from app.jobs.transitions import Lease
from workers.failures import out_of_memory
from workers.job_rows import find_facts

_CONTROLLERS = (("", "memory.events"), ("memory", "memory.oom_control"))
"""Of the two versions of control groups: the controller's name, and the file with the count."""


def count_oom_kills(root: Path = Path("/")) -> int:
    """Processes of this control group, or of the machine, that were killed for memory; 0 if none counts.

    `root` is where `proc` and `sys` are.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text()
    except OSError:
        return 0
    for controller, name in _CONTROLLERS:
        own = re.search(rf"^\d+:{controller}:(.*)$", groups, re.MULTILINE)
        if own is None:
            continue
        folder = root / "sys/fs/cgroup" / controller
        # In a container the group's own path may lead nowhere, and the folder is the group.
        for path in (folder / own[1].lstrip("/") / name, folder / name):
            if (count := _count(path)) is not None:
                return count
    return _count(root / "proc/vmstat") or 0


def _count(path: Path) -> int | None:
    try:
        found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


class RunningAttempt(ctypes.Structure):
    """What a process of the worker is doing, in memory that it shares with the one that takes its place."""

    _fields_ = (("_job", ctypes.c_char * 40), ("_attempt", ctypes.c_int), ("_kills", ctypes.c_longlong))

    def begin(self, lease: Lease, kills: int) -> None:
        """It works on this attempt from now on; so many processes were killed before."""
        self._attempt, self._kills = lease.attempt, kills
        self._job = lease.job_id.encode()

    def end(self) -> None:
        """It works on nothing."""
        self._job = b""

    def oom_killed(self, kills: int) -> Lease | None:
        """The attempt that was not ended, if more processes have been killed by now than when it began."""
        if not self._job or kills <= self._kills:
            return None
        return Lease(self._job.decode(), self._attempt)


def end_job(sessions: Sessions, lease: Lease) -> bool:
    """Fail the job whose process was killed for memory; False where it is not that attempt's any more."""
    with sessions.begin() as session:
        stage = session.scalars(
            select(JobStage.stage).where(JobStage.job_id == lease.job_id, JobStage.state == "running")
        ).first()
        failure = out_of_memory(find_facts(session, lease.job_id), Stage(stage) if stage else None)
        return transitions.fail(session, lease, failure.code, failure.message, failure.hint)
