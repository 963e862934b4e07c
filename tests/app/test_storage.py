from __future__ import annotations

import errno
import hashlib
import os
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from app.object_storage import ObjectStorage, storage_of
from app.settings import Settings
from app.storage import Storage


@pytest.fixture(params=["folder", "bucket"])
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty storage of each sort."""
    asked = request.getfixturevalue("bucket") if request.param == "bucket" else {}
    storage = storage_of(Settings(data_dir=tmp_path, **asked))
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


def test_what_is_large_is_synced_while_it_comes(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.storage.SYNCED", 4)
    content = [b"a long", b" ", b"file", b" in many", b" pieces"]
    with storage.incoming() as incoming:
        for piece in content:
            incoming.write(piece)
        incoming.flush()
        digest = storage.keep(incoming)
    assert storage.path(digest).read_bytes() == b"".join(content)


def test_a_disk_that_failed_early_fails_the_file(storage: Storage, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(descriptor: int) -> None:
        monkeypatch.undo()
        raise OSError(errno.EIO, "the disk is broken")

    monkeypatch.setattr("app.storage.SYNCED", 4)
    with storage.incoming() as incoming:
        monkeypatch.setattr(os, "fsync", fail)
        incoming.write(b"a long file")
        with pytest.raises(OSError, match="the disk is broken"):
            storage.keep(incoming)
    assert files(storage) == []


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


def test_a_blob_is_discarded_unless_somebody_put_it_lately(storage: Storage) -> None:
    with storage.workspace() as folder:
        (folder / "file").write_bytes(b"nobody wants me")
        digest = storage.put(folder / "file")
    assert not storage.discard(digest, seconds=60)
    assert storage.exists(digest)
    assert storage.discard(digest, seconds=-2)
    assert not storage.discard(digest, seconds=-2)
    assert not storage.exists(digest)
    assert files(storage) == []


@pytest.mark.parametrize("storage", ["folder"], indirect=True)
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


def test_what_a_living_process_works_on_stays_however_old_it_is(storage: Storage) -> None:
    before = time.time() - 100
    with storage.incoming() as incoming, storage.workspace() as folder:
        incoming.write(b"a slow upload")
        for path in (incoming.path, folder):
            os.utime(path, (before, before))
        assert list(storage.old(50)) == []
        assert incoming.path.exists()
        assert folder.exists()


def put(storage: Storage, content: bytes) -> str:
    with storage.workspace() as folder:
        (folder / "file").write_bytes(content)
        return storage.put(folder / "file")


def test_what_is_old_is_told(storage: Storage) -> None:
    digest = put(storage, b"content")
    assert list(storage.old(60)) == []
    assert list(storage.old(-60)) == [digest]


def test_a_blob_that_is_not_there_is_told_as_a_disk_would(storage: Storage) -> None:
    digest = hashlib.sha256(b"never kept").hexdigest()
    assert not storage.exists(digest)
    assert not storage.is_intact(digest)
    with pytest.raises(FileNotFoundError, match="Expected a file in the storage"):
        storage.require(digest)


def test_a_damaged_blob_is_not_intact(storage: Storage) -> None:
    digest = put(storage, b"content")
    assert storage.is_intact(digest)
    storage.path(digest).write_bytes(b"other content")
    assert not storage.is_intact(digest)


def other_machine(bucket: dict[str, str], folder: Path, **more: int) -> ObjectStorage:
    storage = storage_of(Settings(data_dir=folder, **bucket, **more))
    assert isinstance(storage, ObjectStorage)
    return storage


def test_what_one_machine_keeps_in_a_bucket_another_finds(bucket: dict[str, str], tmp_path: Path) -> None:
    one, two = (other_machine(bucket, tmp_path / name) for name in ("one", "two"))
    digest = put(one, b"content")
    assert two.exists(digest)
    assert two.require(digest).read_bytes() == b"content"
    two.delete(digest)
    assert not one.exists(digest)


def test_what_has_looked_while_another_machine_discards_it_stays(
    bucket: dict[str, str], tmp_path: Path
) -> None:
    one, two, three = (other_machine(bucket, tmp_path / name) for name in ("one", "two", "three"))
    digest = put(one, b"content")
    has_looked = threading.Event()

    def meanwhile(**_: Any) -> None:  # `one` has looked, and is about to remove
        one._impatient.meta.events.unregister("before-call.s3.DeleteObject", meanwhile)
        assert three.discard(digest, seconds=-2)  # its mark goes, `one`'s stays
        again.append(pool.submit(put, two, b"content"))
        assert has_looked.wait(10)

    two._client.meta.events.register("after-call.s3.ListObjectsV2", lambda **_: has_looked.set())
    one._impatient.meta.events.register("before-call.s3.DeleteObject", meanwhile)
    again: list[Future[str]] = []
    with ThreadPoolExecutor(1) as pool:
        assert one.discard(digest, seconds=-2)
        assert again[0].result() == digest
    assert two.exists(digest)
    assert list(two.old(-60)) == [digest]


def test_a_mark_that_a_killed_machine_left_delays_a_file_and_no_more(
    bucket: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.object_storage.DISCARD_SECONDS", 0.5)
    storage = other_machine(bucket, tmp_path)
    digest = hashlib.sha256(b"content").hexdigest()
    mark = {"Bucket": storage._bucket, "Key": f"{storage._key(digest)}.discarding-1"}
    storage._client.put_object(**mark)
    assert list(storage.old(60)) == []
    assert storage._client.head_object(**mark)
    assert put(storage, b"content") == digest
    assert storage.exists(digest)
    assert list(storage.old(-60)) == [digest]


def test_copies_of_a_bucket_are_given_up_the_longest_unused_first(
    bucket: dict[str, str], tmp_path: Path
) -> None:
    storage = other_machine(bucket, tmp_path, storage_cache_bytes=250)
    digests = [put(storage, bytes([number]) * 100) for number in range(2)]
    for age, digest in zip((9000, 8000), digests, strict=True):
        os.utime(storage.path(digest), (time.time() - age,) * 2)
    storage.require(digests[0])
    put(storage, b"x" * 100)
    assert [storage.path(digest).exists() for digest in digests] == [True, False]
    assert storage.require(digests[1]).read_bytes() == bytes([1]) * 100


def test_a_store_that_does_not_answer_is_an_error_of_the_storage(tmp_path: Path) -> None:
    away = {"storage_url": "s3://bucket", "storage_endpoint": "http://127.0.0.1:1"}
    keys = {"storage_access_key": "key", "storage_secret_key": "secret"}
    storage = other_machine({**away, **keys}, tmp_path)
    with pytest.raises(OSError, match="the object store does not answer"):
        storage.check()
    with pytest.raises(OSError, match="the object store does not answer"):
        put(storage, b"content")
