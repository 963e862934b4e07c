from __future__ import annotations

import hashlib
import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from tests.conftest import WriteCsv, wait_for
from tests.e2e.conftest import Service
from tests.plain_python import PlainPython

BRIEF = {"seeds": 2, "baseline": False}
ALONE = {"seeds": 1, "baseline": False, "control": False}
"""An evaluation that compares with nothing, where the test asks what the transfer itself does."""
SMALL = {"network": {"kind": "mlp", "hidden_units": [16]}, "training": {"epochs": 3, "batch_size": 32}}


@pytest.fixture(scope="module")
def uploaded(service: Service, tmp_path_factory: pytest.TempPathFactory, write_csv: WriteCsv) -> None:
    """The data sets `source` and `target`."""
    folder = tmp_path_factory.mktemp("data")
    service.upload("source", write_csv(folder / "source.csv", 600, seed=1), label="y")
    service.upload("target", write_csv(folder / "target.csv", 320, seed=2, shift=0.3), label="y")


@pytest.fixture(scope="module")
def finished(service: Service, uploaded: None) -> dict[str, Any]:
    """A job that has succeeded."""
    job = service.post(
        model="grades",
        source={"dataset": "source"},
        target={"dataset": "target"},
        method={"kind": "parameter", "strategy": "full"},
        evaluation=BRIEF,
        **SMALL,
    )
    ended = service.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    return ended


def test_a_job_ends_with_version_verdict_gain_and_metrics(finished: dict[str, Any]) -> None:
    result = finished["result"]
    assert result["version"] == "grades@1"
    assert result["verdict"] in ("helped", "no difference", "hurt")
    gain = result["gain"]
    assert gain["low"] <= gain["value"] <= gain["high"]
    assert gain["value"] == pytest.approx(gain["transfer"] - gain["control"])
    assert result["metrics"]["transfer"]["accuracy"] == gain["transfer"]
    assert result["metrics"]["control"]["accuracy"] == gain["control"]
    assert finished["progress"]["fraction"] == 1.0
    assert {stage["state"] for stage in finished["stages"]} == {"finished"}


def test_each_epoch_of_each_training_stage_has_its_metrics(
    service: Service, finished: dict[str, Any]
) -> None:
    epochs = service.http.get(f"/v1/jobs/{finished['id']}/metrics").json()["data"]
    places = {(row["run"], row["epoch"]) for row in epochs}
    chosen = finished["result"]["control"]["chosen"]
    runs = ["source", "transfer/0", "transfer/1", f"control/{chosen}/1"]
    runs += ["control/from_scratch/0", "control/random_weights/0"]
    assert places == {(run, epoch) for run in runs for epoch in (1, 2, 3)}
    assert all({"loss", "val_loss", "accuracy", "val_accuracy"} <= row["values"].keys() for row in epochs)


def test_the_event_log_tells_the_job_from_its_beginning_to_its_end(
    service: Service, finished: dict[str, Any]
) -> None:
    events = service.http.get(f"/v1/jobs/{finished['id']}/events").json()["data"]
    # Its source has three epochs, and learns so little that a warning may be told.
    types = [event["type"] for event in events if event["level"] != "warning"]
    ends = ["champion.given", "job.succeeded"]
    assert types == ["job.created", "job.started", *["stage.started", "stage.finished"] * 5, *ends]


def test_the_downloaded_model_predicts_in_plain_keras_what_the_service_measured(
    service: Service, finished: dict[str, Any], tmp_path: Path, plain: PlainPython
) -> None:
    answer = service.http.get("/v1/models/grades@1/download?format=keras")
    assert 'filename="grades-1.keras"' in answer.headers["content-disposition"]
    assert answer.headers["etag"] == f'"{hashlib.sha256(answer.content).hexdigest()}"'
    (tmp_path / "model.keras").write_bytes(answer.content)
    program = """
import json, sys, numpy as np, keras
model = keras.saving.load_model("model.keras")
rows = {name: np.array(values, dtype=object if name == "city" else "float32")
        for name, values in json.load(open("rows.json")).items()}
print(json.dumps(model.predict(rows, verbose=0).tolist()))
assert not [name for name in sys.modules if name.split(".")[0] in ("app", "workers")]
"""
    rows = {"a": [0.5, -1.0], "b": [float("nan"), 2.0], "c": [0.0, 1.0], "city": ["", "atlantis"]}
    (tmp_path / "rows.json").write_text(json.dumps(rows))
    (tmp_path / "rows.csv").write_text("a,b,c,city\n0.5,,0.0,\n-1.0,2.0,1.0,atlantis\n")
    from_keras = plain.run("-c", program, cwd=tmp_path)
    bundle = service.http.get("/v1/models/grades@1/download?format=bundle")
    zipfile.ZipFile(io.BytesIO(bundle.content)).extractall(tmp_path / "bundle")
    predicted = plain.run("predict.py", "../rows.csv", cwd=tmp_path / "bundle")
    from_bundle = [float(line.rpartition(",")[2]) for line in predicted.stdout.splitlines()[1:]]
    assert [row[0] for row in json.loads(from_keras.stdout)] == pytest.approx(from_bundle, abs=1e-6)


def test_the_files_in_the_bundle_agree_with_the_api(service: Service, finished: dict[str, Any]) -> None:
    version = service.http.get("/v1/models/grades@1").json()
    bundle = zipfile.ZipFile(
        io.BytesIO(service.http.get("/v1/models/grades@1/download?format=bundle").content)
    )
    assert json.loads(bundle.read("metrics.json")) == version["metrics"]
    assert json.loads(bundle.read("receipt.json")) == version["receipt"]
    lineage = json.loads(bundle.read("lineage.json"))
    cost = {arm: spent for arm, spent in version["lineage"]["cost"].items() if spent is not None}
    assert lineage == {**version["lineage"], "cost": cost}
    assert version["lineage"]["job"] == finished["name"]


def test_the_receipt_says_what_happened_to_each_layer(service: Service, finished: dict[str, Any]) -> None:
    receipt = service.http.get("/v1/models/grades@1").json()["receipt"]
    origins = {
        part: {w["origin"] for layer in receipt["layers"] if layer["part"] == part for w in layer["weights"]}
        for part in ("backbone", "head")
    }
    assert origins == {"backbone": {"copied"}, "head": {"copied"}}


def test_a_version_is_a_source_by_itself_and_the_parent_of_what_comes_of_it(
    service: Service, finished: dict[str, Any]
) -> None:
    job = service.post(
        model="child",
        source={"version": "grades"},
        target={"dataset": "target"},
        method={"strategy": "linear_probe"},
        training=SMALL["training"],
    )
    ended = service.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    child = service.http.get("/v1/models/child").json()
    assert child["parent"] == "grades@1"
    backbone = [layer for layer in child["receipt"]["layers"] if layer["part"] == "backbone"]
    assert {weight["training"] for layer in backbone for weight in layer["weights"]} == {"frozen"}
    assert {weight["moved"] for layer in backbone for weight in layer["weights"]} == {0.0}


def test_the_same_job_again_gives_the_same_weights_and_pays_for_the_source_once(
    service: Service, finished: dict[str, Any]
) -> None:
    again = service.post(
        model="grades",
        source={"dataset": "source"},
        target={"dataset": "target"},
        method={"kind": "parameter", "strategy": "full"},
        evaluation=BRIEF,
        **SMALL,
    )
    ended = service.wait(again["id"])
    assert ended["stages"][0]["reused"]
    assert "is reused" in service.events_until(again["id"], "stage.finished")["message"]
    digests = {service.http.get(f"/v1/models/grades@{n}").json()["weights_sha256"] for n in (1, 2)}
    assert len(digests) == 1
    first, second = finished["result"], ended["result"]
    assert (first["champion"], second["champion"]["value"], second["champion"]["version"]) == (
        None,
        0.0,
        "grades@1",
    )
    assert second["cost"]["saved"]["updates"] == first["cost"]["source"]["updates"] > 0
    differ = ("version", "champion", "cost")
    assert {k: v for k, v in second.items() if k not in differ} == {
        k: v for k, v in first.items() if k not in differ
    }


def test_other_classes_in_the_target_get_a_new_head(
    service: Service, uploaded: None, tmp_path: Path, write_csv: WriteCsv
) -> None:
    path = write_csv(tmp_path / "other.csv", 100, seed=5)
    path.write_text(re.sub("pass$", "good", re.sub("fail$", "bad", path.read_text(), flags=re.M), flags=re.M))
    service.upload("other", path)
    sides = {"source": {"dataset": "source"}, "target": {"dataset": "other"}}
    job = service.post(model="other", **sides, evaluation=ALONE, **SMALL)
    assert service.wait(job["id"])["state"] == "succeeded"
    receipt = service.http.get("/v1/models/other").json()["receipt"]
    head = [weight for layer in receipt["layers"] if layer["part"] == "head" for weight in layer["weights"]]
    assert {weight["origin"] for weight in head} == {"reinitialised"}
    assert "source fail,pass, target bad,good" in json.dumps(receipt)


def test_a_regression_is_transferred_as_well(service: Service, tmp_path: Path) -> None:
    rows = [f"{i % 17},{i % 5},{3.5 * (i % 17) - (i % 5) + (i % 3) / 10}" for i in range(300)]
    (tmp_path / "r.csv").write_text("u,v,price\n" + "\n".join(rows) + "\n")
    service.upload("prices", tmp_path / "r.csv", label="price")
    job = service.post(
        model="prices", source={"dataset": "prices"}, target={"dataset": "prices"}, evaluation=BRIEF, **SMALL
    )
    ended = service.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    assert ended["result"]["gain"]["metric"] == "r2"


def long_job(service: Service) -> str:
    job = service.post(
        model="long", source={"dataset": "source"}, target={"dataset": "target"}, training={"epochs": 100_000}
    )
    service.events_until(job["id"], "stage.started")
    return str(job["id"])


@pytest.mark.usefixtures("uploaded")
def test_a_running_job_is_cancelled_within_seconds_and_leaves_no_version(service: Service) -> None:
    job = long_job(service)
    asked = service.http.post(f"/v1/jobs/{job}:cancel").json()
    assert asked["state"] in ("running", "cancelled")
    ended = service.wait(job)
    assert ended["state"] == "cancelled"
    assert service.http.get("/v1/models/long").status_code == 404


@pytest.mark.usefixtures("uploaded")
def test_a_paused_job_frees_its_worker_and_goes_on_where_it_stood(service: Service) -> None:
    job = long_job(service)
    service.http.post(f"/v1/jobs/{job}:pause")
    paused = service.events_until(job, "job.paused")
    assert service.http.get(f"/v1/jobs/{job}").json()["state"] == "paused"
    epochs = len(service.http.get(f"/v1/jobs/{job}/metrics").json()["data"])
    early = service.http.get(f"/v1/jobs/{job}/model")
    assert (early.status_code, early.json()["code"]) == (409, "no_model_yet")  # its source is trained first
    assert service.http.post(f"/v1/jobs/{job}:resume").json()["state"] in ("queued", "running")
    started = service.events_until(job, "stage.started", after=paused["id"])
    assert started["attempt"] == 2
    service.http.post(f"/v1/jobs/{job}:cancel")
    assert service.wait(job)["state"] == "cancelled"
    rows = service.http.get(f"/v1/jobs/{job}/metrics").json()["data"]
    assert len(rows) >= epochs
    assert [row["epoch"] for row in rows] == list(range(1, len(rows) + 1))


@pytest.mark.usefixtures("finished")
def test_the_best_model_so_far_is_there_while_the_job_runs_and_after_it_was_cancelled(
    service: Service, tmp_path: Path
) -> None:
    job = service.post(
        model="long",
        source={"version": "grades@1"},
        target={"dataset": "target"},
        training={"epochs": 100_000},
    )["id"]
    wait_for(lambda: service.http.get(f"/v1/jobs/{job}/model").status_code == 200, seconds=300)
    service.http.post(f"/v1/jobs/{job}:pause")
    service.events_until(job, "job.paused")
    for _ in range(2):
        (tmp_path / "so-far.keras").write_bytes(service.http.get(f"/v1/jobs/{job}/model").content)
        opened = keras.saving.load_model(tmp_path / "so-far.keras")
        row = {"a": [1.0], "b": [0.0], "c": [0.0], "city": np.array(["rome"], dtype=object)}
        answer = opened.predict({name: np.asarray(value) for name, value in row.items()}, verbose=0)
        assert answer.shape == (1, 1)
        service.http.post(f"/v1/jobs/{job}:cancel")


def test_a_training_that_diverges_fails_and_says_what_to_change(service: Service, tmp_path: Path) -> None:
    rows = [f"{i}e15,{i * i}e16" for i in range(100)]
    (tmp_path / "huge.csv").write_text("u,price\n" + "\n".join(rows) + "\n")
    service.upload("huge", tmp_path / "huge.csv", label="price")
    job = service.post(
        model="diverged",
        source={"dataset": "huge"},
        target={"dataset": "huge"},
        network={"preprocessing": False},
        training={"epochs": 2, "learning_rate": 10.0},
    )
    ended = service.wait(job["id"])
    assert (ended["state"], ended["error"]["code"]) == ("failed", "training_diverged"), ended
    assert "learning_rate" in ended["error"]["hint"]
    assert service.http.get("/v1/models/diverged").status_code == 404


METHODS: list[dict[str, Any]] = [
    {"method": {"kind": "parameter"}, "evaluation": {"seeds": 2, "few_shot": [5], "arms": ["random_frozen"]}},
    {
        "method": {"kind": "structure", "trials": 2, "space": {"hidden_units": [[4], [8]]}},
        "evaluation": {"arms": ["random_structure", "structure_with_parameters"]},
    },
    {
        "method": {"kind": "combined", "strategy": "side_tuning"},
        "evaluation": {"arms": ["source_frozen"]},
    },
    {"method": {"kind": "distillation"}, "network": {"hidden_units": [4]}},
]


@pytest.mark.parametrize("asked", METHODS, ids=lambda asked: str(asked["method"]["kind"]))
def test_every_method_ends_with_a_model_a_report_and_a_champion(
    service: Service, asked: dict[str, Any]
) -> None:
    kind = asked["method"]["kind"]
    sides = {"source": {"dataset": "source"}, "target": {"dataset": "target"}}
    evaluation = {**BRIEF, **asked.get("evaluation", {})}
    job = service.post(
        **{**SMALL, **sides, "model": f"by-{kind}", "champion": "always", **asked, "evaluation": evaluation}
    )
    ended = service.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    assert ended["result"]["verdict"] in ("helped", "no difference", "hurt"), ended["result"]["reason"]
    assert ended["result"]["metrics"].keys() >= {"transfer", "control"}
    report = service.http.get(f"/v1/jobs/{job['id']}/report").json()
    page = service.http.get(f"/v1/jobs/{job['id']}/report", headers={"Accept": "text/html"})
    assert report["weights_sha256"] in page.text
    evaluation = report["evaluation"]
    assert evaluation["reason"] == ended["result"]["reason"]
    assert sum(sum(row) for row in evaluation["confusion"]["transfer"]) == evaluation["gain"]["rows"]
    assert service.http.get(f"/v1/models/by-{kind}@champion").json()["ref"] == ended["result"]["version"]
    assert set(evaluation["ablations"]) == set(asked.get("evaluation", {}).get("arms", []))
    if kind == "parameter":
        assert set(evaluation["arms"]) == {"transfer", "control", "random_frozen"}
        assert [one["seed"] for one in evaluation["arms"]["transfer"]] == [0, 1]
        assert [point["per_class"] for point in evaluation["few_shot"]["points"]] == [5, None]
    if kind == "structure":
        events = service.http.get(f"/v1/jobs/{job['id']}/events?limit=1000").json()["data"]
        assert [event["type"] for event in events].count("trial.finished") == 4  # as many for the control
        assert report["lineage"]["findings"]["structure"]["hidden_units"] in ([4], [8])
    if kind == "combined":
        assert 0 < report["lineage"]["findings"]["alpha"] < 1


def test_several_versions_teach_a_student_and_their_own_data_is_not_needed(
    service: Service, finished: dict[str, Any], tmp_path: Path, write_csv: WriteCsv
) -> None:
    sides = {"source": {"dataset": "source"}, "target": {"dataset": "target"}}
    for seed in (1, 2):
        training = {**SMALL["training"], "seed": seed}
        job = service.post(**{**SMALL, "model": "teacher", **sides, "training": training}, evaluation=ALONE)
        assert service.wait(job["id"])["state"] == "succeeded"
    gone = service.upload("gone", write_csv(tmp_path / "gone.csv", 300, seed=7))
    job = service.post(
        **{**SMALL, "model": "orphan", **sides, "source": {"dataset": "gone"}}, evaluation=ALONE
    )
    assert service.wait(job["id"])["state"] == "succeeded"
    assert service.http.delete(f"/v1/datasets/{gone['ref']}").status_code == 204
    job = service.post(
        model="student",
        source={"versions": ["teacher@1", "teacher@2", "orphan@1"]},
        target={"dataset": "target"},
        method={"kind": "distillation"},
        network={"hidden_units": [4]},
        training=SMALL["training"],
        evaluation=ALONE,
    )
    ended = service.wait(job["id"])
    assert ended["state"] == "succeeded", ended
    assert "The source is teacher@1, teacher@2, orphan@1." in [
        event["message"] for event in service.http.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    ]
    version = service.http.get("/v1/models/student").json()
    assert version["network"]["hidden_units"] == [4]
    assert version["lineage"]["source"] == {"version": "teacher@1, teacher@2, orphan@1"}
    assert version["lineage"]["findings"]["teachers"] == 3


def test_rows_without_a_label_and_cells_without_a_value_are_learnt_from(
    service: Service, uploaded: None, tmp_path: Path, write_csv: WriteCsv
) -> None:
    path = write_csv(tmp_path / "sparse.csv", 240, seed=3)
    header, *lines = path.read_text().splitlines()
    for number, line in enumerate(lines):
        cells = line.split(",")
        if number % 2:
            cells[-1] = ""
        if number % 5 == 0:
            cells[number % 4] = ""
        lines[number] = ",".join(cells)
    path.write_text("\n".join([header, *lines]) + "\n")
    service.upload("sparse", path, unlabelled="true")
    found: dict[str, Any] = {}
    for kind, target in (
        ("parameter", {"dataset": "sparse", "pseudo_labels": 0.6}),
        ("distillation", {"dataset": "sparse"}),
    ):
        job = service.post(
            **{**SMALL, "model": f"sparse-{kind}", "source": {"dataset": "source"}, "target": target},
            method={"kind": kind},
            evaluation=ALONE,
        )
        ended = service.wait(job["id"])
        assert ended["state"] == "succeeded", ended
        found[kind] = service.http.get(f"/v1/models/sparse-{kind}").json()["lineage"]["findings"]
    assert found["parameter"]["pseudo_labels"]["rows"] == 120
    assert 0 < found["parameter"]["pseudo_labels"]["kept"] <= 120
    assert found["distillation"]["unlabelled_rows"] == 120


def test_what_an_earlier_job_joined_can_be_transferred_to_other_columns(
    service: Service, uploaded: None, tmp_path: Path, write_csv: WriteCsv
) -> None:
    sides = {"source": {"dataset": "source"}, "target": {"dataset": "target"}}
    method = {"kind": "combined", "strategy": "adapter"}
    job = service.post(**{**SMALL, "model": "joined", **sides, "method": method}, evaluation=ALONE)
    assert service.wait(job["id"])["state"] == "succeeded"
    backbone = service.http.get("/v1/models/joined").json()["lineage"]["backbone"]
    assert backbone == {"layers": 3, "blocks": 3, "in_sequence": False}
    path = write_csv(tmp_path / "wider.csv", 200, seed=4)
    header, *lines = path.read_text().splitlines()
    wider = [f"{number % 7},{line}" for number, line in enumerate(lines)]
    path.write_text("\n".join([f"extra,{header}", *wider]) + "\n")
    service.upload("wider", path)
    for method in ({"kind": "parameter"}, {"kind": "structure", "strategy": "reuse"}):
        job = service.post(
            model="wider",
            source={"version": "joined"},
            target={"dataset": "wider"},
            method=method,
            training=SMALL["training"],
            evaluation=ALONE,
        )
        ended = service.wait(job["id"])
        assert ended["state"] == "succeeded", ended
        layers = service.http.get("/v1/models/wider").json()["receipt"]["layers"]
        assert [layer["origin"] for layer in layers if layer["layer"] == "matched"] in (
            ["new"],
            ["reinitialised"],
        )
