"""Rows over HTTP, from the API to a predictor on a socket, and back."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.datasets.reading.limits import Limits
from app.db.tables import Artifact, Version
from app.predictions.predictor import Predictor
from app.turns import Turns
from tests.app.access.callers import make_key
from tests.app.conftest import Publish
from tests.conftest import DATABASES, wait_for
from tests.workers.predictor.conftest import Make, bundle  # noqa: F401
from workers.predictor.server import application
from workers.predictor.versions import Versions

pytestmark = pytest.mark.parametrize("database_url", DATABASES[:1], indirect=True)


@contextmanager
def running(client: TestClient, socket: Path, most_waiting_rows: int = 1000) -> Iterator[None]:
    """A predictor on a Unix socket, in a thread of this process, which the API asks."""
    state = client.app.state  # type: ignore[attr-defined]
    versions = Versions(state.storage.require, 1 << 30)
    app = application(versions, Limits(), most_waiting_rows)
    server = uvicorn.Server(uvicorn.Config(app, uds=str(socket), log_level="warning"))
    thread = threading.Thread(target=server.run)
    thread.start()
    state.predictor.close()
    state.predictor = Predictor(f"unix:{socket}", 60)
    try:
        wait_for(lambda: server.started)
        yield
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def version(client: TestClient, publish: Publish, bundle: Make) -> str:  # noqa: F811
    """m@1, with the bundle of a network."""
    publish("helped")
    state = client.app.state  # type: ignore[attr-defined]
    with state.storage.workspace() as folder:
        shutil.copyfile(bundle(1), folder / "m-1.zip")
        digest = state.storage.put(folder / "m-1.zip")
    with state.sessions.begin() as session:
        made = session.scalars(select(Version)).one()
        columns = [{"name": name, "type": "number"} for name in "ab"]
        made.signature = {**made.signature, "columns": columns, "classes": ["no", "yes"]}
        size, about = bundle(1).stat().st_size, {"filename": "m-1.zip", "media_type": "application/zip"}
        made.artifacts.append(Artifact(arm="transfer", format="bundle", digest=digest, size=size, **about))
    return "m@1"


def asked(client: TestClient, instances: Any, model: str = "m@champion") -> Any:
    return client.post(f"/v1/models/{model}:predict", json={"instances": instances})


def test_rows_are_answered_in_their_order_by_the_version_that_is_meant(
    client: TestClient, version: str, tmp_path: Path
) -> None:
    with running(client, tmp_path / "p.sock"):
        answer = asked(client, [{"a": 1, "b": 2}, {"b": "-0.5", "a": None}, {"a": 1, "b": 2, "else": "x"}])
    assert answer.status_code == 422  # a number and a text in one column
    assert answer.json()["errors"][0]["field"] == "instances[1].b"
    with running(client, tmp_path / "q.sock"):
        answer = asked(client, [{"a": 1, "b": 2}, {"b": -0.5}, {"a": 1, "b": 2, "else": "x"}])
    assert answer.status_code == 200, answer.text
    assert answer.json()["version"] == version
    first, second, third = answer.json()["predictions"]
    assert first == third != second
    assert set(first) == {"class", "probabilities", "calibrated_probabilities"}
    assert sum(first["probabilities"].values()) == pytest.approx(1)
    assert first["calibrated_probabilities"] != first["probabilities"]


@pytest.mark.usefixtures("version")
@pytest.mark.parametrize(
    ("instances", "field"),
    [
        ([{"a": 1, "b": 2}, {"a": 1, "b": "two"}], "instances[1].b"),
        ([{"a": "1", "b": "2"}, {"a": "1", "b": "two"}], "instances[1].b"),
        ([{"A": 1, "b": 2}], "instances.a"),
        ([{"c": 1}], "instances.a"),
        ([{"a": 1, "b": [2]}], "instances.0.b"),
        ([], "instances"),
        ("rows", "instances"),
    ],
)
def test_what_cannot_be_read_is_told_by_its_place(
    client: TestClient, tmp_path: Path, instances: Any, field: str
) -> None:
    with running(client, tmp_path / "p.sock"):
        answer = asked(client, instances)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"].startswith(field), answer.text
    assert "Received: " in answer.json()["detail"]


@pytest.mark.usefixtures("version")
def test_where_no_predictor_answers_it_is_503_not_ready_and_soon_again_an_answer(
    client: TestClient, tmp_path: Path
) -> None:
    state = client.app.state  # type: ignore[attr-defined]
    state.predictor = Predictor(f"unix:{tmp_path / 'nobody.sock'}", 60)
    answer = asked(client, [{"a": 1, "b": 2}])
    assert (answer.status_code, answer.json()["code"]) == (503, "predictor_away")
    assert answer.headers["retry-after"] == "1"
    unready = client.get("/readyz")
    assert (unready.status_code, unready.json()["status"]) == (503, "not ready")
    assert unready.json()["parts"]["predictor"].startswith("cannot be reached, or is still starting")
    with running(client, tmp_path / "p.sock"):
        ready = client.get("/readyz")
        assert (ready.status_code, ready.json()["status"]) == (200, "ready")
        assert asked(client, [{"a": 1, "b": 2}]).status_code == 200
        kept = state.predictor
        assert kept._idle
        state.predictor = Predictor("unix:/nowhere", 60)
    with running(client, tmp_path / "p.sock"):  # started again; the API's connection is an old one
        state.predictor = kept
        assert asked(client, [{"a": 1, "b": 2}]).status_code == 200


def test_images_come_as_files_of_a_form_or_are_told_what_was_expected(
    client: TestClient, version: str, tmp_path: Path
) -> None:
    url, data = f"/v1/models/{version}:predict", b"no image"
    with running(client, tmp_path / "p.sock"):
        answer = client.post(url, files=[("image", ("a.png", data)), ("image", ("b.png", data))])
        assert answer.status_code == 422  # a table's model has no column `image`: the rows have reached it
        assert answer.json()["errors"][0]["field"] == "instances.a"
    other = client.post(url, files=[("picture", ("a.png", data))])
    assert (other.status_code, other.json()["errors"][0]["field"]) == (422, "picture")
    broken = client.post(url, content=b"--", headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert broken.status_code in (400, 422)
    nothing = client.post(url, content=b"", headers={"Content-Type": "multipart/form-data"})
    assert (nothing.status_code, nothing.json()["code"]) == (400, "broken_form")
    large = client.post(url, files=[("image", ("a.png", b"0" * (33 << 20)))])
    assert (large.status_code, large.json()["code"]) == (413, "too_large")


def test_unknown_and_deleted_versions_are_told_before_anything_is_predicted(
    client: TestClient, version: str
) -> None:
    assert asked(client, [{"a": 1, "b": 2}], "none").status_code == 404
    client.delete(f"/v1/models/{version}/aliases/champion")
    client.delete("/v1/models/m/aliases/champion")
    client.delete(f"/v1/models/{version}")
    assert asked(client, [{"a": 1, "b": 2}], version).status_code == 410


@pytest.mark.usefixtures("version")
def test_a_request_for_predictions_may_be_larger_than_one_for_jobs(
    client: TestClient, tmp_path: Path
) -> None:
    settings = client.app.state.settings  # type: ignore[attr-defined]
    long = "x" * settings.max_json_bytes
    with running(client, tmp_path / "p.sock"):
        assert asked(client, [{"a": 1, "b": 2, "note": long}]).status_code == 200
        refused = asked(client, [{"a": 1, "b": 2, "note": long * 40}])
    assert refused.status_code == 413
    assert "MODEL_TRANSFER_MAX_INSTANCES_BYTES" in refused.json()["hint"]


@pytest.mark.usefixtures("version")
def test_the_audit_tells_of_predictions_by_key_and_version(client: TestClient, tmp_path: Path) -> None:
    made = {scope: make_key(client, scope, scope) for scope in ("read", "admin")}  # type: ignore[arg-type]
    client.headers.update(made["read"].headers)
    tensors = [{"name": n, "shape": [2], "datatype": "FP32", "data": [1, 2]} for n in "ab"]
    with running(client, tmp_path / "p.sock"):
        asked(client, [{"a": 1, "b": 2}, {"a": 3, "b": 4}]).raise_for_status()
        asked(client, [{"a": 1, "b": 2}]).raise_for_status()
        assert asked(client, [{"a": 1, "b": "x"}]).status_code == 422
        client.post("/v2/models/m/infer", json={"inputs": tensors}).raise_for_status()
    client.app.state.predicted.close()  # type: ignore[attr-defined]
    audit = client.get("/v1/audit?action=model.predicted", headers=made["admin"].headers).json()["data"]
    assert [(one["key"], one["subject"], one["data"]["requests"], one["data"]["rows"]) for one in audit] == [
        ("read", "m@1", 1, 2),
        ("read", "m@1", 2, 3),
    ]


@pytest.mark.usefixtures("version")
def test_more_requests_of_a_workspace_than_may_wait_are_told_to_come_again(
    client: TestClient, tmp_path: Path
) -> None:
    client.app.state.predicting = Turns(1, waiting_of_one=0)  # type: ignore[attr-defined]
    with running(client, tmp_path / "p.sock"), ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: asked(client, [{"a": 1, "b": 2}]), range(40)))
    assert {answer.status_code for answer in answers} == {200, 429}
    refused = next(answer for answer in answers if answer.status_code == 429)
    assert (refused.json()["code"], refused.headers["retry-after"]) == ("busy", "1")
