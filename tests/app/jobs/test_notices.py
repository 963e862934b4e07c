"""Columns that source and target have as other types are told when the job is accepted."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.conftest import Publish

SOURCE = {"amount": "1.5", "member": "yes", "day": "2024-01-02", "w": "1"}
TARGET = {"amount": "unknown", "member": "1", "day": "2024-01-03", "w": "2"}


def _upload(client: TestClient, name: str, odd: dict[str, str], **fields: str) -> dict[str, Any]:
    usual = [SOURCE if name == "source" else {**SOURCE, "member": "0"}, odd]
    rows = [f"{','.join(usual[n % 20 == 0].values())}{n},{'hi' if n % 2 else 'lo'}" for n in range(80)]
    content = "\n".join([",".join([*odd, "y"]), *rows]).encode()
    files = {"file": (f"{name}.csv", content, "text/csv")}
    answer = client.post("/v1/datasets", files=files, data={"name": name, "label": "y", **fields})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


def _job(client: TestClient, **asked: Any) -> dict[str, Any]:
    request = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}, **asked}
    answer = client.post("/v1/jobs", json=request)
    assert answer.status_code == 202, answer.text
    job: dict[str, Any] = answer.json()
    assert client.get(f"/v1/jobs/{job['id']}").json()["warnings"] == job["warnings"]
    return job


def test_a_column_of_another_type_is_told_with_both_types_and_the_field_to_send(client: TestClient) -> None:
    _upload(client, "source", SOURCE)
    _upload(client, "target", TARGET)
    job = _job(client)
    assert [(one["code"], one["column"]) for one in job["warnings"]] == [
        ("type_differs", "amount"),
        ("type_differs", "member"),
    ]
    amount, member = (one["message"] for one in job["warnings"])
    assert "amount: number in the source, category in the target" in amount
    assert 'upload the target again with `types={"amount": "number"}`' in amount
    assert "member: boolean in the source, number in the target" in member
    assert 'upload the target again with `types={"member": "boolean"}`' in member
    events = client.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    warned = [event for event in events if event["level"] == "warning"]
    assert [event["data"]["code"] for event in warned] == ["type_differs"] * 2


def test_what_is_told_to_be_sent_mends_it(client: TestClient) -> None:
    _upload(client, "source", SOURCE)
    _upload(client, "target", {**TARGET, "amount": "2.5"}, types='{"member": "boolean"}')
    assert _job(client)["warnings"] == []


@pytest.mark.parametrize(
    ("method", "arms", "count"),
    [("structure", [], 0), ("structure", ["structure_with_parameters"], 2), ("combined", [], 2)],
)
def test_nothing_is_told_where_no_column_is_carried(
    method: str, arms: list[str], count: int, client: TestClient
) -> None:
    _upload(client, "source", SOURCE)
    _upload(client, "target", TARGET)
    job = _job(client, method={"kind": method}, evaluation={"arms": arms})
    assert len(job["warnings"]) == count


def _told(job: dict[str, Any]) -> list[str]:
    return [one["message"] for one in job["warnings"] if one["code"] == "source_shares_target"]


def test_one_data_set_as_source_and_target_is_told(
    client: TestClient, datasets: dict[str, dict[str, object]]
) -> None:
    (told,) = _told(_job(client, source={"dataset": "target"}))
    assert told.startswith("The source was or will be trained on target@1, the target itself. Test rows")
    assert _told(_job(client)) == []


def test_versions_of_one_data_set_as_source_and_target_are_told(client: TestClient) -> None:
    _upload(client, "target", SOURCE)
    _upload(client, "target", {**SOURCE, "w": "3"})
    (told,) = _told(_job(client, source={"dataset": "target@1"}, target={"dataset": "target@2"}))
    assert "trained on target@1, the data set of the target, target@2." in told


def test_a_version_whose_ancestor_was_trained_on_the_target_is_told(
    client: TestClient, publish: Publish
) -> None:
    rows = [{"dataset": name, "digest": "0" * 64, "rows": 9} for name in ("other@1", "target@1", "target@7")]
    publish("helped", trained_rows=rows)
    publish("helped", trained_rows=rows[:1])
    asked = {"method": {"kind": "structure", "strategy": "reuse"}}
    (told,) = _told(_job(client, source={"version": "m@1"}, **asked))
    assert "trained on target@1 and target@7, the data set of the target" in told
    assert _told(_job(client, source={"version": "m@2"}, **asked)) == []
