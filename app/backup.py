"""`model-transfer backup`: a copy of database and files that agree, taken while the service runs."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import URL, make_url

from app.db.session import make_engine, make_sessions
from app.jobs.sweeper import referenced
from app.object_storage import storage_of
from app.private_files import make_folder
from app.redaction import without_secrets
from app.settings import Settings
from app.storage import Storage

DATABASE, DUMP, BLOBS = "model-transfer.db", "database.dump", "blobs"
_SECRETS = ("password", "sslpassword")


class CannotBackUp(RuntimeError):
    """What is missing, in one line."""


@dataclass(frozen=True)
class Backup:
    """What was copied; files that an earlier backup to this folder took are not copied again."""

    folder: Path
    files: int
    copied: int


def back_up(settings: Settings, folder: Path) -> Backup:
    """Copy the database first and the files after it: they never change, so none that it names is missing.

    Of SQLite the folder is a data folder that can be served as it is. Of PostgreSQL it holds a dump for
    `pg_restore`.

    Raises:
        CannotBackUp: no `pg_dump`, or a file that the database names is not in the storage.
    """
    make_folder(folder)
    url = make_url(settings.effective_database_url)
    if url.get_backend_name() == "sqlite":
        _copy_sqlite(str(url.database), folder / DATABASE)
        wanted = _wanted(f"sqlite:///{folder / DATABASE}", settings)
    else:
        wanted = _wanted(settings.effective_database_url, settings)
        _dump_postgresql(url, folder / DUMP)
        # What came or went meanwhile may be in the dump or not.
        wanted |= _wanted(settings.effective_database_url, settings)
    storage, backup = storage_of(settings), Storage(folder / BLOBS)
    backup.prepare()
    copied = 0
    for digest in sorted(wanted):
        if not backup.is_intact(digest):
            _copy_file(storage, backup, digest)
            copied += 1
    return Backup(folder, len(wanted), copied)


def _wanted(url: str, settings: Settings) -> set[str]:
    engine = make_engine(url)
    with make_sessions(engine)() as session:
        wanted = referenced(session, settings.retry_seconds)
    engine.dispose()
    return wanted


def _copy_sqlite(source: str, target: Path) -> None:
    """SQLite's own online backup; it takes in what the write-ahead log holds."""
    part = target.with_suffix(".part")
    _make_private(part)
    with closing(sqlite3.connect(source)) as live, closing(sqlite3.connect(part)) as copy:
        live.backup(copy)
    os.replace(part, target)


def _dump_postgresql(url: URL, target: Path) -> None:
    program = shutil.which("pg_dump")
    if program is None:
        raise CannotBackUp(
            "Expected the program pg_dump. Received: none. Install the PostgreSQL client, at least "
            "as new as the server."
        )
    part = target.with_suffix(".part")
    _make_private(part)
    with _connection(url) as (address, environment):
        command = [program, "--format=custom", f"--file={part}", f"--dbname={address}"]
        done = subprocess.run(
            command, env={**os.environ, **environment}, capture_output=True, text=True, check=False
        )
    if done.returncode:
        raise CannotBackUp(f"Expected pg_dump to succeed. Received: {without_secrets(done.stderr.strip())}")
    os.replace(part, target)


@contextmanager
def _connection(url: URL) -> Iterator[tuple[str, dict[str, str]]]:
    """An address without any secret, and the environment that holds them: all accounts read command lines.

    The password of a client's key has no variable of its own, so it goes by a file of a service.
    """
    query = {name: value for name, value in url.query.items() if name not in _SECRETS}
    address = URL.create(
        "postgresql", url.username, host=url.host, port=url.port, database=url.database, query=query
    ).render_as_string(hide_password=False)
    # libpq takes what the parameters say before what stands in front of the host.
    password = url.query.get("password", url.password)
    environment = {"PGPASSWORD": str(password)} if password else {}
    if "sslpassword" not in url.query:
        yield address, environment
        return
    with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:  # for this account alone
        file.write(f"[model-transfer]\nsslpassword={url.query['sslpassword']}\n")
        file.flush()
        yield address, {**environment, "PGSERVICEFILE": file.name, "PGSERVICE": "model-transfer"}


def _make_private(part: Path) -> None:
    """An empty file in place of what an interrupted backup left, for this account alone."""
    part.unlink(missing_ok=True)
    part.touch(mode=0o600)


def _copy_file(storage: Storage, backup: Storage, digest: str) -> None:
    try:
        with backup.workspace() as workspace:
            copy = workspace / digest
            shutil.copyfile(storage.require(digest), copy)
            kept = backup.put(copy)
    except FileNotFoundError as error:
        raise CannotBackUp(
            f"Expected the file {digest} in {storage.folder}, as the database says. Received: none."
        ) from error
    if kept != digest:
        backup.delete(kept)
        raise CannotBackUp(f"Expected the file {digest} as it was stored. Received: other bytes.")
