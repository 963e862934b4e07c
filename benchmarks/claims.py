"""How many jobs a second workers claim on PostgreSQL and Redis, and whether any is run twice.

Two API processes are polled meanwhile. The jobs do nothing (`benchmarks.noop`), so what is measured is the
message, the choice of the next job, the claim, the lease and the end.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
from sqlalchemy import create_engine, insert, make_url, select, text

from app.broker import Broker
from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.migrate import upgrade
from app.db.session import make_engine
from app.db.tables import Dataset, Event, Job
from app.jobs.schemas import JobSpec
from benchmarks.service import ROOT, free_port

OWNERS = 5


def measure(folder: Path, postgres: str, redis: str, jobs: int = 10_000) -> list[str]:
    """Four workers on all jobs, then one worker on a quarter of them."""
    four, detail = _claimed(folder / "four", postgres, redis, jobs, workers=4)
    one, detail_of_one = _claimed(folder / "one", postgres, redis, jobs // 4, workers=1)
    return [
        f"4 workers, 2 APIs: {jobs} jobs in {jobs / four:.1f} s, {four:.0f} a second; {detail}",
        f"1 worker, 2 APIs: {jobs // 4} jobs in {jobs / 4 / one:.1f} s, {one:.0f} a second; {detail_of_one}",
        f"Four workers claim {four / one:.2f} times as fast as one, on {os.cpu_count()} cores.",
    ]


def _claimed(folder: Path, postgres: str, redis: str, jobs: int, workers: int) -> tuple[float, str]:
    folder.mkdir()
    (folder / "blobs" / "incoming").mkdir(parents=True)
    with _database(postgres) as url:
        engine = make_engine(url)
        upgrade(engine)
        _post(url, jobs)
        ports = [free_port(), free_port()]
        env = {name: value for name, value in os.environ.items() if not name.startswith("MODEL_TRANSFER_")}
        env |= {
            "MODEL_TRANSFER_DATA_DIR": str(folder),
            "MODEL_TRANSFER_DATABASE_URL": url,
            "MODEL_TRANSFER_BROKER_URL": redis,
            "MODEL_TRANSFER_JOBS_PER_PROCESS": "1000000",
            "MODEL_TRANSFER_LOG_LEVEL": "error",
        }
        celery = [
            sys.executable,
            "-m",
            "celery",
            "-q",
            "-A",
            "benchmarks.noop",
            "worker",
            "--loglevel",
            "error",
        ]
        commands = [[sys.executable, "-m", "app", "api"]] * 2 + [celery] * workers
        given = [{"MODEL_TRANSFER_PORT": str(port)} for port in ports] + [{} for _ in range(workers)]
        broker = Broker(redis)
        broker.empty()
        processes = [
            subprocess.Popen([*command, *_name(number, command)], cwd=ROOT, env={**env, **more})
            for number, (command, more) in enumerate(zip(commands, given, strict=True))
        ]
        over = threading.Event()
        try:
            while len(broker.workers(1.0)) < workers:
                pass
            for port in ports:
                _wait_for_api(port)
            answers: list[int] = []
            pollers = [threading.Thread(target=_poll, args=(port, over, answers)) for port in ports]
            for poller in pollers:
                poller.start()
            begun = time.monotonic()
            for _ in range(jobs):
                broker.notify()
            with engine.connect() as connection:
                while connection.scalar(text("SELECT count(*) FROM jobs WHERE finished_at IS NULL")):
                    connection.rollback()
                    time.sleep(0.05)
            seconds = time.monotonic() - begun
            over.set()
            for poller in pollers:
                poller.join()
            detail = f"{_twice(url, jobs)}, {_summary(answers)}"
        finally:
            over.set()
            for process in processes:
                process.send_signal(signal.SIGTERM)
            for process in processes:
                process.wait(60)
            broker.close()
            engine.dispose()
    return jobs / seconds, detail


def _name(number: int, command: Sequence[str]) -> list[str]:
    return ["--hostname", f"noop-{number}@%h", "--concurrency", "1"] if "celery" in command else []


def _wait_for_api(port: int, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            httpx2.get(f"http://127.0.0.1:{port}/healthz").raise_for_status()
            return
        except httpx2.TransportError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.1)


def _poll(port: int, over: threading.Event, answers: list[int]) -> None:
    """Ask for the newest jobs until `over`; the status of each answer, 0 where there was none."""
    with httpx2.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
        while not over.wait(0.1):
            try:
                answers.append(client.get("/v1/jobs").status_code)
            except httpx2.TransportError:
                answers.append(0)


def _summary(answers: Sequence[int]) -> str:
    if set(answers) != {200}:
        counts = ", ".join(f"{status}: {answers.count(status)}" for status in sorted(set(answers))) or "none"
        raise RuntimeError(f"Expected both APIs to answer 200 each time. Received: {counts}.")
    return f"{len(answers)} lists of jobs answered meanwhile"


def _spec() -> dict[str, Any]:
    network: dict[str, Any] = {"kind": "mlp"}
    asked = {"method": {"kind": "parameter"}, "training": {}, "evaluation": {}, "source_training": None}
    return JobSpec.model_validate({**asked, "network": network, "source_network": network}).model_dump(
        mode="json"
    )


def _post(url: str, jobs: int) -> None:
    """So many jobs of a few owners, as if they had been posted."""
    engine, spec = make_engine(url), _spec()
    about = {"name": "d", "version": 1, "kind": "tabular", "filename": "d.csv", "media_type": "text/csv"}
    facts = {
        "description": {},
        "profile": {},
        "warnings": [],
        "preview": [],
        "extra": {},
        "rows": 1,
        "size": 1,
        "rows_digest": "1" * 64,
        "rows_size": 1,
    }
    whose = {"workspace_id": DEFAULT_WORKSPACE}
    with engine.begin() as connection:
        connection.execute(insert(Dataset).values(id="ds_1", digest="0" * 64, **whose, **about, **facts))
        rows = [
            {
                **whose,
                "id": f"job_{number:06d}",
                "name": f"job-{number}",
                "model": "m",
                "spec": spec,
                "extra": {},
                "source_dataset_id": "ds_1",
                "target_dataset_id": "ds_1",
                "max_attempts": 3,
                "owner": f"owner-{number % OWNERS}",
            }
            for number in range(jobs)
        ]
        connection.execute(insert(Job), rows)
    engine.dispose()


def _twice(url: str, jobs: int) -> str:
    engine = make_engine(url)
    with engine.connect() as connection:
        started = connection.scalars(select(Event.job_id).where(Event.type == "job.started")).all()
        ended = connection.scalars(select(Event.job_id).where(Event.type == "job.succeeded")).all()
        attempts = connection.scalar(text("SELECT max(attempt) FROM jobs"))
    engine.dispose()
    if not (len(started) == len(set(started)) == len(ended) == len(set(ended)) == jobs and attempts == 1):
        raise RuntimeError(
            f"Expected {jobs} jobs to be run once each. Received: {len(started)} claims, {len(ended)} ends, "
            f"{attempts} attempts at one."
        )
    return "none claimed or ended twice"


@contextmanager
def _database(postgres: str) -> Iterator[str]:
    name = f"claims_{uuid.uuid4().hex}"
    admin = create_engine(postgres, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(postgres).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()
