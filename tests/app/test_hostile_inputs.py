"""Whatever is sent to it, the service answers or refuses, and keeps nothing of what it refused."""

from __future__ import annotations

import json
import logging
import traceback
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, func, literal, select, union_all

from app.db.tables import Artifact, Base, Version
from tests.app.conftest import Publish
from tests.app.hostile import FORMATS, Request, requests
from tests.stored import store

LISTS = ("/v1/jobs", "/v1/datasets", "/v1/models", "/v1/presets")
PROBLEM = {"type", "title", "status", "code", "detail", "instance"}


class Kept:
    """What the service keeps: rows by table, files by name."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._engine, self._folder = engine, folder
        tables = Base.metadata.sorted_tables
        self._counts = union_all(*(select(literal(t.name), func.count()).select_from(t) for t in tables))

    def now(self) -> Counter[str]:
        """How many of each there are."""
        with self._engine.connect() as connection:
            rows = {str(name): int(count) for name, count in connection.execute(self._counts)}
        return Counter(rows | {str(path): 1 for path in self._folder.rglob("*") if path.is_file()})


@pytest.fixture
def door(client: TestClient, datasets: Any, publish: Publish) -> TestClient:
    """A client with things to ask for."""
    job = publish("helped", name="done")
    assert job["name"] == "done"
    _give_files(client.app.state)  # type: ignore[attr-defined]
    client.put("/v1/models/m/aliases/other", json={"version": 1})
    body = {"name": "waiting", "model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    assert client.post("/v1/jobs", json=body).status_code == 202
    content = "a,y\n" + "".join(f"{n},{n % 2}\n" for n in range(20))
    store(client, "spare", content.encode(), label="y")
    return TestClient(client.app, follow_redirects=False)


def _give_files(state: Any) -> None:
    """Give the version what a worker would have kept of it."""
    with state.storage.incoming() as incoming, state.sessions.begin() as session:
        incoming.write(b"a network" * 100)
        about = {
            "digest": state.storage.keep(incoming),
            "size": incoming.size,
            "media_type": "application/zip",
        }
        version = session.scalars(select(Version)).one()
        for kind, ending in (("keras", "keras"), ("bundle", "zip")):
            version.artifacts.append(Artifact(arm="transfer", format=kind, filename=f"m-1.{ending}", **about))


@pytest.mark.parametrize(
    "count", [100, pytest.param(1000, marks=[pytest.mark.slow, pytest.mark.timeout(3000)])]
)
def test_no_hostile_input_breaks_the_service_or_leaves_anything_behind(
    door: TestClient, engine: Engine, caplog: pytest.LogCaptureFixture, count: int
) -> None:
    caplog.set_level(logging.ERROR)
    kept = Kept(engine, door.app.state.storage.folder)  # type: ignore[attr-defined]
    document = door.get("/openapi.json").json()
    before, wrong, broken_lists = kept.now(), [], set()
    for request in requests(document, count):
        caplog.clear()
        faults, refused = _sent(door, request)
        after = kept.now()
        if request.method == "GET":  # that a file was asked for is written down before its range is looked at
            before["audit"] = after["audit"]
        if refused and after != before:
            faults.append(f"kept {dict(after - before)}, lost {dict(before - after)}")
        if request.method != "GET" and not refused:
            for path in set(LISTS) - broken_lists:
                if not _is_answered(door, path):
                    faults.append(f"GET {path} is not answered since")
                    broken_lists.add(path)
        before = after
        if faults:
            wrong.append(f"{request}\n    {'; '.join(faults)}{_logged(caplog)}")
    wrong += [f"GET {path} in the end" for path in LISTS if not _is_answered(door, path)]
    assert not wrong, f"{len(wrong)} of {count}:\n" + "\n".join(wrong)


def _sent(door: TestClient, request: Request) -> tuple[list[str], bool]:
    """What is wrong with the answer, and whether it is a refusal."""
    try:
        answer = door.request(request.method, request.url, headers=request.headers, content=request.body)
    except Exception as error:  # noqa: BLE001  # whatever it is: at a server, a 500 or an answer that breaks off
        return [f"raised {type(error).__name__}: {str(error)[:300]}"], True
    status, text = answer.status_code, answer.text
    media_type = answer.headers.get("content-type", "")
    if media_type.startswith("text/event-stream") and (found := _last_problem(text)) is not None:
        text, status, media_type = found, int(json.loads(found)["status"]), "application/problem+json"
    if status < 400:
        return [], False
    # No predictor runs beside these tests.
    if status == 503 and request.url.partition("?")[0] == "/readyz":
        return ([] if media_type == "application/json" else [f"{media_type} {text[:300]}"]), False
    is_away = status == 503 and request.url.endswith((":predict", "/infer", "ready"))
    faults = [f"status {status}: {text[:300]}"] if status >= 500 and not is_away else []
    problem = json.loads(text) if media_type == "application/problem+json" else None
    if not isinstance(problem, dict) or not problem.keys() >= PROBLEM or problem["status"] != status:
        faults.append(f"no problem document but {media_type} {text[:100]!r}")
    return faults, True


def _is_answered(door: TestClient, path: str) -> bool:
    try:
        return door.get(path).status_code == 200
    except Exception:  # noqa: BLE001  # as above
        return False


def _last_problem(stream: str) -> str | None:
    """The problem that a stream of events ends with, if it does."""
    event, _, data = stream.rstrip().rpartition("\ndata: ")
    return data if event.endswith("event: problem") else None


def _logged(caplog: pytest.LogCaptureFixture) -> str:
    """The last lines of what was logged meanwhile."""
    told = []
    for record in caplog.records:
        told.append(record.getMessage()[:300])
        if record.exc_info and record.exc_info[1] is not None:
            told += "".join(traceback.format_exception(record.exc_info[1])).strip().splitlines()[-3:]
    return "".join(f"\n    | {line[:300]}" for line in told)


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_hostile_inputs_meet_every_route_and_every_format_evenly(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    met = Counter(request.about for request in requests(document, 1000))
    routes = {f"{method} {path}" for path, about in document["paths"].items() for method in about}
    uploads = {"post /v1/datasets"}  # met by every file and form
    assert routes - uploads | {f"file {name}" for name in FORMATS} <= met.keys()
    assert max(met.values()) - min(met.values()) <= 1


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_the_hostile_inputs_are_the_same_each_time(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    one, other = list(requests(document, 200)), list(requests(document, 100))
    assert [str(request) for request in one[:100]] == [str(request) for request in other]
