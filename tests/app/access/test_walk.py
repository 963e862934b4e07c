"""Every route of the application, asked with every kind of key for what is another workspace's.

The routes are those that the application has: one that is added is walked by itself, and where a parameter or
a body of it is not known here, the walk says so and fails.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.access.browser import SIGN_IN
from app.access.scopes import ADMINISTRATION, RANKS, is_open, is_page, scope_needed
from app.db.access_tables import DEFAULT_WORKSPACE, Key
from app.db.tables import Alias, Artifact, Dataset, Event, Job, Model, Reply, Version
from tests.app.access.callers import Made, make_key, workspace_id
from tests.app.conftest import Publish
from tests.app.reports.test_routes import RECEIPT, proved
from tests.stored import Inspected, store_inspected

SECRET = "zebra"
"""In every name that the owner gives."""

PUBLIC = {
    "version": "1",
    "file": "site.css",
    "kind": "parameter",
    "name": "minilm_l6_v2",
    "alias": "zebra-alias",
    "action": "cancel",
}
"""Parameters that lead to nothing of a workspace, or to something by one before them."""

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)

WITHOUT_WORKSPACE = (
    "/ui/upload",
    "/ui/start/options",
    "/v1/methods",
    "/v1/networks",
    "/v1/presets",
    "/metrics",
)


@dataclass(frozen=True)
class Pair:
    """How the owner's thing is called, and something of the same form that is nowhere."""

    there: str
    nowhere: str


@dataclass
class Owned:
    """What the owner has, by the parameter that leads to it."""

    pairs: dict[str, list[Pair]]
    keys: dict[str, Made]


@pytest.fixture
def owned(client: TestClient, publish: Publish, inspected_files: dict[str, Inspected]) -> Owned:
    """Data sets, a job that succeeded, one that waits, a version with a file and an alias, a reply."""
    kept = {
        part: store_inspected(client, f"zebra-{part}", inspected_files[part]) for part in ("source", "target")
    }
    asked = {"source": {"dataset": "zebra-source"}, "target": {"dataset": "zebra-target"}}
    done = publish("helped", RECEIPT, proved(3), name="zebra-done", model="zebra-model", **asked)
    body = {"model": "zebra-model", "name": "zebra-waits", "metadata": {"of": "zebra"}, **asked}
    client.post("/v1/jobs", json=body, headers={"Idempotency-Key": "zebra-reply"}).raise_for_status()
    version = client.get("/v1/models/zebra-model").json()
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        file = {"size": kept["source"]["size"], "filename": "zebra.keras", "media_type": "application/zip"}
        digest = kept["source"]["sha256"]
        for format_ in ("keras", "bundle"):
            session.add(
                Artifact(version_id=version["id"], arm="transfer", format=format_, digest=digest, **file)
            )
    client.put("/v1/models/zebra-model/aliases/zebra-alias", json={"version": 1}).raise_for_status()
    asked_for: dict[str, Any] = {"target": "zebra-target", "name": "zebra-ranking"}
    asked_for["candidates"] = [{"version": "zebra-model@1"}]
    client.post("/v1/rankings", json=asked_for).raise_for_status()
    client.post("/v1/vectors", json={"dataset": "zebra-target", "name": "zebra-vector"}).raise_for_status()
    rows = {"model": "zebra-model", "dataset": "zebra-target", "name": "zebra-prediction"}
    client.post("/v1/predictions", json=rows).raise_for_status()
    keys = {scope: make_key(client, f"zebra-{scope}", scope) for scope in RANKS}
    nobody = "0" * 28
    return Owned(
        {
            "dataset": [
                Pair("zebra-source", "zebra-nothing"),
                Pair("zebra-source@1", "zebra-nothing@1"),
                Pair("zebra-sourc", "zebra-nothin"),  # nearly
                Pair(kept["source"]["id"], f"ds_{nobody}"),
            ],
            "vector": [Pair("zebra-vector", "zebra-victor")],
            "prediction": [Pair("zebra-prediction", "zebra-predilection")],
            "ranking": [Pair("zebra-ranking", "zebra-rankine")],
            "job": [Pair("zebra-done", "zebra-none"), Pair(done["id"], f"job_{nobody}")],
            "model": [
                Pair("zebra-model", "zebra-moth"),
                Pair("zebra-model@1", "zebra-moth@1"),
                Pair("zebra-model@zebra-alias", "zebra-moth@zebra-alias"),
                Pair(version["id"], f"ver_{nobody}"),
            ],
            "key": [
                Pair("zebra-read", "zebra-reed"),
                Pair(keys["read"].id, f"key_{nobody}"),
                Pair(keys["read"].prefix, "mt_00000000"),
            ],
            "workspace": [Pair("default", "nothing")],
        },
        keys,
    )


def job_on(source: dict[str, Any], target: str) -> dict[str, Any]:
    return {"model": "m", "source": source, "target": {"dataset": target}}


def learning_from(name: str) -> dict[str, Any]:
    return {**job_on({"versions": [name, name]}, "mine"), "method": {"kind": "distillation"}}


TENSORS = {"inputs": [{"name": "a", "shape": [1], "datatype": "FP64", "data": [1]}]}


BODIES: dict[tuple[str, str], list[tuple[str, Callable[[str], Any]]]] = {
    ("POST", "/v1/jobs"): [
        ("dataset", lambda name: job_on({"dataset": name}, "mine")),
        ("dataset", lambda name: job_on({"dataset": "mine"}, name)),
        ("model", lambda name: job_on({"version": name}, "mine")),
        ("model", learning_from),
    ],
    ("POST", "/v1/jobs:plan"): [
        ("dataset", lambda name: job_on({"dataset": name}, "mine")),
        ("model", lambda name: job_on({"version": name}, "mine")),
    ],
    ("POST", "/v1/predictions"): [
        ("dataset", lambda name: {"model": "m", "dataset": name}),
        ("model", lambda name: {"model": name, "dataset": "mine"}),
    ],
    ("POST", "/v1/predictions:upload"): [("", lambda _: "no form")],
    ("POST", "/v1/vectors"): [("dataset", lambda name: {"dataset": name})],
    ("POST", "/v1/rankings"): [
        ("dataset", lambda name: {"target": name}),
        ("model", lambda name: {"target": "mine", "candidates": [{"version": name}]}),
    ],
    ("PUT", "/v1/models/{model}/aliases/{alias}"): [("", lambda _: {"version": 1})],
    ("POST", "/v1/keys"): [
        ("workspace", lambda name: {"name": "new", "scope": "read", "workspace": name}),
        ("", lambda _: {"name": "new", "scope": "admin", "installation": True}),
    ],
    ("POST", "/v1/workspaces"): [("", lambda _: {"name": "new"})],
    ("PATCH", "/v1/workspaces/{workspace}"): [("", lambda _: {"limits": {"max_versions": 9}})],
    ("POST", "/v1/datasets"): [("", lambda _: "no table")],
    ("POST", "/v1/models/{model}:predict"): [("", lambda _: {"instances": [{"a": 1}]})],
    ("POST", "/v2/models/{model}/infer"): [("", lambda _: TENSORS)],
    ("POST", "/v2/models/{model}/versions/{version}/infer"): [("", lambda _: TENSORS)],
}
"""What is sent where something must be, by the parameter that it names something of."""


@dataclass(frozen=True)
class Request:
    """One of the walk's, and its twin that asks for what is nowhere."""

    method: str
    form: str
    paths: tuple[str, str]
    bodies: tuple[Any, Any] = (None, None)
    pair: Pair | None = None

    def send(self, client: TestClient, twin: int, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
        """Status, text and headers of the answer; what was asked for is called the same in both."""
        body = self.bodies[twin]
        sent: dict[str, Any] = {"json": body} if isinstance(body, dict) else {"content": body}
        answer = client.request(
            self.method, self.paths[twin], headers=headers, **sent, follow_redirects=False
        )
        # A form that is sent twice by chance is taken once, by a number of its own.
        text = re.sub(r'name="once" value="\w+"', "", answer.text)
        if self.pair is not None:
            text = text.replace((self.pair.there, self.pair.nowhere)[twin], "ASKED")
        told = {name: answer.headers[name] for name in ("etag", "location") if name in answer.headers}
        return answer.status_code, text, told


def routes(client: TestClient) -> Iterator[tuple[str, str]]:
    """Method and form of every route, those too that the OpenAPI document leaves out."""
    found = {
        (method, context.path_format)
        for context in iter_route_contexts(client.app.routes)  # type: ignore[attr-defined]
        for method in context.methods or ()
        if context.path_format and method != "HEAD"
    }
    yield from sorted(found)


def walk(client: TestClient, owned: Owned) -> Iterator[Request]:
    """Every route, with every name of what it leads to."""
    document = client.get("/openapi.json").json()["paths"]
    for method, form in routes(client):
        operation = document.get(form, {}).get(method.lower(), {})
        bodies = BODIES.get((method, form), [])
        assert bodies or "requestBody" not in operation, f"{method} {form}: which body does it take?"
        names = [part.partition("}")[0].partition(":")[0] for part in form.split("{")[1:]]
        unknown = set(names) - set(PUBLIC) - set(owned.pairs)
        assert not unknown, f"{method} {form}: what does {unknown} lead to?"
        theirs = [name for name in names if name in owned.pairs]
        for of, make in bodies or [("", lambda _: None)]:
            named = of or next(iter(theirs), "")
            for pair in owned.pairs.get(named, [None]):
                filled = [
                    form.format(**PUBLIC, **{name: _one(pair, twin, owned, name, named) for name in theirs})
                    for twin in (0, 1)
                ]
                made = [make(_one(pair, twin, owned, named, named)) for twin in (0, 1)]
                yield Request(method, form, (filled[0], filled[1]), (made[0], made[1]), pair)


def _one(pair: Pair | None, twin: int, owned: Owned, name: str, named: str) -> str:
    if pair is None:
        return ""
    chosen = pair if name == named else owned.pairs[name][0]
    return (chosen.there, chosen.nowhere)[twin]


def rows(client: TestClient) -> list[str]:
    """All that the owner has in the database."""
    of_workspace = (Dataset, Job, Model, Version, Alias, Reply)
    with client.app.state.readers() as session:  # type: ignore[attr-defined]
        found: list[Any] = []
        for table in of_workspace:
            found += session.scalars(select(table).where(table.workspace_id == DEFAULT_WORKSPACE))
        found += session.scalars(select(Event))
        found += session.scalars(select(Key).where(Key.workspace_id == DEFAULT_WORKSPACE))
        left_out = ("last_used_at",)
        return sorted(
            str([(c.name, getattr(row, c.name)) for c in row.__table__.columns if c.name not in left_out])
            for row in found
        )


def test_a_foreign_key_of_any_scope_finds_what_is_nowhere(
    client: TestClient, owned: Owned, inspected_files: dict[str, Inspected]
) -> None:
    foreign = {scope: make_key(client, "stranger", scope, "elsewhere") for scope in RANKS}
    own = workspace_id(client, "elsewhere")
    store_inspected(client, "mine", inspected_files["target"], own)
    before, found = rows(client), []
    for request, (scope, key) in product(walk(client, owned), foreign.items()):
        if RANKS[scope] < RANKS[scope_needed(request.method, request.paths[0])]:
            continue  # refused before anything is looked for, as another test says
        answers = [request.send(client, twin, key.headers) for twin in (0, 1)]
        is_told = answers[0] != answers[1] or SECRET in answers[0][1].replace("zebra-alias", "")
        if is_told or answers[0][0] not in expected(request):
            found.append((scope, request.method, request.paths, request.bodies[0], answers))
    assert not found, json.dumps(found, indent=1, default=str)[:5000]
    assert rows(client) == before


def expected(request: Request) -> set[int]:
    """The statuses that a foreign key may see; of lists and the like any will do that tells nothing."""
    if request.form in ("/readyz", "/v2/health/ready"):  # no predictor runs here
        return {503}
    if request.pair is None:
        return {200, 201, 303, 307, 403, 404, 409, 422}
    if request.form == "/v1/models/{model}/comparison":  # which the walk does not say with what
        return {422}
    if is_page(request.form) and request.method == "POST":  # the walk has no form of a page
        return {403}
    # A model's name alone is refused before it is looked for.
    return {404, 422} if (request.method, request.form) == ("DELETE", "/v1/models/{model}") else {404}


@SQLITE
def test_the_owner_finds_all_of_it_with_the_least_scope(client: TestClient, owned: Owned) -> None:
    found = []
    for request in walk(client, owned):
        if request.method == "GET" and request.pair is not None and request.pair.there != "zebra-sourc":
            scope = scope_needed("GET", request.paths[0])
            if "/versions" in request.form and request.pair.there != "zebra-model":
                continue  # it takes the name alone
            if request.form == "/v1/models/{model}/comparison":
                continue
            if request.form.endswith(("/vector", "/neighbours")):
                continue  # no worker has made a vector
            if request.form == "/v1/predictions/{prediction}/download":
                continue  # no worker has answered
            if request.form.endswith("/ready"):
                continue  # there are no files of this version, nor a predictor
            status, text, _ = request.send(client, 0, owned.keys[scope].headers)
            if status != 200:
                found.append((request.paths[0], status, text))
    assert not found


@SQLITE
def test_each_key_goes_as_far_as_its_scope_and_without_one_nobody_goes(
    client: TestClient, owned: Owned
) -> None:
    before, whole = rows(client), make_key(client, "whole", "admin", None)
    for request in walk(client, owned):
        path, needed = request.paths[0], scope_needed(request.method, request.paths[0])
        if is_open(path):
            # A form that is not its own; a service without a predictor.
            allowed = (200, 503) if request.method == "GET" else (403,)
            assert request.send(client, 0, {})[0] in allowed, request
            continue
        status, text, told = request.send(client, 0, {})
        if is_page(path):
            assert (status, told["location"].partition("?")[0]) == (303, SIGN_IN), request
        else:
            assert (status, json.loads(text)["code"]) == (401, "key_missing"), request
        for scope in RANKS:
            if RANKS[scope] < RANKS[needed]:
                status, text, _ = request.send(client, 0, owned.keys[scope].headers)
                assert (status, json.loads(text)["code"]) == (403, "scope_too_small"), request
        if not path.startswith((*WITHOUT_WORKSPACE, *ADMINISTRATION)):  # the installation has no data
            status, text, _ = request.send(client, 0, whole.headers)
            assert status in (403, 422), (request, status)
            assert SECRET not in text.replace("zebra-alias", "").replace(path, ""), request
    assert rows(client) == before
