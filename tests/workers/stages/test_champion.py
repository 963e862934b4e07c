"""A new version beside its model's champion: real jobs, one after the other."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from tests.stored import store
from tests.workers.conftest import claimed
from workers.heartbeat import Heartbeat
from workers.tasks import Services, _attempt

REQUEST: dict[str, Any] = {
    "network": {"kind": "mlp", "hidden_units": [8], "dropout": 0.0},
    "source": {"dataset": "source"},
    "method": {"strategy": "full"},
    "training": {"epochs": 30, "batch_size": 16, "learning_rate": 0.01},
    "evaluation": {"control": False, "baseline": False},
}
SHORT: dict[str, Any] = {
    "training": {**REQUEST["training"], "epochs": 1},
    "evaluation": {**REQUEST["evaluation"], "seeds": 1},
}
"""Where it is not asked how good the networks are."""


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker; `noise` has labels that follow from nothing."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0), label="y")
        store(client, "target", rows(1), label="y")
        store(client, "noise", rows(2, noise=True), label="y")
        store(client, "turned", rows(1, yes="a yes", no="b no"), label="y")
        store(client, "named", rows(4, columns="abcx"), label="y")
        yield client


def rows(seed: int, *, noise: bool = False, yes: str = "yes", no: str = "no", columns: str = "abcd") -> bytes:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(160, 4)).round(6)
    sure = rng.random(160) < 0.5 if noise else x[:, 0] > x[:, 1]
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*columns, "y", "split"])
    for number, (values, is_yes) in enumerate(zip(x, sure, strict=True)):
        part = "train" if number < 80 else "validation" if number < 100 else "test"
        writer.writerow([*values, yes if is_yes else no, part])
    return out.getvalue().encode()


def done(client: TestClient, services: Services, model: str, target: str, **asked: Any) -> dict[str, Any]:
    """The result of a job that this process runs."""
    request = {**REQUEST, "model": model, "target": {"dataset": target}, **asked}
    job_id = client.post("/v1/jobs", json=request).json()["id"]
    lease = claimed(services.sessions, job_id)
    _attempt(services, lease, Heartbeat(services.sessions, lease, services.settings, lambda: False))
    job = client.get(f"/v1/jobs/{job_id}").json()
    assert job["state"] == "succeeded", job["error"]
    result: dict[str, Any] = job["result"]
    return result


def champion(client: TestClient, model: str) -> str:
    ref: str = client.get(f"/v1/models/{model}@champion").json()["ref"]
    return ref


def test_a_version_that_is_worse_on_the_same_rows_leaves_the_champion_and_a_better_one_takes_its_place(
    client: TestClient, services: Services
) -> None:
    poor = {"source": {"dataset": "noise"}, "training": {**REQUEST["training"], "epochs": 1}}
    once = {"evaluation": SHORT["evaluation"]}  # the first seed's network is the model
    first = done(client, services, "m", "target", **poor, **once)
    assert first["champion"] is None
    good = done(client, services, "m", "target", **once)
    told = good["champion"]
    assert (told["version"], told["comparable"], told["rows"]) == ("m@1", True, 60)
    assert told["champion"] == pytest.approx(first["metrics"]["transfer"]["accuracy"])
    assert told["new"] == pytest.approx(good["metrics"]["transfer"]["accuracy"])
    assert told["value"] == pytest.approx(told["new"] - told["champion"])
    assert champion(client, "m") == "m@2"
    worse = done(client, services, "m", "target", **poor)
    assert worse["champion"]["high"] < 0
    assert champion(client, "m") == "m@2"
    lineage = client.get("/v1/models/m@3").json()["lineage"]
    assert lineage["champion"] == worse["champion"]


def test_test_rows_that_the_champion_was_trained_on_are_left_out(
    client: TestClient, services: Services
) -> None:
    done(client, services, "seen", "source", source={"dataset": "noise"}, **SHORT)
    turned = store(client, "source-turned", _reversed_parts(rows(0)), label="y")
    result = done(client, services, "seen", turned["name"], source={"dataset": "noise"}, **SHORT)
    assert result["champion"] == {
        "version": "seen@1",
        "comparable": False,
        "why": "too few test rows remain that neither was trained on: 0",
        **dict.fromkeys(("metric", "value", "low", "high", "rows", "new", "champion")),
    }
    assert champion(client, "seen") == "seen@1"


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("turned", "the champion knows other classes"),
        ("named", "the champion reads columns that the target lacks, such as d"),
    ],
)
def test_a_champion_that_cannot_answer_the_target_stays(
    client: TestClient, services: Services, target: str, why: str
) -> None:
    done(client, services, f"apart-{target}", "target", **SHORT)
    result = done(client, services, f"apart-{target}", target, **SHORT)
    assert (result["champion"]["comparable"], result["champion"]["why"]) == (False, why)
    assert champion(client, f"apart-{target}") == f"apart-{target}@1"


def _reversed_parts(file: bytes) -> bytes:
    """The same rows, those to train on as test rows."""
    names = {b"train\r\n": b"test\r\n", b"test\r\n": b"train\r\n"}
    lines = []
    for line in file.splitlines(keepends=True):
        head, _, part = line.rpartition(b",")
        lines.append(head + b"," + names.get(part, part))
    return b"".join(lines)
