"""Processes die at random while jobs run; afterwards every job must have ended as if none had.

`make chaos` runs it for long: `python -m tests.e2e.chaos --kills 200 --jobs 60`, on SQLite with the bundled
broker, and on a PostgreSQL and a Redis of its own (whose programs must be installed).
`test_chaos.py` is the short form.
"""

from __future__ import annotations

import csv
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import httpx2
import psutil
import typer
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError, SQLAlchemyError

from app.access import keys, workspaces
from app.access.keyring import KNOWN_SECONDS
from app.broker import Broker
from app.db.clock import UTCDateTime
from app.db.session import make_engine, make_sessions
from app.db.tables import Base
from app.jobs import sweeper
from app.storage import Storage
from tests.conftest import free_port
from tests.workers.transfer import examples

LEASE_SECONDS = 2.0
JOB_SECONDS = 600.0
FILE_LIMIT = 4096
ANY_AGE = 1e6
HASTE = {
    "LEASE_SECONDS": f"{LEASE_SECONDS}",
    "HEARTBEAT_SECONDS": "0.3",
    "SWEEP_SECONDS": "0.3",
    "RESEND_SECONDS": "2",
    "CHECKPOINT_SECONDS": "0.1",
    "ORPHAN_SECONDS": "20",
    "STOP_GRACE_SECONDS": "4",
    # Three kills in a row before anything is kept are no wonder here.
    "MAX_ATTEMPTS": "50",
    "LOG_LEVEL": "warning",
}
WEIGHTS = {"serve": 1, "worker": 2, "database": 2, "broker": 3, "api": 4, "sweeper": 4, "job": 8}
"""How often each part is struck: those oftener that the others depend on less."""

STRIKES = {
    "kill job": 30,
    "kill any": 25,
    "term any": 15,
    "freeze": 6,
    "no disk": 6,
    "no storage": 6,
    "no messages": 6,
    "twice": 6,
    "clock": 5,
    "no database": 3,
}
"""How often each thing is done."""

METHODS: list[dict[str, Any]] = [
    {"kind": "parameter", "strategy": "full"},
    {"kind": "combined", "strategy": "adapter"},
    {"kind": "distillation", "strategy": "logits"},
    {"kind": "parameter", "strategy": "lp_ft", "wise_ft": True},
    {"kind": "structure", "trials": 2},
    {"kind": "parameter", "strategy": "lora"},
    {"kind": "combined", "strategy": "side_tuning"},
    {"kind": "parameter", "strategy": "gradual"},
    {"kind": "distillation", "strategy": "hints"},
    {"kind": "parameter", "strategy": "full", "regulariser": "l2_sp"},
]
NETWORKS: dict[str, dict[str, Any]] = {
    "tabular": {"kind": "mlp", "hidden_units": [16, 16], "dropout": 0.2},
    **{kind: networks[0] for kind, networks in examples.NETWORKS.items()},
}


def training(number: int) -> dict[str, Any]:
    """So many epochs at one rate, or in updates, with rates chosen in folds or on validation rows."""
    if number % 3 == 0:
        return {"epochs": 20, "learning_rate": 0.005}
    budget = {"round_updates": 20, "min_updates": 60, "patience_updates": 40, "max_updates": 120}
    folds = {"least_validation_rows": 1000 if number % 3 == 1 else 0, "search_folds": 2}
    return {"learning_rates": [0.001, 0.005], "budget": budget | folds}


def job(number: int) -> dict[str, Any]:
    """The request of this number: methods and kinds of data mixed, each with another seed."""
    kind = list(NETWORKS)[number % len(NETWORKS)]
    augment = {"image": ["safe"], "sequence": ["reverse_complement"]}.get(kind)
    return {
        "name": f"chaos-{number}",
        "model": f"model-{number}",
        "source": {"dataset": f"{kind}-source"},
        "target": {"dataset": f"{kind}-target"},
        "method": METHODS[number % len(METHODS)],
        "network": NETWORKS[kind],
        "training": {"batch_size": 2, "seed": number, "augment": augment, **training(number)},
        "evaluation": {
            "seeds": 1 + number % 2,
            "folds": 2 if number % 8 == 7 else 0,
            "repeats": 1,
            "draws": 1000,
            "arms": ["random_frozen"] if number % 4 == 1 else [],
            "few_shot": [4] if number % 4 == 2 else [],
        },
        "owner": f"owner-{number % 3}",
    }


def write_data(folder: Path) -> dict[str, Path]:
    """A source and a target of each kind of data, by name."""
    made = {}
    for seed, part in enumerate(("source", "target")):
        for kind in NETWORKS:
            path = folder / f"{kind}-{part}.{'zip' if kind == 'image' else 'csv'}"
            if kind == "image":
                _write_images(path, seed)
            else:
                _write_rows(path, kind, seed)
            made[path.stem] = path
    return made


def _write_rows(path: Path, kind: str, seed: int) -> None:
    draw = random.Random(seed)
    if kind == "tabular":
        numbers = [[draw.gauss(0, 1) for _ in range(3)] for _ in range(100)]
        rows: list[tuple[Any, ...]] = [("a", "b", "c", "y")]
        rows += [(*(f"{x:.4f}" for x in row), "yes" if row[0] > row[1] else "no") for row in numbers]
    else:
        data = examples.make(kind, "multiclass", seed=seed, rows=100).train
        rows = [(kind, "y"), *zip(data.inputs[kind], (f"c{n}" for n in data.targets), strict=True)]
    with path.open("w", newline="") as file:
        csv.writer(file).writerows(rows)


def _write_images(path: Path, seed: int) -> None:
    import zipfile

    data = examples.make("image", "multiclass", seed=seed, rows=100).train
    with zipfile.ZipFile(path, "w") as archive:
        for number, (picture, y) in enumerate(zip(data.inputs["image"], data.targets, strict=True)):
            archive.writestr(f"c{y}/{number}.png", picture)


@dataclass
class Stack:
    """A service that is driven over HTTP, and the processes that may die."""

    address: str
    data_dir: Path
    database_url: str
    broker_url: str
    start: dict[str, Callable[[], subprocess.Popen[bytes]]]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)
    over: threading.Event = field(default_factory=threading.Event)
    restarts: Counter[str] = field(default_factory=Counter)
    away: set[str] = field(default_factory=set)
    """What is not started again for now."""
    key: str = ""
    """What requests are sent with, where the service has keys."""

    def keep_alive(self) -> None:
        """Start what ended again, as an operating system's service manager would."""
        while not self.over.wait(0.1):
            for name, process in self.running.items():
                if process.poll() is not None and name not in self.away and not self.over.is_set():
                    self.restarts[name] += 1
                    self.running[name] = self.start[name]()

    def processes(self) -> dict[str, list[psutil.Process]]:
        """What may be killed, by its part in the service."""
        found: dict[str, list[psutil.Process]] = {}
        for name, process in list(self.running.items()):
            with suppress(psutil.NoSuchProcess):
                top = psutil.Process(process.pid)
                for one in [top, *top.children(recursive=True)]:
                    with suppress(psutil.NoSuchProcess):
                        found.setdefault(_part(name, one), []).append(one)
        return found

    def http(self, method: str, path: str, **options: Any) -> httpx2.Response:
        """Send until an answer comes that is no 503 nor 502."""
        deadline = time.monotonic() + 240
        if self.key:
            options["headers"] = {**options.get("headers", {}), "Authorization": f"Bearer {self.key}"}
        while True:
            with suppress(httpx2.TransportError):
                with httpx2.Client(base_url=self.address, timeout=30) as client:
                    answer = client.request(method, path, **options)
                if answer.status_code < 500:
                    return answer
            assert time.monotonic() < deadline, f"{method} {path} was not answered"
            time.sleep(0.2)

    def stop(self) -> None:
        """Stop all of it; the first to start goes last."""
        self.over.set()
        for name in reversed(list(self.running)):
            process = self.running[name]
            number = signal.SIGINT if name == "postgres" else signal.SIGTERM
            with suppress(ProcessLookupError):
                process.send_signal(number)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _part(name: str, process: psutil.Process) -> str:
    words = process.cmdline()
    command = " ".join(words)
    parent = process.parent()
    if "celery" in command:
        in_worker = parent is not None and "celery" in " ".join(parent.cmdline())
        return "job" if in_worker else "worker"
    for part in ("serve", "api", "sweeper"):
        if words[1:4] == ["-m", "app", part]:
            return part
    if "broker.sock" in command or "redis-server" in command:
        return "broker"
    if "postgres" in command:
        return "database" if name == "postgres" and process.pid == _pid(name, process) else "backend"
    return "other"


def _pid(name: str, process: psutil.Process) -> int:
    parent = process.parent()
    return process.pid if parent is None or "postgres" not in " ".join(parent.cmdline()) else parent.pid


@contextmanager
def embedded(folder: Path) -> Iterator[Stack]:
    """SQLite, a local folder, the bundled broker: what `serve` starts."""
    port, data_dir = free_port(), folder / "data"
    env = _environment(data_dir, port)
    stack = Stack(
        address=f"http://127.0.0.1:{port}",
        data_dir=data_dir,
        database_url=f"sqlite:///{data_dir / 'model-transfer.db'}",
        broker_url=f"redis+socket://{data_dir / 'broker' / 'broker.sock'}",
        start={"serve": lambda: _run([sys.executable, "-m", "app", "serve"], env, folder / "serve.log")},
    )
    with _started(stack):
        yield stack


@contextmanager
def cluster(folder: Path) -> Iterator[Stack]:
    """A PostgreSQL, a Redis, two APIs behind one port each, two workers, a predictor and a sweeper."""
    port, data_dir, postgres_port, redis_port = free_port(), folder / "data", free_port(), free_port()
    data_dir.mkdir(parents=True)
    place = Path(tempfile.mkdtemp(prefix="chaos-postgres-"))  # its account must get there
    start = postgres(place / "pg", postgres_port)
    database_url = f"postgresql+psycopg://postgres@127.0.0.1:{postgres_port}/postgres"
    broker_url = f"redis://127.0.0.1:{redis_port}/0"
    (folder / "redis").mkdir()
    redis = ["redis-server", "--port", f"{redis_port}", "--dir", f"{folder / 'redis'}", "--appendonly", "yes"]
    env = _environment(data_dir, port) | {
        "MODEL_TRANSFER_DATABASE_URL": database_url,
        "MODEL_TRANSFER_BROKER_URL": broker_url,
    }

    def python(verb: str, log: str) -> Callable[[], subprocess.Popen[bytes]]:
        return lambda: _run([sys.executable, "-m", "app", verb], env, folder / f"{log}.log")

    stack = Stack(
        address=f"http://127.0.0.1:{port}",
        data_dir=data_dir,
        database_url=database_url,
        broker_url=broker_url,
        start={
            "postgres": start,
            "redis": lambda: _run([*redis, "--save", ""], env, folder / "redis.log"),
            "api": python("api", "api"),
            "sweeper": python("sweeper", "sweeper"),
            "predictor": python("predictor", "predictor"),
            "worker": python("worker", "worker"),
            "worker 2": python("worker", "worker-2"),
        },
    )
    stack.running["postgres"] = start()
    wait_for_database(database_url)
    subprocess.run([sys.executable, "-m", "app", "migrate"], env=env, check=True, stderr=subprocess.DEVNULL)
    try:
        with _started(stack):
            yield stack
    finally:
        shutil.rmtree(place)


def postgres(folder: Path, port: int, network: str = "") -> Callable[[], subprocess.Popen[bytes]]:
    """A server of our own; PostgreSQL does not run as root."""
    folder.mkdir()
    account: dict[str, Any] = {}
    if os.geteuid() == 0:
        account = {"user": "postgres", "group": "postgres"}
        shutil.chown(folder, "postgres", "postgres")
        folder.parent.chmod(0o755)
    initdb = [shutil.which("initdb") or "initdb", "-D", str(folder), "-U", "postgres", "-A", "trust"]
    subprocess.run([*initdb, "--no-instructions"], check=True, stdout=subprocess.DEVNULL, cwd="/", **account)
    command = ["postgres", "-D", str(folder), "-p", str(port), "-k", str(folder), "-c", "fsync=off"]
    if network:
        command += ["-c", "listen_addresses=*"]
        with (folder / "pg_hba.conf").open("a") as rules:
            rules.write(f"host all all {network} trust\n")

    def start() -> subprocess.Popen[bytes]:
        with (folder.parent / "postgres.log").open("ab") as log:
            return subprocess.Popen(command, stdout=log, stderr=log, cwd="/", **account)

    return start


def wait_for_database(url: str) -> None:
    """Until it answers."""
    engine = create_engine(url)
    deadline = time.monotonic() + 30
    while True:
        try:
            with engine.connect() as connection:
                connection.execute(text("SELECT 1"))
            engine.dispose()
            return
        except OperationalError:
            assert time.monotonic() < deadline
            time.sleep(0.1)


def _environment(data_dir: Path, port: int) -> dict[str, str]:
    given = {"DATA_DIR": str(data_dir), "PORT": str(port), **HASTE}
    return {**os.environ, **{f"MODEL_TRANSFER_{name}": value for name, value in given.items()}}


def _run(command: list[str], env: dict[str, str], log: Path) -> subprocess.Popen[bytes]:
    with log.open("ab") as file:
        return subprocess.Popen(command, env=env, stdout=file, stderr=file)


@contextmanager
def _started(stack: Stack) -> Iterator[Stack]:
    for name, start in stack.start.items():
        if name not in stack.running:
            stack.running[name] = start()
    thread = threading.Thread(target=stack.keep_alive, daemon=True)
    thread.start()
    try:
        assert stack.http("GET", "/readyz").status_code == 200
        yield stack
    finally:
        stack.over.set()
        thread.join()
        stack.stop()


@dataclass
class Havoc:
    """Does one thing at a time to a running stack, drawn from its seed."""

    stack: Stack
    seed: int
    weights: dict[str, int]
    done: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.draw = random.Random(self.seed)

    @property
    def kills(self) -> int:
        """Processes that were sent SIGKILL or SIGTERM; what else was done is not counted."""
        return sum(count for what, count in self.done.items() if what.startswith("SIG"))

    def strike(self) -> None:
        """Kill a process, freeze one, or take something away for a moment."""
        what = self.draw.choices(list(STRIKES), list(STRIKES.values()))[0]
        try:
            told = getattr(self, "_" + what.replace(" ", "_"))()
        except (psutil.Error, OSError):
            return
        if told:
            self.done[told] += 1

    def _choose(self, *parts: str) -> tuple[str, psutil.Process] | None:
        found = self.stack.processes()
        known = [part for part in found if not parts or part in parts]
        known = sorted(part for part in known if part in self.weights)
        # What starts is struck as well, but not so often that nothing ever gets to run.
        if not known or ("job" not in found and self.draw.random() > 0.2):
            return None
        part = self.draw.choices(known, [self.weights[part] for part in known])[0]
        return part, self.draw.choice(found[part])

    def _kill_job(self) -> str | None:
        return self._signal(signal.SIGKILL, "job")

    def _kill_any(self) -> str | None:
        return self._signal(signal.SIGKILL)

    def _term_any(self) -> str | None:
        return self._signal(signal.SIGTERM, "job", "worker", "api", "sweeper", "serve", "broker")

    def _signal(self, number: signal.Signals, *parts: str) -> str | None:
        if (chosen := self._choose(*parts)) is None:
            return None
        part, process = chosen
        process.send_signal(number)
        return f"{number.name} {part}"

    def _freeze(self) -> str | None:
        if (chosen := self._choose("job")) is None:
            return None
        chosen[1].suspend()
        time.sleep(LEASE_SECONDS + 1.5)
        chosen[1].resume()
        return "frozen past its lease: job"

    def _no_disk(self) -> str | None:
        """No file may grow beyond 4 KB for a while: what writes meets an error, as on a full disk."""
        if (chosen := self._choose("job")) is None:
            return None
        before = chosen[1].rlimit(psutil.RLIMIT_FSIZE)
        chosen[1].rlimit(psutil.RLIMIT_FSIZE, (FILE_LIMIT, before[1]))
        time.sleep(1)
        chosen[1].rlimit(psutil.RLIMIT_FSIZE, before)
        return "disk full: job"

    def _no_storage(self) -> str | None:
        blobs = self.stack.data_dir / "blobs"
        away = blobs.with_name("away")
        blobs.rename(away)
        time.sleep(1)
        assert not blobs.exists(), "the storage was made anew while it was away"
        away.rename(blobs)
        return "storage gone and back"

    def _clock(self) -> str | None:
        """Move every moment in the database and of every file, as if the clock had moved the other way."""
        seconds = self.draw.choice([-3600, 3600])
        set_clock(self.stack, -seconds)
        return f"clock set {'back' if seconds > 0 else 'forward'} an hour"

    def _no_database(self) -> str | None:
        if "postgres" not in self.stack.running:
            return None
        without_database(self.stack, 6)
        return "database away for 6 s"

    def _no_messages(self) -> str | None:
        broker = Broker(self.stack.broker_url)
        with suppress(Exception):  # it may be down this moment
            broker.empty()
        broker.close()
        return "broker emptied"

    def _twice(self) -> str | None:
        broker = Broker(self.stack.broker_url)
        with suppress(Exception):
            broker.notify()
            broker.notify()
        broker.close()
        return "messages sent twice"


def set_clock(stack: Stack, seconds: float) -> None:
    """Move every moment in the database and of every file the other way."""
    engine = make_engine(stack.database_url)
    moved = "interval '1 second' * :by" if engine.dialect.name == "postgresql" else ""
    with suppress(SQLAlchemyError), make_sessions(engine).begin() as session:
        for table in Base.metadata.sorted_tables:
            for column in table.columns:
                if isinstance(column.type, UTCDateTime):
                    later = (
                        f"{column.name} + {moved}"
                        if moved
                        else f"strftime('%Y-%m-%d %H:%M:%f000', {column.name}, :by || ' seconds')"
                    )
                    change = text(f"UPDATE {table.name} SET {column.name} = {later}")
                    session.execute(change, {"by": -seconds})
    engine.dispose()
    for path in (stack.data_dir / "blobs").glob("[0-9a-f][0-9a-f]/*"):
        with suppress(FileNotFoundError):
            moment = path.stat().st_mtime - seconds
            os.utime(path, (moment, moment))


def without_database(stack: Stack, seconds: float) -> None:
    """Stop PostgreSQL and start it again so much later."""
    stack.away.add("postgres")
    stack.running["postgres"].send_signal(signal.SIGINT)
    stack.running["postgres"].wait(30)
    time.sleep(seconds)
    stack.away.remove("postgres")


@dataclass
class Findings:
    """What the end of a run came to, against the same jobs undisturbed."""

    jobs: int
    count: int
    kills: Counter[str]
    attempts: int
    seconds: float
    lost: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    differing: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)

    def lines(self) -> list[str]:
        """For a reader."""
        told = ", ".join(f"{what} {count}" for what, count in sorted(self.kills.items()))
        return [
            f"{self.jobs} jobs, {self.count} kills in {self.seconds:.0f} s, "
            f"{self.attempts} attempts: {told}.",
            f"lost {len(self.lost)}, duplicated {len(self.duplicated)}, "
            f"differing from the undisturbed run {len(self.differing)}, orphan files {len(self.orphans)}, "
            f"seen of another workspace {len(self.seen)}",
            *self.lost,
            *self.duplicated,
            *self.differing,
            *self.orphans,
            *self.seen,
        ]

    @property
    def is_clean(self) -> bool:
        """Nothing to complain of."""
        return not (self.lost or self.duplicated or self.differing or self.orphans or self.seen)


Outcome = tuple[str, dict[str, Any]]


def outcomes(stack: Stack, count: int) -> dict[str, Outcome]:
    """Digest of the weights and result of each job that succeeded, by name."""
    told = {}
    for number in range(count):
        ended = stack.http("GET", f"/v1/jobs/chaos-{number}").json()
        if ended.get("state") == "succeeded":
            model, _, version = ended["result"]["version"].partition("@")
            made = stack.http("GET", f"/v1/models/{model}@{version}").json()
            told[ended["name"]] = (made["weights_sha256"], _result(ended["result"]))
    return told


def _result(result: dict[str, Any]) -> dict[str, Any]:
    """What is the same for equal jobs: all but names, and seconds."""
    cost = {
        arm: cost["updates"]
        for arm, cost in result["cost"].items()
        if cost is not None and "updates" in cost and arm != "saved"
    }
    same = ("verdict", "verdict_details", "gain", "metrics", "choices", "control")
    return {name: result[name] for name in same} | {"updates": cost}


def upload(stack: Stack, files: dict[str, Path]) -> None:
    """Every data set, whatever happens meanwhile; sent again where the answer was lost."""
    for name, path in files.items():
        kind = name.partition("-")[0]
        fields = {"name": name, "kind": kind} | ({} if kind == "image" else {"label": "y"})
        file, key = {"file": (path.name, path.read_bytes())}, {"Idempotency-Key": f"upload {name}"}
        answer = stack.http("POST", "/v1/datasets", data=fields, files=file, headers=key)
        assert answer.status_code == 201, answer.text


def post(stack: Stack, number: int) -> None:
    """Post a job, again where the answer was lost."""
    answer = stack.http("POST", "/v1/jobs", json=job(number), headers={"Idempotency-Key": f"job {number}"})
    assert answer.status_code == 202, answer.text


def wait(stack: Stack, count: int, seconds: float) -> None:
    """Until every job has ended."""
    deadline = time.monotonic() + seconds
    for number in range(count):
        while not stack.http("GET", f"/v1/jobs/chaos-{number}", params={"wait": 5}).json().get("terminal"):
            if time.monotonic() > deadline:
                return


def undisturbed(stack: Stack, files: dict[str, Path], count: int) -> dict[str, Outcome]:
    """The same jobs on a service that nothing happens to."""
    upload(stack, files)
    for number in range(count):
        post(stack, number)
    wait(stack, count, JOB_SECONDS * count)
    found = outcomes(stack, count)
    assert len(found) == count, stack.http("GET", "/v1/jobs", params={"state": "failed"}).text
    return found


def disturbed(
    stack: Stack,
    files: dict[str, Path],
    expected: dict[str, Outcome],
    kills: int,
    seed: int,
    pause: float = 1.5,
    say: Callable[[str], None] = lambda line: None,
    weights: dict[str, int] | None = None,
    workspaces: int = 1,
) -> Findings:
    """Upload, post and wait while processes die; then compare.

    Several workspaces do all of it beside each other, under equal names and idempotency keys.
    """
    begun, count, havoc = time.monotonic(), len(expected), Havoc(stack, seed, weights or WEIGHTS)
    callers = (
        [stack] if workspaces == 1 else [replace(stack, key=key) for key in make_keys(stack, workspaces)]
    )
    total = count * len(callers)
    fed = threading.Event()
    problems: list[str] = []

    def feed() -> None:
        try:
            for caller in callers:
                upload(caller, files)
            for number in range(count):
                for caller in callers:
                    post(caller, number)
        except (AssertionError, httpx2.HTTPError) as error:
            problems.append(f"not accepted: {error!r}")
        fed.set()

    threading.Thread(target=feed, daemon=True).start()
    told = 0
    while havoc.kills < kills:
        # Where the jobs are ahead of the kills, these come faster.
        left = _open(stack, total)
        slow = min(6.0, max(0.1, (left / total) / (1 - havoc.kills / kills)))
        time.sleep(havoc.draw.expovariate(1 / (pause * slow)))
        _wait_for_work(stack)
        havoc.strike()
        if havoc.kills >= told + 20:
            told = havoc.kills
            say(f"{told} kills, {_states(stack)}")
    fed.wait(600)
    for caller in callers:
        wait(caller, count, 300 + 30 * total)
    findings = Findings(
        total, havoc.kills, havoc.done, _attempts(stack), time.monotonic() - begun, lost=problems
    )
    for caller in callers:
        found = outcomes(caller, count)
        for name, outcome in expected.items():
            if name not in found:
                findings.lost.append(f"{name}: {_why(caller, name)}")
            elif found[name] != outcome:
                findings.differing.append(f"{name}: {found[name]} instead of {outcome}")
    findings.seen = _seen(callers)
    findings.duplicated = _duplicated(stack)
    findings.orphans = _orphans(stack)
    return findings


def make_keys(stack: Stack, count: int) -> list[str]:
    """A key for each of so many workspaces, which are made."""
    engine = make_engine(stack.database_url)
    made = []
    with make_sessions(engine).begin() as session:
        for number in range(count):
            workspace = workspaces.create(session, f"workspace-{number}")
            made.append(keys.create(session, "chaos", "admin", workspace, None)[1])  # names owners
    engine.dispose()
    time.sleep(KNOWN_SECONDS)  # until every process knows that keys are needed
    return made


def _seen(callers: list[Stack]) -> list[str]:
    """What one workspace finds of another's, by list or by id; and sources that were taken from it."""
    listed = {
        caller.key: {
            f"/v1/{what}/{one['id']}"
            for what in ("jobs", "datasets")
            for one in caller.http("GET", f"/v1/{what}", params={"limit": 1000}).json()["data"]
        }
        for caller in callers
    }
    found = [f"{place} is listed twice" for place, count in _counted(listed).items() if count > 1]
    for caller in callers:
        others = set().union(*(places for key, places in listed.items() if key != caller.key))
        found += [place for place in others if caller.http("GET", place).status_code != 404]
    return found


def _counted(listed: dict[str, set[str]]) -> Counter[str]:
    return Counter(place for places in listed.values() for place in places)


def _query(stack: Stack, statement: str) -> list[Any]:
    engine = make_engine(stack.database_url)
    with make_sessions(engine)() as session:
        rows = list(session.execute(text(statement)))
    engine.dispose()
    return rows


def _states(stack: Stack) -> str:
    with suppress(Exception):
        rows = _query(stack, "SELECT state, count(*) FROM jobs GROUP BY state ORDER BY state")
        return ", ".join(f"{count} {state}" for state, count in rows)
    return "no database this moment"


def _wait_for_work(stack: Stack, seconds: float = 3) -> None:
    """Until a job runs, as long as any may: where all wait for their next try, a kill would prove little."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            states = {row[0] for row in _query(stack, "SELECT DISTINCT state FROM jobs")}
        except SQLAlchemyError:  # it was killed a moment ago
            return
        if "running" in states or "queued" not in states:
            return
        time.sleep(0.2)


def _open(stack: Stack, count: int) -> int:
    """Jobs of so many that have not ended; one where the database does not answer."""
    with suppress(Exception):
        return count - int(_query(stack, "SELECT count(*) FROM jobs WHERE finished_at IS NOT NULL")[0][0])
    return 1


def _attempts(stack: Stack) -> int:
    return int(_query(stack, "SELECT coalesce(sum(attempt), 0) FROM jobs")[0][0])


def _why(stack: Stack, name: str) -> str:
    known = stack.http("GET", f"/v1/jobs/{name}").json()
    return f"{known.get('state')}, attempt {known.get('attempt')}, {known.get('error')}"


def _duplicated(stack: Stack) -> list[str]:
    """Jobs with several versions or ends, models with several versions, data sets that came twice."""
    twice = "SELECT job_id, count(*) FROM versions GROUP BY job_id HAVING count(*) > 1"
    ends = (
        "SELECT job_id, count(*) FROM events WHERE type = 'job.succeeded' GROUP BY job_id HAVING count(*) > 1"
    )
    several = "SELECT model, max(number) FROM versions GROUP BY workspace_id, model HAVING max(number) > 1"
    uploads = "SELECT name, max(version) FROM datasets GROUP BY workspace_id, name HAVING max(version) > 1"
    queries = (twice, ends, several, uploads)
    return [f"{row[0]}: {row[1]}" for query in queries for row in _query(stack, query)]


def _orphans(stack: Stack) -> list[str]:
    """Files that a sweep leaves although nothing refers to them, and needed ones that are not whole."""
    storage, engine = Storage(stack.data_dir / "blobs"), make_engine(stack.database_url)
    sessions = make_sessions(engine)
    sweeper.forget_parts(sessions, retry_seconds=0)
    for digest in sweeper.orphans(sessions, storage, seconds=-ANY_AGE, retry_seconds=0):
        storage.discard(digest, seconds=-ANY_AGE)
    with sessions() as session:
        kept = sweeper.referenced(session, retry_seconds=0)
    engine.dispose()
    left = {path.name for path in storage.folder.glob("[0-9a-f][0-9a-f]/*")}
    broken = [digest for digest in kept if not storage.is_intact(digest)]
    incoming = [path.name for path in (storage.folder / "incoming").iterdir()]
    return [f"orphan {one}" for one in left - kept] + [f"missing {one}" for one in broken] + incoming


def digest_of(found: dict[str, Outcome]) -> str:
    """One digest of all weights."""
    return hashlib.sha256("".join(sorted(one[0] for one in found.values())).encode()).hexdigest()[:16]


def main(
    kills: int = 200,
    jobs: int = 60,
    seed: int = 0,
    stack: str = "both",
    pause: float = 1.5,
    workspaces: int = 1,
) -> None:
    """Run both stacks for long and tell what was lost; exit 1 if anything was."""
    stacks = {"SQLite and the bundled broker": embedded, "PostgreSQL and Redis": cluster}
    if stack != "both":
        stacks = {name: one for name, one in stacks.items() if one.__name__ == stack}
    clean = True
    with tempfile.TemporaryDirectory(prefix="chaos-") as place:
        folder = Path(place)
        files = write_data(folder)
        say: Callable[[str], None] = lambda line: print(line, flush=True)  # noqa: E731, T201
        (folder / "calm").mkdir()
        begun = time.monotonic()
        with embedded(folder / "calm") as calm:
            expected = undisturbed(calm, files, jobs)
        say(f"Undisturbed: {jobs} jobs in {time.monotonic() - begun:.0f} s, weights {digest_of(expected)}")
        for name, make in stacks.items():
            of_stack = folder / make.__name__
            of_stack.mkdir()
            with make(of_stack) as one:
                findings = disturbed(one, files, expected, kills, seed, pause, say, workspaces=workspaces)
            say("\n".join([f"{name}:", *findings.lines()]))
            clean = clean and findings.is_clean
            if not findings.is_clean:
                kept = Path(tempfile.mkdtemp(prefix="chaos-kept-"))
                shutil.copytree(
                    of_stack, kept / make.__name__, ignore=shutil.ignore_patterns("*.sock", "blobs")
                )
                say(f"Its files are kept in {kept}.")
    raise typer.Exit(0 if clean else 1)


if __name__ == "__main__":
    typer.run(main)
