"""Files in an S3-compatible object store, for machines that share no folder; each has copies at hand."""

from __future__ import annotations

import errno
import hashlib
import os
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from app.private_files import make_folder
from app.settings import Settings
from app.storage import Storage

IN_USE_SECONDS = 3600.0
"""A file at hand that was asked for so lately is not given up, whatever the size of all of them."""


DISCARD_SECONDS = 60.0
"""How long a mark is waited for. Of one who discards, no request takes a quarter of it: none is repeated."""

_MARK = ".discarding-"
_PATIENT = {"read_timeout": 60, "retries": {"max_attempts": 3, "mode": "standard"}}
_IMPATIENT = {"read_timeout": 10, "retries": {"total_max_attempts": 1}}


def storage_of(settings: Settings) -> Storage:
    """The storage that the settings name: a folder or a bucket."""
    if settings.storage_url.startswith("s3://"):
        return ObjectStorage(settings)
    return Storage(settings.storage_dir)


class ObjectStorage(Storage):
    """Blobs in a bucket, `prefix/ab/abcdef…`; `folder` holds copies of those that this machine has used.

    A file is in the bucket before its digest is told to anyone. What the store answers is an OSError like a
    disk's: a job waits for it and goes on.
    """

    def __init__(self, settings: Settings) -> None:
        super().__init__(settings.storage_dir)
        place = urlsplit(settings.storage_url)
        self._bucket, self._prefix = place.netloc, place.path.strip("/")
        self._cache_bytes = settings.storage_cache_bytes
        self._client, self._impatient = _connect(settings, _PATIENT), _connect(settings, _IMPATIENT)
        make_folder(self._incoming)  # a cache of our own: it may be made anew

    def prepare(self) -> None:
        """Check that the bucket is there; it is not made."""
        self.check()

    def check(self) -> None:
        """Raise OSError where the bucket does not answer or the folder of copies cannot be written."""
        super().check()
        with _as_os_error(self._bucket):
            self._client.head_bucket(Bucket=self._bucket)

    def require(self, digest: str) -> Path:
        """Where a copy lies, fetched if there was none; raises FileNotFoundError where the store has none."""
        path = self.path(digest)
        try:
            os.utime(path)  # the longest unused go first
        except FileNotFoundError:
            self._fetch(digest)
            self._make_room()
        return path

    def exists(self, digest: str) -> bool:
        """Whether the store has the blob."""
        try:
            with _as_os_error(digest):
                self._client.head_object(Bucket=self._bucket, Key=self._key(digest))
        except FileNotFoundError:
            return False
        return True

    def is_intact(self, digest: str) -> bool:
        """Whether the store has the blob; what is fetched is compared with its digest."""
        try:
            self.require(digest)
        except FileNotFoundError:
            return False
        return super().is_intact(digest)

    def delete(self, digest: str) -> None:
        """Remove the blob from the store and from here; other machines' copies go with time."""
        with _as_os_error(digest):
            self._client.delete_object(Bucket=self._bucket, Key=self._key(digest))
        super().delete(digest)

    def discard(self, digest: str, seconds: float) -> bool:
        """Remove the blob if nobody put it since `seconds` ago; whether it was removed.

        A mark of its own stands while this looks and removes, since a store does not do both at once: who
        puts the same bytes meanwhile waits for its end, and puts them again if they are gone.
        """
        mark, begun = f"{self._key(digest)}{_MARK}{uuid.uuid4().hex}", time.monotonic()
        with suppress(FileNotFoundError), _as_os_error(digest):
            self._impatient.put_object(Bucket=self._bucket, Key=mark)
            try:
                known = self._impatient.head_object(Bucket=self._bucket, Key=self._key(digest))
                is_old = known["LastModified"].timestamp() < time.time() - seconds
                # Who waits for the mark must not have given up before the end.
                if is_old and time.monotonic() - begun < DISCARD_SECONDS / 2:
                    self._impatient.delete_object(Bucket=self._bucket, Key=self._key(digest))
                    super().delete(digest)
                    return True
            finally:
                self._impatient.delete_object(Bucket=self._bucket, Key=mark)
        return False

    def old(self, seconds: float) -> Iterator[str]:
        """Digests in the store that nobody put since `seconds` ago; stale incoming files are removed."""
        self._clear_incoming(seconds)
        before = time.time() - seconds
        pages = self._client.get_paginator("list_objects_v2")
        with _as_os_error(self._bucket):
            for page in pages.paginate(Bucket=self._bucket, Prefix=f"{self._prefix}/".lstrip("/")):
                for known in page.get("Contents", []):
                    name = known["Key"].rpartition("/")[2]
                    if known["LastModified"].timestamp() >= before:
                        continue
                    if _MARK in name:
                        self._client.delete_object(Bucket=self._bucket, Key=known["Key"])
                    else:
                        yield name

    def _adopt(self, path: Path, digest: str) -> None:
        with _as_os_error(digest):
            self._client.upload_file(str(path), self._bucket, self._key(digest))
            self._wait_for_discard(digest)
            if not self.exists(digest):
                self._client.upload_file(str(path), self._bucket, self._key(digest))
        super()._adopt(path, digest)
        self._make_room()

    def _wait_for_discard(self, digest: str) -> None:
        """Wait while others are about to remove the blob; marks that stay were left by those that died."""
        asked = {"Bucket": self._bucket, "Prefix": self._key(digest) + _MARK}
        deadline = time.monotonic() + DISCARD_SECONDS
        while marks := self._client.list_objects_v2(**asked).get("Contents", []):
            if time.monotonic() > deadline:
                for mark in marks:
                    self._client.delete_object(Bucket=self._bucket, Key=mark["Key"])
                return
            time.sleep(0.2)

    def _key(self, digest: str) -> str:
        return f"{self._prefix}/{digest[:2]}/{digest}".lstrip("/")

    def _fetch(self, digest: str) -> None:
        with self.workspace() as folder:
            path = folder / digest
            with _as_os_error(digest):
                self._client.download_file(self._bucket, self._key(digest), str(path))
            with path.open("rb") as file:
                received = hashlib.file_digest(file, "sha256").hexdigest()
            if received != digest:
                message = f"Expected the file {digest}. Received: other bytes, {received}"
                raise OSError(errno.EIO, message)
            super()._adopt(path, digest)

    def _make_room(self) -> None:
        copies = []
        for path in self.folder.glob("[0-9a-f][0-9a-f]/*"):
            try:
                about = path.stat()
            except FileNotFoundError:  # another process makes room, too
                continue
            copies.append((about.st_mtime, about.st_size, path))
        total, before = sum(size for _, size, _ in copies), time.time() - IN_USE_SECONDS
        for used_at, size, path in sorted(copies):
            if total <= self._cache_bytes or used_at > before:
                return
            path.unlink(missing_ok=True)
            total -= size


def _connect(settings: Settings, patience: Mapping[str, Any]) -> Any:
    try:
        import boto3
        from botocore.config import Config
    except ImportError as error:
        message = (
            "Expected the package boto3, which s3:// storage needs. Received: none. Install "
            "model-transfer[s3]."
        )
        raise RuntimeError(message) from error
    return boto3.client(
        "s3",
        endpoint_url=settings.storage_endpoint or None,
        aws_access_key_id=settings.storage_access_key or None,
        aws_secret_access_key=settings.storage_secret_key.get_secret_value() or None,
        config=Config(connect_timeout=5, **patience),
    )


@contextmanager
def _as_os_error(what: str) -> Iterator[None]:
    """What the store refuses or cannot answer, as the error that a disk would give."""
    from boto3.exceptions import Boto3Error
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") == 404:
            message = "Expected a file in the storage. Received: none"
            raise FileNotFoundError(errno.ENOENT, message, what) from error
        raise OSError(errno.EIO, f"the object store answers: {error}", what) from error
    except (BotoCoreError, Boto3Error) as error:
        raise OSError(errno.EIO, f"the object store does not answer: {error}", what) from error
