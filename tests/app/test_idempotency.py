from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient
from pydantic import BaseModel
from pydantic_core import PydanticSerializationError
from sqlalchemy import select, update

from app.db.access_tables import DEFAULT_WORKSPACE
from app.db.clock import db_now
from app.db.session import Sessions
from app.db.tables import Model, Reply
from app.idempotency import once
from app.jobs import retention, transitions
from app.settings import Settings

BODY = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
KEY = {"Idempotency-Key": "a key of mine"}
ROWS = b"a,b,y\n" + b"".join(b"%d,%d,%s\n" % (n, n * n, b"yes" if n % 2 else b"no") for n in range(40))


def post_job(client: TestClient, **changes: Any) -> Any:
    return client.post("/v1/jobs", json=BODY | changes, headers=KEY)


def upload(client: TestClient, content: bytes = ROWS, **fields: str) -> Any:
    given = {"name": "twice", "label": "y"} | fields
    return client.post("/v1/datasets", files={"file": ("d.csv", content)}, data=given, headers=KEY)


@pytest.mark.usefixtures("datasets")
def test_a_job_posted_twice_under_one_key_is_one_job(client: TestClient) -> None:
    first, second = post_job(client), post_job(client)
    assert (first.status_code, second.status_code) == (202, 202)
    assert second.json() == first.json()
    assert second.headers["location"] == first.headers["location"]
    assert len(client.get("/v1/jobs").json()["data"]) == 1


@pytest.mark.usefixtures("datasets")
def test_posts_at_the_same_moment_under_one_key_make_one_job(client: TestClient) -> None:
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: post_job(client), range(4)))
    assert {answer.json()["id"] for answer in answers} == {answers[0].json()["id"]}
    assert len(client.get("/v1/jobs").json()["data"]) == 1


def test_an_upload_sent_twice_under_one_key_is_one_version(client: TestClient) -> None:
    first, second = upload(client), upload(client)
    assert (first.status_code, second.status_code) == (201, 201), second.text
    assert second.json() == first.json()
    assert len(client.get("/v1/datasets?name=twice").json()["data"]) == 1


@pytest.mark.usefixtures("datasets")
def test_a_key_that_comes_with_another_request_is_refused(client: TestClient) -> None:
    assert post_job(client).status_code == 202
    for answer in (post_job(client, model="other"), upload(client)):
        assert answer.status_code == 409
        assert answer.json()["code"] == "idempotency_key_reused"
        assert "Received: a different one" in answer.json()["detail"]


def test_an_upload_of_another_file_under_the_same_key_is_refused(client: TestClient) -> None:
    assert upload(client).status_code == 201
    assert upload(client, ROWS + b"1,2,yes\n").status_code == 409


@pytest.mark.usefixtures("datasets")
def test_what_was_refused_may_be_corrected_under_its_key(client: TestClient) -> None:
    assert post_job(client, target={"dataset": "targt"}).status_code == 404
    assert post_job(client).status_code == 202


@pytest.mark.usefixtures("datasets")
def test_a_retry_sent_twice_under_one_key_is_answered_twice(client: TestClient) -> None:
    job = client.post("/v1/jobs", json=BODY).json()["id"]
    assert client.post(f"/v1/jobs/{job}:cancel").status_code == 200
    answers = [client.post(f"/v1/jobs/{job}:retry", headers=KEY) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert client.post(f"/v1/jobs/{job}:retry").status_code == 409


@pytest.mark.usefixtures("datasets")
def test_the_first_answer_is_given_whatever_became_of_the_job(client: TestClient, sessions: Sessions) -> None:
    first = post_job(client).json()
    with sessions.begin() as session:
        assert transitions.claim(session, first["id"], "worker", lease_seconds=30)
    assert post_job(client).json() == first
    assert client.get(f"/v1/jobs/{first['id']}").json()["state"] == "running"


@pytest.mark.usefixtures("datasets")
def test_an_answer_is_forgotten_after_a_while(
    client: TestClient, sessions: Sessions, settings: Settings
) -> None:
    first = post_job(client).json()
    assert retention.clean(sessions, settings)["replies"] == 0
    with sessions.begin() as session:
        session.execute(update(Reply).values(created_at=db_now(-2 * settings.keep_reply_seconds)))
    assert retention.clean(sessions, settings)["replies"] == 1
    assert post_job(client).json()["id"] != first["id"]


def test_a_key_that_is_too_long_is_refused(client: TestClient) -> None:
    answer = client.post("/v1/jobs", json=BODY, headers={"Idempotency-Key": "k" * 201})
    assert answer.status_code == 422
    assert "200 characters" in answer.text


class Unwritable(BaseModel):
    """An answer that cannot be written as JSON."""

    text: str = "\ud800"


def test_nothing_is_kept_of_a_request_whose_answer_cannot_be_written(sessions: Sessions) -> None:
    def make() -> Unwritable:
        session.add(Model(workspace_id=DEFAULT_WORKSPACE, name="m"))
        return Unwritable()

    for key in (None, "k"):
        with pytest.raises(PydanticSerializationError), sessions.begin() as session:
            once(session, DEFAULT_WORKSPACE, key, [], Unwritable, make)
        with sessions() as session:
            assert session.scalars(select(Model)).all() == session.scalars(select(Reply)).all() == []
