"""Real databases, a real broker: SQLite and the bundled broker always, PostgreSQL and Redis where given.

MODEL_TRANSFER_TEST_POSTGRES_URL is the address of a database that may create others;
MODEL_TRANSFER_TEST_REDIS_URL that of a Redis database that may be emptied.
"""

from __future__ import annotations

import csv
import gc
import os
import random
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import uuid
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import redis
from sqlalchemy import Engine, NullPool, create_engine, make_url, text

from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.migrate import upgrade
from app.db.revision import HEAD
from app.db.session import Sessions, make_engine, make_sessions
from app.db.tables import Base
from app.serving import local_broker
from app.settings import Settings, get_settings
from tests.plain_python import PlainPython, plain_python

PROCESS = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Of the processes that share the tests: each has databases, a broker and ports of its own."""

POSTGRES = os.environ.get("MODEL_TRANSFER_TEST_POSTGRES_URL", "")
_GIVEN = os.environ.get("MODEL_TRANSFER_TEST_REDIS_URL", "")
REDIS = re.sub(r"/(\d+)$", lambda number: f"/{int(number[1]) - PROCESS}", _GIVEN)
DATABASES = ["sqlite", *(["postgresql"] if POSTGRES else [])]


E2E = "tests/e2e"


def pytest_report_header() -> str:
    return f"databases: {', '.join(DATABASES)}; broker: {'redis' if REDIS else 'bundled'}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A process takes a file at a time, or all of the end-to-end tests: they share a running service."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            file: str = super()._split_scope(nodeid)
            return E2E if file.startswith(f"{E2E}/") else file

    if config.getoption("dist") != "loadfile":
        return None
    config.option.loadscopereorder = False
    return Scheduling(config, log)


EACH_DATABASE = (
    "tests/migrations/",
    "tests/app/db/",
    "tests/app/access/test_keys.py",
    "tests/app/access/test_quotas.py",
    "tests/app/access/test_rates.py",
    "tests/app/access/test_workspaces.py",
    "tests/app/jobs/test_following.py",
    "tests/app/jobs/test_retention.py",
    "tests/app/jobs/test_scheduling.py",
    "tests/app/jobs/test_sweeper.py",
    "tests/app/jobs/test_transitions.py",
    "tests/app/models/test_aliases.py",
    "tests/app/test_backup.py",
    "tests/app/test_doctor.py",
    "tests/app/test_idempotency.py",
    "tests/workers/test_failures.py",
    "tests/workers/test_journal.py",
    "tests/workers/test_tasks.py",
    "tests/workers/test_trainings.py",
)
"""Where what is asked of the database, its locks, its orders, its errors, is what the tests are about."""


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Choose the databases of each test, and where processes share the tests, begin with what takes long."""
    for item in items:
        if _is_anothers_turn(item):
            item.add_marker(pytest.mark.slow)
    if "PYTEST_XDIST_WORKER" in os.environ:
        order = (f"{E2E}/", "tests/workers/")
        items.sort(key=lambda item: [not item.nodeid.startswith(folder) for folder in order])


def _is_anothers_turn(item: pytest.Item) -> bool:
    """Whether this test runs on another of the databases by default, and on this one among the slow tests.

    Most tests ask nothing that one of them could answer otherwise: they take turns, by the number that the
    test's name makes. A test that names its only database runs on it.
    """
    if len(DATABASES) == 1 or item.nodeid.startswith(EACH_DATABASE):
        return False
    chosen = getattr(item, "callspec", None)
    if chosen is None or not {"database_url", "shared_client"} & chosen.params.keys():
        return False
    if any("database_url" in mark.args[0] for mark in item.iter_markers("parametrize")):
        return False
    database = chosen.params.get("database_url") or chosen.params["shared_client"]
    # Of a module that shares a client all tests are on one database, so that the other is never made.
    name = item.nodeid.partition("::")[0] if "shared_client" in chosen.params else item.nodeid
    turn = zlib.crc32(re.sub("|".join(DATABASES), "", name).encode()) % len(DATABASES)
    return bool(database != DATABASES[turn])


def pytest_collection_finish() -> None:
    """Look for garbage as a worker does: seldom, and not among what the libraries made."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(autouse=True, scope="session")
def _no_settings_of_the_machine() -> None:
    for name in [name for name in os.environ if name.startswith("MODEL_TRANSFER_")]:
        del os.environ[name]
    get_settings.cache_clear()
    # Hundreds of processes are started, of which each would compile the project's modules anew.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)


@pytest.fixture(scope="session")
def broker_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A broker of the tests' own, or the Redis that was given."""
    if REDIS:
        redis.Redis.from_url(REDIS).flushdb()
        yield REDIS
        return
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(data_dir=Path(folder))
        with subprocess.Popen(local_broker.command(settings)) as process:
            assert local_broker.wait(settings.broker_socket)
            yield settings.effective_broker_url
            process.terminate()


def free_port() -> int:
    """A port of this process that nobody listens on, below those that the system gives out by itself."""
    while True:
        port = random.SystemRandom().randrange(20_000 + 6_000 * PROCESS, 26_000 + 6_000 * PROCESS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    """Ask until it is so, where nothing tells of it by itself."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not become so"
        time.sleep(0.01)


def _new_postgresql(like: str = "template1") -> tuple[str, Callable[[], None]]:
    """The address of a new database, a copy of another, and what drops it."""
    name = f"test_{uuid.uuid4().hex}"
    admin = create_engine(POSTGRES, isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE {like}"))
        # A test's database need not outlive the machine: no commit waits for the disk.
        connection.execute(text(f"ALTER DATABASE {name} SET synchronous_commit = off"))

    def drop() -> None:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()

    return make_url(POSTGRES).set(database=name).render_as_string(hide_password=False), drop


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An SQLite database at the newest revision, to be copied: to migrate each test's own takes longer."""
    path = tmp_path_factory.mktemp("migrated") / "test.db"
    _migrate(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def migrated_postgresql() -> Iterator[str]:
    """The name of such a PostgreSQL database."""
    url, drop = _new_postgresql()
    _migrate(url)
    yield str(make_url(url).database)
    drop()


def _migrate(url: str) -> None:
    engine = make_engine(url)
    upgrade(engine)
    engine.dispose()


@dataclass
class Lending:
    """PostgreSQL databases at the newest revision, each used again once it is emptied.

    To create and to drop one waits for the server's disk: that takes twenty times as long.
    """

    like: str
    free: list[tuple[str, Callable[[], None]]] = field(default_factory=list)

    @contextmanager
    def lent(self) -> Iterator[str]:
        """The address of one that nobody else has until the end of the block."""
        url, drop = self.free.pop() if self.free else _new_postgresql(self.like)
        is_empty = False
        try:
            yield url
            is_empty = _empty(url)
        finally:
            if is_empty:
                self.free.append((url, drop))
            else:
                drop()


def _empty(url: str) -> bool:
    """End all other connections, delete all rows, and let numbers begin at 1 again.

    Answers False where the database is not at the newest revision any more.
    """
    others = "FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    engine = create_engine(url, poolclass=NullPool)
    with engine.begin() as connection:
        if list(connection.scalars(text("SELECT version_num FROM alembic_version"))) != [HEAD]:
            return False
        connection.execute(text(f"SELECT pg_terminate_backend(pid) {others}"))
        # In one statement: rows refer to each other in circles.
        deletes = ", ".join(f"{name}_ AS (DELETE FROM {name})" for name in Base.metadata.tables)
        deletes = deletes.replace("FROM workspaces)", f"FROM workspaces WHERE id <> '{DEFAULT_WORKSPACE}')")
        connection.execute(text(f"WITH {deletes} SELECT 1"))
        connection.execute(text("SELECT setval(sequencename::regclass, 1, false) FROM pg_sequences"))
    return True


@pytest.fixture(scope="session")
def lending(migrated_postgresql: str) -> Iterator[Lending]:
    """The migrated databases of this process."""
    lending = Lending(migrated_postgresql)
    yield lending
    for _, drop in lending.free:
        drop()


@contextmanager
def migrated(request: pytest.FixtureRequest, kind: str, folder: Path) -> Iterator[str]:
    """The address of a database of this kind at the newest revision."""
    if kind == "sqlite":
        shutil.copyfile(request.getfixturevalue("migrated_file"), folder / "test.db")
        yield f"sqlite:///{folder / 'test.db'}"
    else:
        lending: Lending = request.getfixturevalue("lending")
        with lending.lent() as url:
            yield url


@pytest.fixture(params=DATABASES)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A database of each kind there is: empty, or at the newest revision where the test has an `engine`."""
    if "engine" in request.fixturenames:
        with migrated(request, request.param, tmp_path) as url:
            yield url
    elif request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'test.db'}"
    else:
        url, drop = _new_postgresql()
        yield url
        drop()


@pytest.fixture(scope="session")
def plain() -> Iterator[PlainPython]:
    """A Python as a user has it, for the programs of bundles."""
    with plain_python() as plain:
        yield plain


@pytest.fixture(scope="session")
def object_store() -> Iterator[str]:
    """The address of an S3-compatible store with nothing in it: moto's server, a process of its own."""
    port = free_port()
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        deadline = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            except OSError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
        process.terminate()


@pytest.fixture
def bucket(object_store: str) -> dict[str, str]:
    """Settings of a storage in a new bucket."""
    name = f"bucket-{uuid.uuid4().hex}"
    keys = {"aws_access_key_id": "key", "aws_secret_access_key": "secret", "region_name": "us-east-1"}
    boto3.client("s3", endpoint_url=object_store, **keys).create_bucket(Bucket=name)
    return {
        "storage_url": f"s3://{name}/files",
        "storage_endpoint": object_store,
        "storage_access_key": "key",
        "storage_secret_key": "secret",
    }


NewDatabase = Callable[[], str]


@pytest.fixture
def new_database() -> Iterator[NewDatabase]:
    """Make further empty PostgreSQL databases."""
    dropped = []

    def make() -> str:
        url, drop = _new_postgresql()
        dropped.append(drop)
        return url

    yield make
    for drop in dropped:
        drop()


@pytest.fixture
def postgresql_url() -> Iterator[str]:
    """An empty PostgreSQL database."""
    if not POSTGRES:  # a user needs none, and runs the tests all the same
        pytest.skip("no PostgreSQL was given")
    url, drop = _new_postgresql()
    yield url
    drop()


@pytest.fixture
def redis_url() -> str:
    """The Redis that was given."""
    if not REDIS:  # a user needs none, and runs the tests all the same
        pytest.skip("no Redis was given")
    return REDIS


@pytest.fixture
def engine(database_url: str, migrated_file: Path) -> Iterator[Engine]:
    """An engine on a database at the newest revision."""
    url = make_url(database_url)
    if url.get_backend_name() == "sqlite":
        shutil.copyfile(migrated_file, str(url.database))
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


@pytest.fixture
def sessions(engine: Engine) -> Sessions:
    """Sessions on that database."""
    return make_sessions(engine)


@pytest.fixture
def settings(tmp_path: Path, database_url: str, broker_url: str) -> Settings:
    """Settings of a service in a temporary folder."""
    return Settings(data_dir=tmp_path / "data", database_url=database_url, broker_url=broker_url)


WriteCsv = Callable[..., Path]


@pytest.fixture(scope="session")
def write_csv() -> WriteCsv:
    """Write a CSV of rows whose label depends on numbers and a category, some cells missing."""

    def write(path: Path, rows: int, *, seed: int = 0, shift: float = 0.0) -> Path:
        draw = random.Random(seed)
        with path.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["a", "b", "c", "city", "y"])
            for _ in range(rows):
                a, b, c = (draw.gauss(0, 1) for _ in range(3))
                city = draw.choice(["rome", "oslo", ""])
                grade = "pass" if a - b + shift * c + (city == "rome") + draw.gauss(0, 0.3) > 0 else "fail"
                cells = [f"{a:.4f}", f"{b:.4f}" if draw.random() > 0.05 else "", f"{c:.4f}"]
                writer.writerow([*cells, city, grade])
        return path

    return write
