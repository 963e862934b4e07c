from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.db.session import Sessions
from app.db.tables import Job, JobStage
from tests.app.conftest import Publish
from tests.conftest import wait_for
from tests.stored import store

SHORTEST = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}

pytestmark = pytest.mark.usefixtures("datasets")


def post(client: TestClient, **changes: Any) -> Any:
    return client.post("/v1/jobs", json={**SHORTEST, **changes})


def test_only_model_source_and_target_have_to_be_given(client: TestClient) -> None:
    answer = post(client)
    assert answer.status_code == 202
    job = answer.json()
    assert answer.headers["location"] == f"/v1/jobs/{job['id']}"
    assert (job["state"], job["terminal"], job["attempt"]) == ("queued", False, 0)
    assert job["method"]["kind"] == "parameter"
    assert job["network"]["hidden_units"] == [64, 64]
    assert job["evaluation"]["control"] is True
    assert [stage["stage"] for stage in job["stages"]] == [
        "source",
        "transfer",
        "control",
        "evaluate",
        "export",
    ]
    assert job["target"]["dataset"] == "target@1"


SETTLED = {
    "round_updates": 32,
    "min_updates": 300,
    "patience_updates": 150,
    "patience_rounds": 3,
    "max_updates": 3000,
    "epochs_without_validation": 20,
    "few_validation_rows": 100,
    "short_epochs": 20,
    "chosen_by": "accuracy",
    "least_validation_rows": 30,
    "search_folds": 3,
}


def spec_of(sessions: Sessions, job: dict[str, Any]) -> dict[str, Any]:
    with sessions() as session:
        return session.get_one(Job, job["id"]).spec


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({}, {"learning_rate": None, "learning_rates": [0.001, 0.003, 0.01], "budget": SETTLED}),
        ({"learning_rate": 0.02}, {"learning_rate": 0.02, "learning_rates": None, "budget": SETTLED}),
        ({"learning_rates": [0.1]}, {"learning_rate": None, "learning_rates": [0.1], "budget": SETTLED}),
        (
            {"budget": {"max_updates": 400, "short_epochs": 0}},
            {"budget": {**SETTLED, "max_updates": 400, "short_epochs": 0}},
        ),
        (
            {"budget": {"min_updates": 5000}},
            {"budget": {**SETTLED, "min_updates": 5000, "max_updates": 5000}},
        ),
        (
            {"budget": {"round_updates": 5000, "max_updates": 400}},
            {"budget": {**SETTLED, "round_updates": 400, "max_updates": 400}},
        ),
        ({"epochs": 7}, {"epochs": 7, "learning_rate": 0.001, "learning_rates": None, "budget": None}),
        ({"epochs": 7, "patience": 2}, {"epochs": 7, "patience": 2}),
    ],
)
def test_every_limit_of_a_training_is_filled_in_when_a_job_is_accepted(
    client: TestClient, sessions: Sessions, training: dict[str, Any], expected: dict[str, Any]
) -> None:
    settled = spec_of(sessions, post(client, training=training).json())["training"]
    assert {name: settled[name] for name in expected} == expected


def test_a_source_is_trained_like_the_target_at_one_learning_rate(
    client: TestClient, sessions: Sessions
) -> None:
    for asked, rate in (({}, 0.001), ({"training": {"learning_rates": [0.1, 0.2]}}, 0.001)):
        settled = spec_of(sessions, post(client, **asked).json())["source_training"]
        assert (settled["learning_rate"], settled["learning_rates"]) == (rate, None)
        assert settled["budget"] == SETTLED
    own = {"source": {"dataset": "source", "training": {"epochs": 3}}}
    settled = spec_of(sessions, post(client, **own).json())["source_training"]
    assert (settled["epochs"], settled["budget"]) == (3, None)


@pytest.mark.parametrize(
    ("training", "words"),
    [
        ({"patience": 3}, "send `epochs` too, or `budget` with `patience_updates`"),
        ({"epochs": 3, "budget": {}}, "leave one of them out"),
        ({"epochs": 3, "learning_rates": [0.1]}, "leave one of them out"),
        ({"learning_rate": 0.1, "learning_rates": [0.1]}, "leave one of them out"),
        ({"budget": {"max_updates": 10}}, "lower `min_updates` too"),
    ],
)
def test_options_of_a_training_that_exclude_each_other_are_refused(
    client: TestClient, training: dict[str, Any], words: str
) -> None:
    answer = post(client, training=training)
    assert answer.status_code == 422
    assert words in answer.json()["detail"]
    assert "expected expected" not in answer.json()["detail"].lower()


def test_a_job_that_compares_nothing_has_no_such_stage(client: TestClient) -> None:
    asked = post(client, evaluation={"control": False}).json()
    assert "control" in [stage["stage"] for stage in asked["stages"]]  # the baseline is fitted in it
    job = post(client, evaluation={"control": False, "baseline": False}).json()
    assert [stage["stage"] for stage in job["stages"]] == ["source", "transfer", "evaluate", "export"]


def test_a_job_is_found_by_id_and_name(client: TestClient) -> None:
    job = post(client, name="first").json()
    assert client.get("/v1/jobs/first").json() == client.get(f"/v1/jobs/{job['id']}").json() == job
    made = post(client).json()
    assert client.get(f"/v1/jobs/{made['name']}").json()["id"] == made["id"]


@pytest.mark.parametrize(
    ("changes", "status", "code", "words"),
    [
        ({"model": "a b"}, 422, "invalid_request", "letters, digits"),
        ({"model": None}, 422, "invalid_request", "model"),
        ({"trainin": {}}, 422, "invalid_request", "expected a known field"),
        ({"training": {"epochs": 0}}, 422, "invalid_request", "training.epochs"),
        ({"training": {"epochs": "ten"}}, 422, "invalid_request", '"ten"'),
        ({"network": {"kind": "mlp", "hidden_units": []}}, 422, "invalid_request", "network.hidden_units"),
        ({"network": {"kind": "cnn"}}, 422, "invalid_request", "network.kind"),
        (
            {"method": {"kind": "parameter", "strategy": "half"}},
            422,
            "invalid_request",
            "'linear_probe'",
        ),
        ({"source": {}}, 422, "invalid_request", "give one of `dataset`, `version`, `versions` and `preset`"),
        ({"source": {"dataset": "sorce"}}, 404, "dataset_not_found", "Received: sorce"),
        ({"source": {"version": "m@1"}}, 404, "model_not_found", "Received: m@1"),
        ({"evaluation": {"metric": "rmse"}}, 422, "metric_of_other_task", "accuracy"),
        ({"network": {"preprocessing": False}}, 422, "needs_preprocessing", "column b of the source"),
    ],
)
def test_a_bad_request_says_what_was_expected(
    client: TestClient, changes: dict[str, Any], status: int, code: str, words: str
) -> None:
    answer = post(client, **changes)
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (status, code), problem
    assert words in problem["detail"], problem
    assert "Received: " in problem["detail"]
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_near_miss_is_told_the_right_name(client: TestClient) -> None:
    assert post(client, source={"dataset": "sorce"}).json()["hint"] == "Did you mean: source?"


def test_a_body_that_is_no_json_says_so(client: TestClient) -> None:
    answer = client.post("/v1/jobs", content="{nonsense", headers={"content-type": "application/json"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("body: expected JSON. Received: ")
    form = client.post("/v1/jobs", data={"model": "m"})
    assert "Content-Type: application/json" in form.json()["hint"]


def test_other_columns_are_refused_where_none_is_shared_or_a_teacher_must_read_them(
    client: TestClient,
) -> None:
    store(
        client,
        "other",
        ("a,b,c,town,y\n" + "".join(f"{n},2,3,oslo,pass\n2,{n},3,rome,fail\n" for n in range(20))).encode(),
    )
    store(client, "strange", ("p,q,y\n" + "".join(f"{n},2,pass\n2,{n},fail\n" for n in range(20))).encode())
    assert post(client, target={"dataset": "other"}).status_code == 202
    answer = post(client, target={"dataset": "strange"})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_shared_columns")
    answer = post(client, target={"dataset": "other"}, method={"kind": "distillation"})
    assert (answer.status_code, answer.json()["code"]) == (422, "columns_differ")
    assert {error["column"] for error in answer.json()["errors"]} == {"city", "town"}


def test_a_target_without_test_rows_is_refused(client: TestClient) -> None:
    rows = "1,2,3,oslo,pass,train\n2,1,3,rome,fail,train\n" * 20
    store(client, "untested", ("a,b,c,city,y,split\n" + rows).encode())
    answer = post(client, target={"dataset": "untested"})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_test_rows")


def test_a_job_name_is_taken_once(client: TestClient) -> None:
    assert post(client, name="j").status_code == 202
    assert post(client, name="j").json()["code"] == "job_name_taken"


def test_a_queued_job_is_paused_resumed_and_cancelled_each_as_often_as_one_likes(client: TestClient) -> None:
    post(client, name="j")
    for verb, state in (("pause", "paused"), ("resume", "queued"), ("cancel", "cancelled")):
        for _ in range(2):
            answer = client.post(f"/v1/jobs/j:{verb}")
            assert (answer.status_code, answer.json()["state"]) == (200, state)


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_cancelled_job_can_neither_be_paused_nor_resumed(client: TestClient, verb: str) -> None:
    post(client, name="j")
    client.post("/v1/jobs/j:cancel")
    answer = client.post(f"/v1/jobs/j:{verb}")
    assert (answer.status_code, answer.json()["code"]) == (409, "job_state")
    assert "which is cancelled" in answer.json()["detail"]


def test_a_cancelled_job_is_retried_once_and_a_queued_one_is_not(client: TestClient) -> None:
    post(client, name="j")
    client.post("/v1/jobs/j:cancel")
    answer = client.post("/v1/jobs/j:retry")
    assert (answer.status_code, answer.json()["state"]) == (200, "queued")
    assert (answer.json()["terminal"], answer.json()["finished_at"]) == (False, None)
    again = client.post("/v1/jobs/j:retry")
    assert (again.status_code, again.json()["code"]) == (409, "job_state")
    assert "It has not ended" in again.json()["hint"]


def test_a_job_whose_data_set_or_version_was_deleted_is_not_retried(
    client: TestClient, publish: Publish
) -> None:
    publish("helped", champion="never")
    post(client, name="j")
    post(client, name="k", source={"version": "m@1"})
    for name in ("j", "k"):
        client.post(f"/v1/jobs/{name}:cancel")
    assert client.delete("/v1/datasets/source").status_code == 204
    assert client.delete("/v1/models/m@1").status_code == 204
    for name, gone in (("j", "source@1"), ("k", "m@1")):
        answer = client.post(f"/v1/jobs/{name}:retry")
        assert (answer.status_code, answer.json()["code"]) == (410, "input_deleted")
        assert f"which needs {gone}: deleted since" in answer.json()["detail"]
        assert client.get(f"/v1/jobs/{name}").json()["state"] == "cancelled"


def test_a_retried_job_does_again_what_it_has_no_files_of(client: TestClient, sessions: Sessions) -> None:
    job = post(client, name="j").json()["id"]
    with sessions.begin() as session:
        for stage in ("source", "transfer"):
            row = session.get_one(JobStage, (job, stage))
            row.state, row.finished_at = "finished", datetime.now(UTC)
            row.output_digest = "0" * 64 if stage == "source" else None
    client.post("/v1/jobs/j:cancel")
    stages = client.post("/v1/jobs/j:retry").json()["stages"]
    assert {stage["state"] for stage in stages} == {"waiting"}


def test_owner_priority_and_queue_are_kept_and_an_unknown_queue_is_refused(client: TestClient) -> None:
    view = post(client, name="j", owner="ada", priority=3).json()
    assert (view["owner"], view["priority"], view["queue"], view["retry_at"]) == ("ada", 3, "default", None)
    refused = post(client, queue="defualt")
    assert (refused.status_code, refused.json()["code"]) == (422, "queue_unknown")
    assert "default" in refused.json()["hint"]


def test_a_job_that_saved_nothing_has_no_model_yet(client: TestClient) -> None:
    post(client, name="j")
    answer = client.get("/v1/jobs/j/model")
    assert (answer.status_code, answer.json()["code"]) == (409, "no_model_yet")


def test_events_are_read_as_json_from_where_one_stopped(client: TestClient) -> None:
    post(client, name="j")
    client.post("/v1/jobs/j:cancel")
    events = client.get("/v1/jobs/j/events").json()["data"]
    assert [event["type"] for event in events] == ["job.created", "job.cancelled"]
    rest = client.get(f"/v1/jobs/j/events?after={events[0]['id']}").json()["data"]
    assert rest == events[1:]


def test_events_are_streamed_until_the_job_has_ended(client: TestClient) -> None:
    post(client, name="j")
    client.post("/v1/jobs/j:cancel")
    first = client.get("/v1/jobs/j/events").json()["data"][0]
    headers = {"accept": "text/event-stream"}
    whole = client.get("/v1/jobs/j/events", headers=headers)
    assert whole.headers["content-type"].startswith("text/event-stream")
    assert whole.text.count("event: ") == 2
    rest = client.get("/v1/jobs/j/events", headers={**headers, "last-event-id": str(first["id"])})
    assert "job.created" not in rest.text
    assert "event: job.cancelled" in rest.text


def test_waiting_for_a_job_that_has_ended_answers_at_once(client: TestClient) -> None:
    post(client, name="j")
    client.post("/v1/jobs/j:cancel")
    assert client.get("/v1/jobs/j?wait=300").json()["state"] == "cancelled"


def test_who_waits_hears_of_the_end_while_he_waits(client: TestClient) -> None:
    post(client, name="j")
    following = client.app.state.following  # type: ignore[attr-defined]
    with ThreadPoolExecutor(2) as pool:
        wait = pool.submit(client.get, "/v1/jobs/j?wait=300")
        stream = pool.submit(client.get, "/v1/jobs/j/events", headers={"accept": "text/event-stream"})
        wait_for(lambda: following.count == 2)
        client.post("/v1/jobs/j:cancel")
        assert wait.result().json()["state"] == "cancelled"
        assert stream.result().text.count("event: ") == 2
    assert following.count == 0


def test_what_is_asked_again_and_again_is_the_answer_that_the_job_itself_has(client: TestClient) -> None:
    made = post(client, name="j").json()
    assert client.get("/v1/jobs/j").json() == made
    assert client.get(f"/v1/jobs/{made['id']}").json() == made
    moved = client.post("/v1/jobs/j:pause").json()
    assert moved["state"] == "paused"
    assert client.get("/v1/jobs/j").json() == moved


def test_who_waits_for_a_job_is_answered_before_the_server_stops(client: TestClient) -> None:
    post(client, name="j")
    client.app.state.stopping.set()  # type: ignore[attr-defined]
    assert client.get("/v1/jobs/j?wait=300").json()["state"] == "queued"
    stream = client.get("/v1/jobs/j/events", headers={"accept": "text/event-stream"})
    assert stream.text.count("event: ") == 1


def test_lists_are_filtered_by_state_and_model(client: TestClient) -> None:
    post(client, name="a", model="x")
    post(client, name="b", model="y")
    client.post("/v1/jobs/a:cancel")
    names = [job["name"] for job in client.get("/v1/jobs").json()["data"]]
    assert names == ["b", "a"]
    assert [job["name"] for job in client.get("/v1/jobs?state=cancelled").json()["data"]] == ["a"]
    assert [job["name"] for job in client.get("/v1/jobs?model=y").json()["data"]] == ["b"]
