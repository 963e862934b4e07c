"""A small target is judged by cross-validation: every arm anew in each fold, told apart from the version."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from app.jobs.states import Stage
from app.main import create_app
from tests.stored import store
from tests.workers.conftest import claimed
from tests.workers.stages.test_control import EPOCHS, SMALL, attempted, posted, reported, without_seconds
from workers.heartbeat import Heartbeat
from workers.journal import Journal
from workers.tasks import Services, _attempt
from workers.trainings import Trainings
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.training.options import TrainingDiverged

ROWS, GROUPS = 60, 20
FOLDS = {"folds": 2, "repeats": 2}
DOCS = Path(__file__).parents[3] / "docs"


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker; `known` has half of the target's rows, and `grouped` three rows a group."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0, ROWS), label="y")
        store(client, "target", rows(1, ROWS), label="y")
        store(client, "known", rows(1, ROWS, first=ROWS // 2), label="y")
        store(client, "grouped", rows(2, ROWS, groups=GROUPS), label="y", group="who")
        yield client


def rows(seed: int, count: int, *, first: int | None = None, groups: int = 0) -> bytes:
    """A CSV file of six numbers and a label that follows from two of them, without words of a split."""
    x = np.random.default_rng(seed).normal(size=(count, 6)).round(6)
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*"abcdef", "y", *(["who"] if groups else [])])
    for number, values in enumerate(x[:first]):
        who = [f"g{number % groups}"] if groups else []
        writer.writerow([*values, "yes" if values[0] > values[1] else "no", *who])
    return out.getvalue().encode()


def request(**asked: Any) -> dict[str, Any]:
    """A head on frozen features, two epochs long; all is chosen by the validation rows beside each fold."""
    training, method = EPOCHS, {"kind": "parameter", "strategy": "linear_probe"}
    source = {"dataset": asked.pop("source", "source")}
    evaluation = {**FOLDS, **asked.pop("evaluation", {})}
    made = {"model": "m", "network": SMALL, "training": training, "method": method, "source": source}
    return {**made, "evaluation": evaluation, "champion": "never", **asked}


def done(client: TestClient, services: Services, target: str, **asked: Any) -> dict[str, Any]:
    """The report of a job that this process runs."""
    job_id = posted(client, request(**asked), {"dataset": target})
    job = attempted(client, services, job_id)
    assert job["state"] == "succeeded", job["error"]
    return reported(client, job_id)


@pytest.fixture(scope="module")
def report(client: TestClient, services: Services) -> dict[str, Any]:
    return done(client, services, "target", model="folded")


@pytest.fixture(scope="module")
def predictions(client: TestClient, report: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of every arm's answers."""
    return downloaded(client, report, tmp_path_factory.mktemp("predictions"))


def downloaded(client: TestClient, report: dict[str, Any], folder: Path) -> Path:
    version = report["job"]["result"]["version"]
    answer = client.get(f"/v1/models/{version}/download", params={"format": "predictions"})
    (folder / "grades-1.parquet").write_bytes(answer.content)
    return folder / "grades-1.parquet"


def test_verdict_and_gains_are_of_the_folds_and_metrics_of_the_version(report: dict[str, Any]) -> None:
    result = report["job"]["result"]
    proof, gain = result["proof"], result["gain"]
    about = {name: proof[name] for name in ("kind", "folds", "repeats", "rows", "left_out")}
    assert about == {"kind": "cross-validation", **FOLDS, "rows": ROWS, "left_out": 0}
    assert result["reason"].startswith(
        "In 2-fold cross-validation repeated 2 times on 60 rows, with transfer"
    )
    assert list(proof["metrics"]) == ["transfer", "control", "baseline", "constant"]
    assert gain["transfer"] == proof["metrics"]["transfer"]["accuracy"]
    assert gain["control"] == proof["metrics"]["control"]["accuracy"]
    assert (gain["rows"], gain["draws"], gain["seeds"]) == (ROWS, 4, 1)
    assert result["versus_control"] == {"gain": gain, "reason": result["reason"]}
    versus = result["versus_baseline"]
    assert versus["gain"]["control"] == proof["metrics"]["baseline"]["accuracy"]
    assert versus["reason"].startswith("In 2-fold cross-validation")
    assert sum(proof["chosen"]["arm"].values()) == 4
    assert sum(proof["chosen"]["control"].values()) == 4
    assert proof["metrics"] != result["metrics"]
    assert report["evaluation"]["mcnemar"] is None
    assert {len(seeds) for seeds in report["evaluation"]["arms"].values()} == {1}  # folds have seeds enough


def test_the_page_and_the_card_keep_the_folds_and_the_version_apart(
    client: TestClient, report: dict[str, Any]
) -> None:
    page = client.get(f"/v1/jobs/{report['job']['id']}/report", params={"format": "html"}).text
    assert "All arms in the cross-validation" in page
    assert "Metrics in the cross-validation" in page
    assert "Metrics on the test rows" in page


def test_what_the_folds_took_is_told_apart(report: dict[str, Any]) -> None:
    cost = report["job"]["result"]["cost"]
    assert cost["folds"]["updates"] > cost["control"]["updates"] > 0
    assert cost["total"]["updates"] == sum(
        one["updates"] for name, one in cost.items() if one and name not in ("total", "saved")
    )


def test_every_row_is_held_out_once_a_repeat_and_the_versions_own_answers_are_beside_it(
    report: dict[str, Any], predictions: Path
) -> None:
    table = pq.read_table(predictions)
    assert table["row"].to_pylist() == list(range(ROWS))
    for repeat in range(2):
        assert sorted(set(table[f"repeat/{repeat}/fold"].to_pylist())) == [0, 1]
        assert not table[f"repeat/{repeat}/transfer"].null_count
    tested = np.array(table["transfer/0"].is_valid().to_pylist())
    y = np.array(table["label"].to_pylist()) == "yes"
    right = (table["transfer/0"].to_numpy(zero_copy_only=False)[tested] > 0.5) == y[tested]
    assert right.mean() == report["job"]["result"]["metrics"]["transfer"]["accuracy"]


def test_the_program_of_the_docs_works_out_the_same_interval(
    report: dict[str, Any],
    predictions: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    page = (DOCS / "proof.md").read_text(encoding="utf-8")
    (program,) = [code for code in re.findall(r"```python\n(.*?)```", page, re.DOTALL) if "/fold" in code]
    program = program.replace('["fail", "pass"]', '["no", "yes"]')
    monkeypatch.chdir(predictions.parent)
    exec(compile(program, "proof.md", "exec"), {})
    gain = report["job"]["result"]["gain"]
    expected = f"{gain['value']:+.3f} ({gain['low']:+.3f} to {gain['high']:+.3f})\n"
    assert capsys.readouterr().out == expected


def test_a_group_is_in_one_fold(client: TestClient, services: Services, tmp_path: Path) -> None:
    asked = {"control": False, "repeats": 1}
    report = done(client, services, "grouped", model="grouped", evaluation=asked)
    table = pq.read_table(downloaded(client, report, tmp_path))
    units, folds = (np.array(table[name].to_pylist()) for name in ("unit", "repeat/0/fold"))
    assert len(set(units)) == GROUPS
    assert all(len(set(folds[units == unit])) == 1 for unit in units)
    assert set(folds) == {0, 1}


def test_rows_that_the_source_knows_are_held_out_in_no_fold(
    client: TestClient, services: Services, tmp_path: Path
) -> None:
    asked = {"baseline": False, "repeats": 1}
    report = done(client, services, "target", model="seen", source="known", evaluation=asked)
    result = report["job"]["result"]
    table = pq.read_table(downloaded(client, report, tmp_path))
    seen = np.array(table["seen"].to_pylist())
    assert table["repeat/0/fold"].is_null().to_pylist() == seen.tolist()
    # The source tests with some of its rows, which nothing in the transfer has seen.
    assert ROWS // 3 < seen.sum() < ROWS // 2
    assert not seen[ROWS // 2 :].any()
    assert (result["proof"]["rows"], result["proof"]["left_out"]) == (ROWS - seen.sum(), seen.sum())
    assert f"{seen.sum()} of the 60 labelled rows are held out in no fold, since" in result["reason"]


class StopsInside(Heartbeat):
    """Asks to stop once the transfer of the second fold is durable."""

    @property
    def reason(self) -> str | None:  # type: ignore[override]
        part = Journal(self._sessions, self._lease).part(Stage.CONTROL, "outcome folds/0/1/transfer/1")
        return None if part is None else "pause"

    @reason.setter
    def reason(self, value: str | None) -> None:
        pass


def test_a_job_that_was_stopped_inside_of_a_fold_ends_with_equal_results(
    client: TestClient, services: Services, report: dict[str, Any]
) -> None:
    job_id = posted(client, request(model="stopped"), {"dataset": "target"})
    lease = claimed(services.sessions, job_id)
    _attempt(services, lease, StopsInside(services.sessions, lease, services.settings, lambda: False))
    paused = client.get(f"/v1/jobs/{job_id}").json()
    assert paused["state"] == "paused"
    assert 0 < paused["progress"]["fraction"] < 1
    client.post(f"/v1/jobs/{job_id}:resume")
    assert attempted(client, services, job_id)["state"] == "succeeded"
    told, whole = (without_seconds(one["evaluation"]) for one in (reported(client, job_id), report))
    assert told == whole


@pytest.mark.parametrize("arm", ["transfer/", pytest.param("control/", marks=pytest.mark.slow)])
def test_an_arm_that_diverges_in_a_fold_leaves_the_job_its_model_and_no_verdict(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arm: str
) -> None:
    trained = Trainings._trained

    def fails() -> Transferred:
        raise TrainingDiverged("Expected a finite loss. Received: nan in round 1.")

    def diverges(self: Trainings, stage: Stage, run: str, train: Callable[[], Transferred]) -> Transferred:
        return trained(self, stage, run, fails if run.startswith(f"folds/0/0/{arm}") else train)

    monkeypatch.setattr(Trainings, "_trained", diverges)
    report = done(client, services, "target", model=f"left-{arm[:-1]}")
    result = report["job"]["result"]
    assert (result["verdict"], result["verdict_details"]) == (None, ["not_converged"])
    assert f"a training of the {arm[:-1]} diverged" in result["reason"]
    assert result["gain"]["draws"] == 3
    assert result["control"] is not None  # that of the version
    assert set(result["metrics"]) == {"transfer", "control", "baseline", "constant"}
    table = pq.read_table(downloaded(client, report, tmp_path))
    answers = table[f"repeat/0/{arm[:-1]}"].to_numpy(zero_copy_only=False)
    folds = np.array(table["repeat/0/fold"].to_pylist())
    assert np.isnan(answers).tolist() == (folds == 0).tolist()
    page = client.get(f"/v1/jobs/{report['job']['id']}/report", params={"format": "html"}).text
    assert "<strong>No verdict</strong>" in page
