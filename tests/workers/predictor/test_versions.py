from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.workers.predictor.conftest import Make
from workers.predictor.loading import GRAPH_BYTES
from workers.predictor.versions import Versions


def test_the_least_recently_used_version_goes_where_memory_ends(bundle: Make) -> None:
    versions = Versions(lambda digest: bundle(int(digest)), max_bytes=int(2.5 * GRAPH_BYTES))
    first = versions.get("1")
    versions.get("2")
    assert versions.get("1") is first
    versions.get("3")
    assert versions.digests == ["1", "3"]
    assert versions.get("2") is not None
    assert versions.digests == ["3", "2"]


def test_a_version_that_alone_is_too_large_is_the_only_one(bundle: Make) -> None:
    versions = Versions(lambda digest: bundle(int(digest)), max_bytes=1)
    versions.get("1")
    versions.get("2")
    assert versions.digests == ["2"]


def test_threads_that_ask_for_a_version_at_once_load_it_once(bundle: Make) -> None:
    asked: list[str] = []

    def path_of(digest: str) -> Path:
        asked.append(digest)
        return bundle(int(digest))

    versions = Versions(path_of, max_bytes=1 << 40)
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(versions.get, ["1"] * 8))
    assert (len(set(map(id, found))), asked) == (1, ["1"])


def test_a_version_that_is_gone_leaves_the_others(bundle: Make) -> None:
    versions = Versions(lambda digest: bundle(int(digest)), max_bytes=1 << 40)
    versions.get("1")
    missing = Versions(lambda digest: Path("/nowhere") / digest, max_bytes=1)
    with pytest.raises(FileNotFoundError):
        missing.get("1")
    assert versions.digests == ["1"]
