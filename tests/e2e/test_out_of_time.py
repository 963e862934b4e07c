from __future__ import annotations

from pathlib import Path

from tests.conftest import WriteCsv
from tests.e2e.conftest import Service


def test_a_job_whose_time_is_over_fails_without_a_verdict_and_a_retry_goes_on(
    service: Service, tmp_path: Path, write_csv: WriteCsv
) -> None:
    for seed, name in enumerate(("time-source", "time-target")):
        service.upload(name, write_csv(tmp_path / f"{name}.csv", 200, seed=seed), label="y")
    made = service.post(
        model="time",
        source={"dataset": "time-source", "training": {"epochs": 1, "learning_rate": 0.01}},
        target={"dataset": "time-target"},
        method={"kind": "parameter", "strategy": "full"},
        network={"kind": "mlp", "hidden_units": [8]},
        training={"epochs": 50_000, "learning_rate": 0.01},
        evaluation={"seeds": 1, "baseline": False},
        limits={"max_seconds": 3.0},
    )
    ended = service.wait(made["id"])
    assert (ended["state"], ended["error"]["code"], ended["result"]) == ("failed", "out_of_time", None)
    assert ended["ran_seconds"] >= 3.0
    done = {stage["stage"] for stage in ended["stages"] if stage["state"] == "finished"}
    assert "evaluate" not in done

    assert service.http.post(f"/v1/jobs/{made['id']}:retry").json()["ran_seconds"] == 0
    again = service.wait(made["id"])
    assert (again["state"], again["error"]["code"], again["attempt"]) == ("failed", "out_of_time", 2)
    assert done <= {stage["stage"] for stage in again["stages"] if stage["state"] == "finished"}
    events = service.http.get(f"/v1/jobs/{made['id']}/events").json()["data"]
    begun = [event["data"]["stage"] for event in events if event["type"] == "stage.started"]
    assert not [stage for stage in done if begun.count(stage) > 1]
