"""Jobs that an earlier version of the service wrote down are answered as well."""

from __future__ import annotations

import copy

from fastapi.testclient import TestClient

from app.db.tables import Job
from tests.app.conftest import Publish


def test_options_that_came_since_have_their_defaults_and_those_that_went_are_left_out(
    client: TestClient, publish: Publish
) -> None:
    made = publish("helped", name="old")
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        job = session.get_one(Job, made["id"])
        spec = copy.deepcopy(job.spec)
        del spec["method"]["wise_ft"], spec["network"]["dropout"], spec["training"]["augment"]
        del spec["evaluation"]["margin"]
        for part in ("method", "network", "training", "evaluation"):
            spec[part]["gone_since"] = 1
        job.spec = spec
        told = ("verdict_details", "choices", "control", "rows_seen")
        job.result = {name: value for name, value in job.result.items() if name not in told}
    answered = client.get("/v1/jobs/old")
    assert answered.status_code == 200, answered.text
    for part in ("method", "network", "training", "evaluation"):
        assert answered.json()[part] == made[part]
    result = answered.json()["result"]
    assert (result["verdict_details"], result["choices"]) == ([], {})
    assert (result["control"], result["rows_seen"]) == (None, None)
    report = client.get("/v1/jobs/old/report")
    assert report.status_code == 200, report.text
    assert report.json()["request"]["method"] == made["method"]
