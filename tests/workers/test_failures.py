"""What a job tells of an attempt that failed, and whether another attempt is made."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from app.broker import Broker
from app.db.session import Sessions
from app.db.tables import Artifact, Dataset, Job, SourceRun
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.kinds import images, table, texts
from tests.stored import store
from tests.workers.conftest import claimed
from tests.workers.transfer.networks.presets import tiny
from workers import failures
from workers.heartbeat import Heartbeat
from workers.tasks import Services, _attempt
from workers.transfer.networks.presets.errors import PresetError, PresetMissing, as_preset_error
from workers.transfer.out_of_memory import is_out_of_memory

# Keras 3.15 hands its variables to np.array, whose `copy` argument they do not know.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture
def services(sessions: Sessions, settings: Settings, broker_url: str) -> Services:
    """What a worker holds."""
    return Services(settings, sessions, Storage(settings.storage_dir), Broker(broker_url))


FILES = {"table": table, "texts": texts, "images": images}


@pytest.fixture
def client(settings: Settings, engine: Engine) -> Iterator[TestClient]:
    """The API."""
    with TestClient(create_app(settings)) as client:
        yield client


Attempt = Callable[..., dict[str, Any]]

ON_ANY_DATABASE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
"""For what ends as other failures do: these are written down on each database."""


@pytest.fixture
def attempt(client: TestClient, services: Services, tmp_path: Path) -> Attempt:
    """Post a job about this data set, make one attempt at it, and answer how it stands."""

    def attempt(
        dataset: str, *, before: Callable[[str], object] | None = None, **asked: Any
    ) -> dict[str, Any]:
        if client.get(f"/v1/datasets/{dataset}").status_code == 404:
            path = FILES[dataset](tmp_path / f"{dataset}.{'zip' if dataset == 'images' else 'csv'}")
            declared = {"texts": {"kind": "text"}, "table": {"label": "y"}}.get(dataset, {})
            store(client, dataset, path.read_bytes(), path.name, **declared)
        request = {"model": "m", "source": {"dataset": dataset}, "target": {"dataset": dataset}}
        request |= {"training": {"epochs": 1}, **asked}
        request["evaluation"] = {"seeds": 1, "folds": 0, "baseline": False, **asked.get("evaluation", {})}
        answer = client.post("/v1/jobs", json=request)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]
        if before is not None:
            before(job_id)
        lease = claimed(services.sessions, job_id)
        _attempt(services, lease, Heartbeat(services.sessions, lease, services.settings, lambda: False))
        job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
        events = client.get(f"/v1/jobs/{job_id}/events", headers={"Accept": "application/json"}).json()
        told = json.dumps([job, events])
        for raw in ("Traceback", "tensorflow", "{{", "errors.pydantic.dev", str(services.settings.data_dir)):
            assert raw not in told
        return job

    return attempt


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rubbish(path: Path) -> None:
    path.write_bytes(b"\xff\xfe\x00 rubbish")


def deep(path: Path) -> None:
    path.write_text("[" * 100_000)


BROKEN: list[tuple[str, Callable[[Path], object], str, Callable[[Path], object]]] = [
    ("weights of Hugging Face", tiny.bert_folder, "model.safetensors", cut),
    ("no weights of Hugging Face", tiny.bert_folder, "model.safetensors", rubbish),
    ("vocabulary", tiny.bert_folder, "vocab.txt", rubbish),
    ("other vocabulary", tiny.bert_folder, "vocab.txt", lambda path: path.write_text("a\nb\n")),
    (
        "config",
        tiny.bert_folder,
        "config.json",
        lambda path: path.write_text('{"model_type": "bert"}'),
    ),
    ("config that is too deep", tiny.bert_folder, "config.json", deep),
    ("weights of KerasHub", lambda f: tiny.text_preset(f, "BertBackbone"), "model.weights.h5", cut),
    ("no weights of KerasHub", lambda f: tiny.text_preset(f, "BertBackbone"), "model.weights.h5", rubbish),
    ("weights for images", lambda f: tiny.image_preset(f, "resnet"), "model.weights.h5", cut),
]


@ON_ANY_DATABASE
@pytest.mark.parametrize("broken", BROKEN, ids=[one[0] for one in BROKEN])
def test_a_job_with_a_broken_preset_fails_at_its_first_attempt_and_names_it(
    attempt: Attempt, settings: Settings, broken: Any
) -> None:
    _, make, file, damage = broken
    folder = settings.effective_preset_dir / "tiny"
    make(folder)
    dataset = "images" if "stackwise" in (folder / "config.json").read_text() else "texts"
    size = {"image_size": [32, 32]} if dataset == "images" else {}
    job = attempt(
        dataset,
        source={"preset": "tiny"},
        network={"kind": "pretrained", "preset": "tiny", **size},
        before=lambda _: damage(folder / file),
    )
    assert (job["state"], job["attempt"]) == ("failed", 1), job
    assert job["error"]["code"] == "preset_unreadable"
    assert "tiny" in job["error"]["message"]
    assert "GET /v1/presets" in job["error"]["hint"]


def test_a_job_whose_preset_is_away_is_tried_again(attempt: Attempt, settings: Settings) -> None:
    folder = settings.effective_preset_dir
    tiny.bert_folder(folder / "tiny")
    job = attempt("texts", source={"preset": "tiny"}, before=lambda _: folder.rename(f"{folder} elsewhere"))
    assert (job["state"], job["error"]) == ("queued", None)
    assert job["retry_at"] is not None


def test_a_job_whose_presets_weights_are_away_is_tried_again(attempt: Attempt, settings: Settings) -> None:
    folder = settings.effective_preset_dir / "tiny"
    tiny.bert_folder(folder)
    job = attempt(
        "texts", source={"preset": "tiny"}, before=lambda _: (folder / "model.safetensors").unlink()
    )
    assert (job["state"], job["error"]) == ("queued", None)


def test_a_job_whose_source_version_is_damaged_fails_at_once_and_names_it(
    attempt: Attempt, services: Services
) -> None:
    assert attempt("table")["state"] == "succeeded"
    with services.sessions() as session:
        of_it = Artifact.format == "keras", Artifact.arm == "transfer"
        digest = session.scalars(select(Artifact.digest).where(*of_it)).one()
    services.storage.path(digest).chmod(0o644)
    cut(services.storage.path(digest))
    job = attempt("table", source={"version": "m@1"})
    assert (job["state"], job["attempt"], job["error"]["code"]) == ("failed", 1, "file_damaged"), job
    assert "version m@1" in job["error"]["message"]


def test_a_job_whose_data_set_is_damaged_fails_at_once_and_names_it(
    attempt: Attempt, services: Services
) -> None:
    def damage(_: str) -> None:
        with services.sessions() as session:
            digest = session.scalars(select(Dataset.digest).where(Dataset.name == "images")).one()
        services.storage.path(digest).chmod(0o644)
        cut(services.storage.path(digest))

    job = attempt("images", before=damage)
    assert (job["state"], job["attempt"], job["error"]["code"]) == ("failed", 1, "file_damaged"), job
    assert "data set images@1" in job["error"]["message"]


def test_a_kept_source_that_is_damaged_is_trained_again(attempt: Attempt, services: Services) -> None:
    assert attempt("table")["state"] == "succeeded"
    with services.sessions() as session:
        digest = session.scalars(select(SourceRun.output_digest)).one()
    services.storage.path(digest).chmod(0o644)
    cut(services.storage.path(digest))
    job = attempt("table")
    assert job["state"] == "succeeded"
    assert not job["stages"][0]["reused"]


@ON_ANY_DATABASE  # TensorFlow tries for ten seconds
def test_a_job_that_runs_out_of_memory_fails_at_once_and_says_what_to_lower(
    attempt: Attempt, settings: Settings
) -> None:
    settings.max_job_memory_bytes = 1 << 60
    job = attempt("table", network={"hidden_units": [4_000_000, 4_000_000]})
    assert (job["state"], job["attempt"], job["error"]["code"]) == ("failed", 1, "out_of_memory"), job
    assert "in the stage `source`" in job["error"]["message"]
    assert "was estimated to need at least 244,1" in job["error"]["message"]
    assert "training.batch_size" in job["error"]["hint"]
    assert "(mlp)" in job["error"]["hint"]


def test_an_error_that_nobody_foresaw_is_told_by_its_stage_and_where_the_log_has_it(
    attempt: Attempt, client: TestClient, services: Services, caplog: pytest.LogCaptureFixture
) -> None:
    def spoil(job_id: str) -> None:
        with services.sessions.begin() as session:
            job = session.get_one(Job, job_id)
            job.spec = {**job.spec, "method": {**job.spec["method"], "frozen_layers": 900}}

    job = attempt("table", before=spoil)
    for _ in range(2):
        assert job["state"] == "queued"
        with services.sessions.begin() as session:
            session.get_one(Job, job["id"]).retry_at = None
        lease = claimed(services.sessions, job["id"])
        _attempt(services, lease, Heartbeat(services.sessions, lease, services.settings, lambda: False))
        job = client.get(f"/v1/jobs/{job['id']}").json()
    assert (job["state"], job["error"]["code"]) == ("failed", "internal_error"), job
    message = "The worker met an unexpected error (ValueError) in the stage `transfer`."
    assert job["error"]["message"] == message
    line = f"{job['id']} attempt 3 failed"
    assert f"`{line}`" in job["error"]["hint"]
    assert f"/{os.getpid()}" in job["error"]["hint"]
    assert line in caplog.text
    assert "Lower frozen_layers" in caplog.text
    events = client.get(f"/v1/jobs/{job['id']}/events", params={"limit": 100}).json()["data"]
    told = [event["message"] for event in events if event["type"] == "job.retried"]
    assert told == [f"{message} Next try in {wait} s." for wait in (5, 10)]


@pytest.mark.parametrize(
    ("error", "ran_out"),
    [
        (MemoryError(), True),
        (OSError(errno.ENOMEM, os.strerror(errno.ENOMEM)), True),
        (tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[1]"), True),
        (tf.errors.InternalError(None, None, "CUDA_ERROR_OUT_OF_MEMORY: out of memory"), True),
        (tf.errors.UnknownError(None, None, "std::bad_alloc"), True),
        (tf.errors.ResourceExhaustedError(None, None, "f; No space left on device"), False),
        (tf.errors.InvalidArgumentError(None, None, "shapes"), False),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), False),
        (ValueError("out of memory"), False),
    ],
)
def test_memory_that_ran_out_is_told_from_a_disk_that_is_full(error: Exception, ran_out: bool) -> None:
    assert is_out_of_memory(error) == ran_out
    wrapped = RuntimeError()
    wrapped.__cause__ = error
    assert is_out_of_memory(wrapped) == ran_out


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.EIO, os.strerror(errno.EIO)),
        FileNotFoundError("rust has no number"),
        PresetMissing("tiny", "away"),
        MemoryError(),
    ],
)
def test_an_error_of_the_disk_or_of_memory_is_none_of_the_presets(error: Exception) -> None:
    with pytest.raises(type(error)) as raised, as_preset_error("tiny"):
        raise error
    assert not isinstance(raised.value, PresetError)


def test_what_may_pass_is_told_without_paths() -> None:
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/srv/secret/file")
    told = failures.transient(error)
    assert told == "Expected files that can be read and written. Received: No space left on device."
