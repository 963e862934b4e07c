"""The models of the control and the baseline can be downloaded, and predict what was measured."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pyarrow.parquet as pq
import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from tests.plain_python import PlainPython
from tests.stored import store
from tests.workers.stages.test_control import done, rows
from workers.tasks import Services

ROWS = 40
"""Test rows, the last of a file."""


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker; of one target the label follows from a product, which trees alone find."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "source", rows(0, 60, 20), label="y")
        store(client, "target", rows(1, 48, 40), label="y")
        store(client, "product", product(), label="y")
        yield client


def product() -> bytes:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(300, 6)).round(6)
    parts = ["train"] * 220 + ["validation"] * 40 + ["test"] * 40
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*"abcdef", "y", "split"])
    for values, part in zip(x, parts, strict=True):
        writer.writerow([*values, "yes" if values[0] * values[1] > 0 else "no", part])
    return out.getvalue().encode()


@pytest.fixture(scope="module")
def linear(client: TestClient, services: Services) -> dict[str, Any]:
    """A version whose baseline is linear."""
    return made(client, services, "target", "straight", True)


@pytest.fixture(scope="module")
def trees(client: TestClient, services: Services) -> dict[str, Any]:
    """A version whose baseline is an ensemble of trees, without a control."""
    return made(client, services, "product", "crooked", False)


def made(client: TestClient, services: Services, target: str, model: str, control: bool) -> dict[str, Any]:
    evaluation = {"seeds": 1, "baseline": True, "control": control}
    report = done(client, services, target, model=model, evaluation=evaluation)
    version: dict[str, Any] = client.get(f"/v1/models/{model}@1").json()
    return {**version, "baseline": report["job"]["result"]["baseline"]["chosen"], "report": report}


def downloaded(client: TestClient, model: str, **asked: str) -> bytes:
    answer = client.get(f"/v1/models/{model}@1/download", params=asked)
    assert answer.status_code == 200, answer.text
    content: bytes = answer.content
    return content


def measured(client: TestClient, model: str, arm: str) -> np.ndarray:
    """What the arm's first seed predicted on the test rows."""
    table = pq.read_table(io.BytesIO(downloaded(client, model, format="predictions")))
    name = next(name for name in table.column_names if name.startswith(f"{arm}/"))
    return table[name].to_numpy()


def test_the_version_lists_the_files_of_all_arms(linear: dict[str, Any], trees: dict[str, Any]) -> None:
    both = [("keras", ".keras"), ("bundle", ".zip")]
    for version, of_baseline in ((linear, both), (trees, both[1:])):
        arms = {"transfer": both, "baseline": of_baseline}
        if version is linear:
            arms["control"] = both
        expected = {
            (arm, format_, f"{version['name']}-1{'' if arm == 'transfer' else '-' + arm}{ending}")
            for arm, files in arms.items()
            for format_, ending in files
        } | {
            ("all", "predictions", f"{version['name']}-1.parquet"),
            ("all", "wrong_rows", f"{version['name']}-1-wrong-rows.parquet"),
            ("all", "doubtful_labels", f"{version['name']}-1-doubtful-labels.csv"),
        }
        assert {(one["arm"], one["format"], one["filename"]) for one in version["artifacts"]} == expected
        assert version["artifacts"][0]["arm"] == "transfer"
        assert all(one["size"] > 0 for one in version["artifacts"])
        assert version["report"]["artifacts"] == version["artifacts"]


def test_the_rows_that_it_gets_wrong_stand_in_the_report_and_in_a_file(
    client: TestClient, trees: dict[str, Any]
) -> None:
    table = pq.read_table(io.BytesIO(downloaded(client, "crooked", format="wrong_rows"))).to_pydict()
    assert len(table["row"]) == ROWS
    assert table["transfer/loss"] == sorted(table["transfer/loss"], reverse=True)
    answered = pq.read_table(io.BytesIO(downloaded(client, "crooked", format="predictions"))).to_pydict()
    p = dict(zip(answered["row"], answered["transfer/0"], strict=True))
    for row, label, loss in zip(table["row"], table["label"], table["transfer/loss"], strict=True):
        assert loss == pytest.approx(-np.log(p[row] if label == "yes" else 1 - p[row]), rel=1e-5)
    told = trees["report"]["evaluation"]["wrong_rows"]
    assert [one["row"] for one in told["listed"]] == table["row"][:20]
    assert set(told["listed"][0]["arms"]) == {"transfer", "baseline", "constant"}
    page = client.get(f"/v1/jobs/{trees['report']['job']['id']}/report", params={"format": "html"})
    assert "Rows it gets wrong" in page.text
    assert "Labels that may be wrong" in page.text


def test_train_rows_with_doubtful_labels_come_as_a_file_to_correct(
    client: TestClient, trees: dict[str, Any]
) -> None:
    told = trees["report"]["evaluation"]["doubtful_labels"]
    assert (told["arm"], told["candidate"], told["rows"]) == ("baseline", trees["baseline"], 220)
    file = csv.DictReader(io.StringIO(downloaded(client, "crooked", format="doubtful_labels").decode()))
    rows = list(file)
    assert len(rows) == told["doubtful"]
    assert all(0 <= int(one["row"]) < 220 and one["label"] != one["suggested"] for one in rows)
    assert "doubtful_labels" in trees["report"]["job"]["result"]["cost"]


def test_each_file_is_what_its_address_says(client: TestClient, linear: dict[str, Any]) -> None:
    for one in linear["artifacts"]:
        answer = client.get(one["url"])
        assert answer.headers["etag"] == f'"{one["sha256"]}"'
        assert one["filename"] in answer.headers["content-disposition"]


@pytest.mark.parametrize("arm", ["control", "baseline"])
def test_the_keras_file_of_an_arm_predicts_what_was_measured(
    client: TestClient, linear: dict[str, Any], tmp_path: Path, arm: str
) -> None:
    assert linear["baseline"].endswith("linear")
    path = tmp_path / "model.keras"
    path.write_bytes(downloaded(client, "straight", arm=arm))
    test = np.loadtxt(io.StringIO(rows(1, 48, 40).decode()), delimiter=",", skiprows=1, usecols=range(6))
    inputs = {name: test[-ROWS:, place].astype(np.float32) for place, name in enumerate("abcdef")}
    p = keras.saving.load_model(path).predict(inputs, verbose=0)[:, 0]
    np.testing.assert_allclose(p, measured(client, "straight", arm), atol=1e-5)


@pytest.mark.parametrize("arm", ["control", "baseline"])
def test_a_bundle_says_which_arm_it_is_and_predicts_what_was_measured(
    client: TestClient, linear: dict[str, Any], tmp_path: Path, plain: PlainPython, arm: str
) -> None:
    unpack(downloaded(client, "straight", arm=arm, format="bundle"), tmp_path)
    (tmp_path / "rows.csv").write_bytes(last_rows(rows(1, 48, 40)))
    told = plain.run("predict.py", "rows.csv", cwd=tmp_path)
    np.testing.assert_allclose(second(told.stdout), measured(client, "straight", arm), atol=1e-5)
    card = (tmp_path / "README.md").read_text()
    assert f"| model of | the {arm}: " in card
    assert "| source |" not in card
    assert f"| {arm} |" in card.split("## Metrics on the test rows")[1].splitlines()[2]
    assert json.loads((tmp_path / "metrics.json").read_text()) == linear["metrics"]


def test_trees_run_without_keras_and_predict_what_was_measured(
    client: TestClient, trees: dict[str, Any], tmp_path: Path
) -> None:
    assert trees["baseline"].endswith("extra_trees")
    unpack(downloaded(client, "crooked", arm="baseline"), tmp_path)
    (tmp_path / "rows.csv").write_bytes(last_rows(product()))
    told = alone(tmp_path, "keras", "tensorflow")
    assert (told.returncode, told.stderr) == (0, "")
    np.testing.assert_allclose(second(told.stdout), measured(client, "crooked", "baseline"), atol=1e-5)
    needed = (tmp_path / "requirements.txt").read_text()
    assert "onnxruntime==" in needed
    assert "keras" not in needed
    card = (tmp_path / "README.md").read_text()
    assert "import keras" not in card
    told = alone(tmp_path, "onnxruntime")
    assert told.returncode == 1
    assert told.stderr.startswith(
        "Expected the package onnxruntime, which this model needs. Received: none. Run:"
    )


def alone(folder: Path, *without: str) -> subprocess.CompletedProcess[str]:
    """The bundle's program in a Python of its own that lacks some packages."""
    program = f"""
import runpy, sys
sys.modules.update(dict.fromkeys({without!r}))
sys.argv = ["predict.py", "rows.csv"]
runpy.run_path("predict.py", run_name="__main__")
"""
    command = [sys.executable, "-I", "-c", program]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)


def unpack(bundle: bytes, folder: Path) -> None:
    zipfile.ZipFile(io.BytesIO(bundle)).extractall(folder)


def last_rows(file: bytes) -> bytes:
    lines = file.splitlines(keepends=True)
    return b"".join([lines[0], *lines[-ROWS:]])


def second(answers: str) -> list[float]:
    return [float(row["probability_yes"]) for row in csv.DictReader(io.StringIO(answers))]


def test_an_arm_or_a_format_that_is_not_there_is_told_with_those_that_are(
    client: TestClient, trees: dict[str, Any]
) -> None:
    answer = client.get("/v1/models/crooked@1/download", params={"arm": "control"})
    assert (answer.status_code, answer.json()["code"]) == (404, "arm_not_found")
    expected = "Expected an arm whose model crooked@1 has: transfer, baseline. Received: control."
    assert answer.json()["detail"] == expected
    answer = client.get("/v1/models/crooked@1/download", params={"arm": "baseline", "format": "keras"})
    assert (answer.status_code, answer.json()["code"]) == (404, "format_not_found")
    assert "bundle, doubtful_labels, predictions, wrong_rows. Received: keras" in answer.json()["detail"]
    assert client.get("/v1/models/crooked@1/download", params={"arm": "constant"}).status_code == 422


def test_the_page_of_the_report_leads_to_all_files(client: TestClient, linear: dict[str, Any]) -> None:
    page = client.get(f"/v1/jobs/{linear['report']['job']['id']}/report", params={"format": "html"}).text
    for one in linear["artifacts"]:
        assert f'<a href="{one["url"].replace("&", "&amp;")}">{one["filename"]}</a>' in page
