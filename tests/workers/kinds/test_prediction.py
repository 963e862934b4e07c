"""Whole files are answered as the downloaded file answers, whatever stops the worker meanwhile."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine, select

from app.broker import Broker
from app.db.output_tables import JobFile
from app.db.session import Sessions
from app.db.tables import StagePart
from app.jobs import transitions
from app.jobs.sweeper import forget_parts, referenced
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.conftest import WriteCsv
from tests.stored import store
from tests.workers.conftest import claimed
from workers.heartbeat import Heartbeat
from workers.kinds import prediction as kind
from workers.tasks import Services, _attempt
from workers.transfer.arrays import values

JOB: dict[str, Any] = {
    "model": "m",
    "source": {"dataset": "source"},
    "target": {"dataset": "target"},
    "network": {"kind": "mlp", "hidden_units": [4]},
    "training": {"epochs": 1},
    "method": {"kind": "parameter", "strategy": "linear_probe"},
    "evaluation": {"folds": 0, "seeds": 1, "control": False, "baseline": False},
}

Attempt = Callable[[str], None]


@pytest.fixture
def client(settings: Settings, engine: Engine, write_csv: WriteCsv, tmp_path: Path) -> Iterator[TestClient]:
    """The API, with a source and a target."""
    with TestClient(create_app(settings)) as client:
        for seed, name in enumerate(("source", "target")):
            store(client, name, write_csv(tmp_path / f"{name}.csv", 60, seed=seed).read_bytes(), label="y")
        yield client


@pytest.fixture
def attempt(sessions: Sessions, settings: Settings, broker_url: str) -> Attempt:
    """One attempt at a job, in this process."""
    services = Services(settings, sessions, Storage(settings.storage_dir), Broker(broker_url))

    def attempt(job_id: str) -> None:
        lease = claimed(sessions, job_id)
        try:
            _attempt(services, lease, Heartbeat(sessions, lease, settings, lambda: False))
        except KeyboardInterrupt:  # the worker dies
            with sessions.begin() as session:
                transitions.expire(session, job_id, lease.attempt)
            raise

    return attempt


@pytest.fixture
def model(client: TestClient, attempt: Attempt) -> TestClient:
    """The API, with a version `m@1`."""
    attempt(client.post("/v1/jobs", json=JOB).json()["id"])
    return client


def done(client: TestClient, prediction: str) -> dict[str, Any]:
    view: dict[str, Any] = client.get(f"/v1/predictions/{prediction}").json()
    assert view["state"] == "succeeded", view["error"]
    return view


def fetched(client: TestClient, prediction: str, format_: str) -> bytes:
    answer = client.get(f"/v1/predictions/{prediction}/download", params={"format": format_})
    assert answer.status_code == 200, answer.text
    return answer.content


SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@SQLITE
def test_a_killed_prediction_goes_on_and_answers_what_the_downloaded_file_does(
    model: TestClient, attempt: Attempt, sessions: Sessions, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = model
    monkeypatch.setattr(kind, "ROWS_A_CHUNK", {"tabular": 16})
    monkeypatch.setitem(kind.pieces.__globals__["ROWS_A_PIECE"], "tabular", 8)
    asked = {"model": "m", "dataset": "target", "keep": "all"}
    whole, cut = (client.post("/v1/predictions", json=asked).json()["id"] for _ in range(2))
    attempt(whole)
    answered, calls = kind._answered, [0]

    def dies_at_the_third(*given: Any) -> Any:
        calls[0] += 1
        if calls[0] == 3:
            raise KeyboardInterrupt
        return answered(*given)

    monkeypatch.setattr(kind, "_answered", dies_at_the_third)
    with pytest.raises(KeyboardInterrupt):
        attempt(cut)
    assert client.get(f"/v1/predictions/{cut}").json()["state"] == "queued"
    assert client.get(f"/v1/predictions/{cut}/download").json()["code"] == "no_result_yet"
    attempt(cut)
    assert calls == [5]  # four chunks: the third was begun twice, the first two were not
    view = done(client, cut)
    assert {name: view["result"][name] for name in ("rows", "answered", "refused")} == {
        "rows": 60,
        "answered": 60,
        "refused": 0,
    }
    assert [file["format"] for file in view["result"]["files"]] == ["csv", "jsonl", "parquet", "refused"]
    for format_ in ("csv", "jsonl", "parquet", "refused"):
        assert fetched(client, cut, format_) == fetched(client, whole, format_), format_

    table = pq.read_table(io.BytesIO(fetched(client, cut, "parquet")))
    assert table["row"].to_pylist() == list(range(1, 61))
    path = tmp_path / "m.keras"
    path.write_bytes(client.get("/v1/models/m@1/download").content)
    network = keras.saving.load_model(path)
    signature = client.get("/v1/models/m@1").json()["signature"]
    rows = list(csv.DictReader(io.StringIO(client.get("/v1/datasets/target/content").text)))
    inputs = {column["key"] or column["name"]: cells(rows, column) for column in signature["columns"]}
    expected = network.predict(inputs, verbose=0)[:, 0]
    yes = signature["classes"][1]
    np.testing.assert_allclose(table[f"probability_{yes}"].to_numpy(), expected, atol=1e-6)
    lines = [json.loads(line) for line in fetched(client, cut, "jsonl").splitlines()]
    assert [line["class"] for line in lines] == table["prediction"].to_pylist()
    assert [line["kept"] for line in lines] == rows
    assert set(lines[0]) == {"row", "kept", "class", "probabilities", "calibrated_probabilities"}
    calibrated = [(line["calibrated_probabilities"] or {}).get(yes) for line in lines]
    named = f"calibrated_probability_{yes}"
    assert calibrated == (table[named].to_pylist() if named in table.column_names else [None] * 60)
    told = list(csv.DictReader(io.StringIO(fetched(client, cut, "csv").decode())))
    assert [float(row[f"probability_{yes}"]) for row in told] == table[f"probability_{yes}"].to_pylist()

    with sessions() as session:
        digests = set(session.scalars(select(JobFile.digest).where(JobFile.job_id == cut)))
        assert digests <= referenced(session, 0)
    forget_parts(sessions, 0)
    assert client.delete(f"/v1/predictions/{cut}").status_code == 204
    assert client.delete(f"/v1/predictions/{whole}").status_code == 204
    with sessions() as session:
        assert not session.scalars(select(JobFile.digest)).all()
        assert not session.scalars(select(StagePart.key).where(StagePart.job_id == cut)).all()
        assert not digests & referenced(session, 0)


def cells(rows: list[dict[str, str]], column: dict[str, Any]) -> Any:
    """A column of a CSV file as the downloaded file takes it."""
    texts = [row[column["name"]] for row in rows]
    if column["type"] == "number":
        return np.array([float(text) if text else np.nan for text in texts], np.float32)
    if column["type"] == "boolean":
        import pyarrow as pa

        truth = [None if not text else text.lower() in ("true", "1") for text in texts]
        return values(pa.chunked_array([pa.array(truth, pa.bool_())]), "boolean")
    return np.array(texts, dtype=object)


@SQLITE
def test_a_sent_file_is_answered_and_its_bad_rows_are_listed_with_their_reasons(
    model: TestClient, attempt: Attempt
) -> None:
    client = model
    header = client.get("/v1/datasets/target/content").text.splitlines()[0].split(",")
    features = [column["name"] for column in client.get("/v1/models/m@1").json()["signature"]["columns"]]
    good = client.get("/v1/datasets/target/content").text.splitlines()[1].split(",")
    of_good = dict(zip(header, good, strict=True))
    numbers = [
        column["name"]
        for column in client.get("/v1/models/m@1").json()["signature"]["columns"]
        if column["type"] == "number"
    ]
    rows = [{**of_good, "id": str(number)} for number in range(7)]
    rows[2][numbers[0]] = "many"
    rows[5][numbers[0]] = "inf"
    names = ["id", *features]
    content = "\n".join([",".join(names), *(",".join(row[name] for name in names) for row in rows)]) + "\n"
    answer = client.post(
        "/v1/predictions:upload",
        files={"file": ("rows.csv", content.encode(), "text/csv")},
        data={"model": "m@1", "keep": "id", "formats": "jsonl"},
    )
    assert answer.status_code == 202, answer.text
    made = answer.json()
    assert (made["dataset"], made["filename"], made["version"]) == (None, "rows.csv", "m@1")
    attempt(made["id"])
    result = done(client, made["id"])["result"]
    assert (result["rows"], result["answered"], result["refused"]) == (7, 5, 2)
    lines = [json.loads(line) for line in fetched(client, made["id"], "jsonl").splitlines()]
    assert [(line["row"], line["kept"]["id"]) for line in lines] == [
        (1, "0"),
        (2, "1"),
        (4, "3"),
        (5, "4"),
        (7, "6"),
    ]
    refused = list(csv.DictReader(io.StringIO(fetched(client, made["id"], "refused").decode())))
    assert [(row["row"], row["column"], row["received"]) for row in refused] == [
        ("3", numbers[0], "many"),
        ("6", numbers[0], "inf"),
    ]
    assert client.get(f"/v1/predictions/{made['id']}/download?format=csv").status_code == 404


@SQLITE
def test_a_file_that_the_model_cannot_read_ends_the_job_with_what_is_wrong(
    model: TestClient, attempt: Attempt
) -> None:
    sent = {"file": ("rows.csv", b"x,z\n1,2\n", "text/csv")}
    made = model.post("/v1/predictions:upload", files=sent, data={"model": "m"}).json()
    attempt(made["id"])
    view = model.get(f"/v1/predictions/{made['id']}").json()
    assert (view["state"], view["error"]["code"]) == ("failed", "missing_columns")
    assert "Received: x, z." in view["error"]["message"]
