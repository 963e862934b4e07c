"""Which processes did the system kill since memory ran out, and what becomes of their jobs?

A process that is killed so can tell nobody. The kernel counts such kills, for the worker's control group or
for the machine; a process that takes a killed one's place looks whether the count has grown, and ends the
jobs of those that are gone. Otherwise they would be tried again, and fill the memory again.
"""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path

from sqlalchemy import select

from app.db.session import Sessions
from app.db.tables import Job, JobStage
from app.jobs import transitions
from app.jobs.states import Stage, State
from app.jobs.transitions import Lease
from workers.facts import read_facts
from workers.failures import out_of_memory

_CONTROLLERS = (("", "memory.events"), ("memory", "memory.oom_control"))
"""Of the two versions of control groups: the controller's name, and the file with the count."""


def oom_kills(root: Path = Path("/")) -> int | None:
    """Processes of this control group, or of the machine, that were killed for memory; None if unknown.

    `root` is where `proc` and `sys` are.
    """
    try:
        groups = (root / "proc/self/cgroup").read_text()
    except OSError:
        return None
    for controller, name in _CONTROLLERS:
        own = re.search(rf"^\d+:{controller}:(.*)$", groups, re.MULTILINE)
        if own is None:
            continue
        folder = root / "sys/fs/cgroup" / controller
        # In a container the group's own path may lead nowhere, and the folder is the group.
        for path in (folder / own[1].lstrip("/") / name, folder / name):
            if (count := _count(path)) is not None:
                return count
    return _count(root / "proc/vmstat")


def _count(path: Path) -> int | None:
    try:
        found = re.search(r"^oom_kill (\d+)$", path.read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) if found else None


def end_their_jobs(sessions: Sessions) -> list[str]:
    """Fail the jobs whose process on this machine is gone; their ids.

    To be called where one is known to have been killed for memory.
    """
    host = socket.gethostname()
    with sessions() as session:
        at_work = session.execute(
            select(Job.id, Job.attempt, Job.worker).where(
                Job.state == State.RUNNING, Job.worker.startswith(f"{host}/", autoescape=True)
            )
        ).all()
    ended = []
    for job_id, attempt, worker in at_work:
        if _is_alive(int(str(worker).rpartition("/")[2])):
            continue
        with sessions.begin() as session:
            stage = session.scalars(
                select(JobStage.stage).where(JobStage.job_id == job_id, JobStage.state == "running")
            ).first()
            failure = out_of_memory(read_facts(session, job_id), Stage(stage) if stage else None)
            lease = Lease(job_id, attempt)
            if transitions.fail(session, lease, failure.code, failure.message, failure.hint):
                ended.append(job_id)
    return ended


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
