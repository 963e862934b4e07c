"""A worker makes a task vector, from the upload to the answer."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from app.broker import Broker
from app.db.session import Sessions
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.stored import store
from tests.workers.conftest import claimed
from workers.heartbeat import Heartbeat
from workers.tasks import Services, _attempt


@pytest.fixture
def services(sessions: Sessions, settings: Settings, broker_url: str) -> Services:
    """What a worker holds."""
    return Services(settings, sessions, Storage(settings.storage_dir), Broker(broker_url))


def test_a_data_set_is_nearest_to_its_other_half(
    services: Services, sessions: Sessions, settings: Settings
) -> None:
    rows = [f"{'lovely superb' if n % 2 else 'awful dull'} film number {n},{n % 2}" for n in range(120)]
    other = [f"{'goal referee' if n % 2 else 'vote senate'} in {n},{n % 2}" for n in range(60)]
    files = {"first": rows[:60], "second": rows[60:], "other": other}
    with TestClient(create_app(settings)) as client:
        for name, lines in files.items():
            store(client, name, "\n".join(["text,label", *lines]).encode(), kind="text")
            job = client.post("/v1/vectors", json={"dataset": name}).json()
            lease = claimed(sessions, job["id"])
            _attempt(services, lease, Heartbeat(sessions, lease, settings, lambda: False))
            told = client.get(f"/v1/vectors/{job['id']}").json()
            assert (told["state"], told["error"]) == ("succeeded", None)
            assert told["stages"][0]["state"] == "finished"
        vector = client.get("/v1/datasets/first/vector").json()
        assert (vector["probe"], vector["task"], len(vector["fisher"])) == ("text-1", "binary", 256)
        assert vector["of_rows"] < 60  # test rows are left alone
        near = client.get("/v1/datasets/first/neighbours").json()
        assert [one["dataset"] for one in near["data"]] == ["second@1", "other@1"]
