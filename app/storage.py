"""Content-addressed files: what is kept is found by the SHA-256 of its bytes."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from sqlalchemy import Engine, select

from app.db.tables import Dataset
from app.private_files import make_folder

CHUNK = 1 << 20
SYNCED = 64 << 20  # bytes that are written before the disk is asked to keep them


def prepare(storage: Storage, engine: Engine) -> None:
    """Create the storage's folder, unless the database knows of files that should be in it.

    Where a drive comes and goes, a folder made anew would take files that the drive then hides.

    Raises:
        OSError: it cannot be made or written, or is away.
    """
    with engine.connect() as connection:
        is_new = connection.scalar(select(Dataset.id).limit(1)) is None
    if is_new:
        storage.prepare()
    storage.check()


class Incoming:
    """A file on its way in; its digest and size are known as soon as the last byte is.

    It goes to the disk while it comes, so that little is left to wait for at its end.
    """

    def __init__(self, file: IO[bytes], path: Path, syncing: Executor) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self._syncing = syncing
        self._synced: Future[None] | None = None
        self._sync_at = SYNCED
        self.path = path
        self.size = 0

    def write(self, chunk: bytes | bytearray | memoryview) -> None:
        """Append bytes."""
        self._hash.update(chunk)
        self._file.write(chunk)
        self.size += len(chunk)
        if self.size >= self._sync_at and (self._synced is None or self._synced.done()):
            self._begin_sync()

    def flush(self) -> None:
        """Let other processes read what was written, and begin to make it durable."""
        self._file.flush()
        if self._synced is not None:  # what is small, or may be refused at once, need not hurry
            self._begin_sync()

    def sync(self) -> None:
        """Make what was written durable; raises OSError where that failed, now or before."""
        self._file.flush()
        self._wait()
        os.fsync(self._file.fileno())

    def discard(self) -> None:
        """Remove the file; what is still being written goes nowhere."""
        self.path.unlink(missing_ok=True)

    def _begin_sync(self) -> None:
        self._wait()
        self._sync_at = self.size + SYNCED
        self._synced = self._syncing.submit(os.fsync, self._file.fileno())

    def _wait(self) -> None:
        # The system tells of a failed write once: whoever asks later hears that all is well.
        if self._synced is not None:
            self._synced.result()

    @property
    def digest(self) -> str:
        """SHA-256 of what was written so far, in hex."""
        return self._hash.hexdigest()


class Storage:
    """Blobs in a local folder, `ab/abcdef…`, written whole or not at all."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._incoming = folder / "incoming"

    def prepare(self) -> None:
        """Create the folder; raises OSError where it cannot be written."""
        make_folder(self._incoming)
        self.check()

    def check(self) -> None:
        """Raise OSError where the folder is away or cannot be written."""
        with tempfile.TemporaryFile(dir=self._incoming):
            pass

    def require(self, digest: str) -> Path:
        """Where the blob lies; raises FileNotFoundError where it does not, as while the storage is away."""
        path = self.path(digest)
        if not path.is_file():
            raise FileNotFoundError(errno.ENOENT, "Expected a file in the storage. Received: none", str(path))
        return path

    def path(self, digest: str) -> Path:
        """Where the blob lies. It is never written again, so it can be memory-mapped."""
        return self.folder / digest[:2] / digest

    def exists(self, digest: str) -> bool:
        """Whether the blob is there."""
        return self.path(digest).is_file()

    def is_intact(self, digest: str) -> bool:
        """Whether the blob is there, and still is what it was."""
        try:
            with self.path(digest).open("rb") as file:
                return hashlib.file_digest(file, "sha256").hexdigest() == digest
        except FileNotFoundError:
            return False

    @contextmanager
    def incoming(self) -> Iterator[Incoming]:
        """A place to write a file of yet unknown digest; gone at the end unless `keep` took it."""
        with (
            tempfile.NamedTemporaryFile(dir=self._incoming, delete=False) as file,
            ThreadPoolExecutor(1) as syncing,
        ):
            path = Path(file.name)
            _hold(file.fileno())
            try:
                yield Incoming(file, path, syncing)
            finally:
                path.unlink(missing_ok=True)

    def keep(self, incoming: Incoming) -> str:
        """Make the file durable under its digest, and return that."""
        incoming.sync()
        self._adopt(incoming.path, incoming.digest)
        return incoming.digest

    @contextmanager
    def workspace(self) -> Iterator[Path]:
        """A folder for files in the making, on the same file system as the blobs."""
        with tempfile.TemporaryDirectory(dir=self._incoming, ignore_cleanup_errors=True) as folder:
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                _hold(descriptor)
                yield Path(folder)
            finally:
                os.close(descriptor)

    def put(self, path: Path) -> str:
        """Take a finished file of `workspace` over under its digest, and return that."""
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        self._adopt(path, digest)
        return digest

    def delete(self, digest: str) -> None:
        """Remove the blob, if it is there."""
        self.path(digest).unlink(missing_ok=True)

    def discard(self, digest: str, seconds: float) -> bool:
        """Remove the blob if nobody put it since `seconds` ago; whether it was removed.

        It is moved away first: who puts the same bytes meanwhile makes a file of its own, which stays.
        """
        before = time.time() - seconds
        if _modified(self.path(digest)) >= before:
            return False
        with suppress(FileNotFoundError), self.workspace() as folder:  # another may discard it, too
            aside = folder / digest
            os.replace(self.path(digest), aside)
            if _modified(aside) < before:
                return True
            if not self.exists(digest):
                os.replace(aside, self.path(digest))
        return False

    def old(self, seconds: float) -> Iterator[str]:
        """Digests of blobs that nobody put since `seconds` ago; stale incoming files are removed."""
        before = time.time() - seconds
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            if _modified(path) < before:
                yield path.name
        self._clear_incoming(seconds)

    def _clear_incoming(self, seconds: float) -> None:
        before = time.time() - seconds
        for path in self._incoming.glob("*"):
            if _modified(path) < before and not _is_held(path):
                shutil.rmtree(path, ignore_errors=True) if path.is_dir() else path.unlink(missing_ok=True)

    def _adopt(self, path: Path, digest: str) -> None:
        final = self.path(digest)
        final.parent.mkdir(mode=0o700, exist_ok=True)
        with path.open("rb") as file:
            os.fsync(file.fileno())
        path.chmod(0o600)
        os.utime(path)  # `old` must not take a blob that was just put again
        os.replace(path, final)
        _sync_folder(final.parent)


def _modified(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return float("inf")


def _hold(descriptor: int) -> None:
    """Tell others that the file or folder is in use, until it is closed or the process is gone."""
    with suppress(OSError):  # where a file system knows no locks, age alone counts
        fcntl.flock(descriptor, fcntl.LOCK_SH)


def _is_held(path: Path) -> bool:
    """Whether a living process works on the file or folder, however long ago it was changed."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
