from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from app.storage import Storage


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    """An empty storage."""
    storage = Storage(tmp_path / "blobs")
    storage.prepare()
    return storage


def files(storage: Storage) -> list[Path]:
    return [path for path in storage.folder.rglob("*") if path.is_file()]


def test_what_is_kept_is_found_by_its_digest(storage: Storage) -> None:
    with storage.incoming() as incoming:
        incoming.write(b"hello ")
        incoming.write(b"world")
        digest = storage.keep(incoming)
    assert digest == hashlib.sha256(b"hello world").hexdigest()
    assert storage.path(digest).read_bytes() == b"hello world"
    assert files(storage) == [storage.path(digest)]


def test_what_is_not_kept_leaves_nothing(storage: Storage) -> None:
    with storage.incoming() as incoming:
        incoming.write(b"half")
        incoming.flush()
        assert len(files(storage)) == 1
    assert files(storage) == []


def test_the_same_bytes_are_kept_once(storage: Storage) -> None:
    for _ in range(2):
        with storage.workspace() as folder:
            (folder / "file").write_bytes(b"same")
            digest = storage.put(folder / "file")
    assert files(storage) == [storage.path(digest)]
    storage.delete(digest)
    storage.delete(digest)
    assert not storage.exists(digest)


def test_a_blob_put_again_is_not_old(storage: Storage) -> None:
    digests = []
    for content in (b"old", b"new"):
        with storage.workspace() as folder:
            (folder / "file").write_bytes(content)
            digests.append(storage.put(folder / "file"))
    before = time.time() - 100
    for digest in digests:
        os.utime(storage.path(digest), (before, before))
    with storage.workspace() as folder:
        (folder / "file").write_bytes(b"new")
        storage.put(folder / "file")
    assert list(storage.old(50)) == [digests[0]]


def test_what_a_killed_process_left_half_written_is_removed_when_it_is_old(storage: Storage) -> None:
    left = storage.folder / "incoming" / "left"
    left.mkdir()
    (left / "file").write_bytes(b"half")
    before = time.time() - 100
    os.utime(left, (before, before))
    assert list(storage.old(50)) == []
    assert not left.exists()
