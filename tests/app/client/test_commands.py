"""What a user types, against a real API on a socket."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from app.cli import cli
from tests.app.conftest import Publish
from tests.conftest import DATABASES, WriteCsv

pytestmark = pytest.mark.parametrize("database_url", DATABASES[:1], indirect=True)

JOB = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}

Type = Callable[..., Result]


@pytest.fixture
def typed(address: str) -> Type:
    """What comes of words after `model-transfer`."""

    def typed(*words: object, given: str | None = None) -> Result:
        environment = {"MODEL_TRANSFER_URL": address, "COLUMNS": "200"}
        return CliRunner().invoke(cli, [str(word) for word in words], input=given, env=environment)

    return typed


def answered(result: Result) -> Any:
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def test_a_file_becomes_a_data_set_that_is_listed_shown_and_deleted(
    typed: Type, tmp_path: Path, write_csv: WriteCsv
) -> None:
    path = write_csv(tmp_path / "rows.csv", 60)
    made = typed("datasets", "add", path, "--label", "y", "-F", "ignore=a", "-F", "ignore=b")
    assert made.exit_code == 0, made.output
    assert made.stdout.startswith("rows@1: tabular, 60 rows (")
    assert "binary of 2 classes (fail, pass)" in made.stdout
    assert [one["ref"] for one in answered(typed("datasets", "list", "--json"))] == ["rows@1"]
    columns = answered(typed("datasets", "show", "rows", "--json"))["description"]["columns"]
    roles = {one["name"]: one["role"] for one in columns}
    assert roles == {"a": "ignored", "b": "ignored", "c": "feature", "city": "feature", "y": "label"}
    assert "rows@1" in typed("datasets", "list").stdout
    assert "city" in typed("datasets", "rows", "rows").stdout
    assert typed("datasets", "delete", "rows@1").exit_code == 0
    assert answered(typed("datasets", "list", "--json")) == []


def test_what_the_service_refuses_is_told_with_its_hint_and_exit_1(typed: Type, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,y\n1,no\n" * 1)
    refused = typed("datasets", "add", path, "--label", "z")
    assert refused.exit_code == 1
    assert "Received: " in refused.stderr
    assert not refused.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("jobs", "start"),
        ("jobs", "start", "--set", "training.epochs"),
        ("jobs", "start", "--source", "a", "--source-preset", "b"),
        ("jobs", "start", "nowhere.yaml"),
        ("datasets", "add", "nowhere.csv"),
        ("models", "alias", "m", "champion"),
    ],
)
def test_what_is_typed_wrongly_is_exit_2(typed: Type, words: tuple[str, ...]) -> None:
    wrong = typed(*words)
    assert wrong.exit_code == 2, wrong.output
    assert wrong.stderr


@pytest.mark.usefixtures("datasets")
def test_options_change_the_job_of_a_file_and_settings_change_both(typed: Type, tmp_path: Path) -> None:
    spec = tmp_path / "job.yaml"
    spec.write_text(
        "model: m\nsource: {version: other@1}\ntarget: {dataset: target}\n"
        "training:\n  epochs: 3\n  seed: 4\nevaluation: {seeds: 2}\n"
    )
    options = ("--source", "source", "--strategy", "full", "--method", "parameter", "--name", "typed")
    job = answered(typed("jobs", "start", spec, *options, "-s", "training.epochs=5", "--json"))
    assert (job["name"], job["source"]["dataset"]) == ("typed", "source@1")
    assert (job["training"]["epochs"], job["training"]["seed"], job["evaluation"]["seeds"]) == (5, 4, 2)
    assert job["method"]["strategy"] == "full"


@pytest.mark.usefixtures("datasets")
def test_a_job_is_read_from_standard_input_and_from_options_alone(typed: Type) -> None:
    first = answered(typed("jobs", "start", "-", "--json", given=json.dumps({**JOB, "name": "first"})))
    sides = ("--source", "source", "--target", "target")
    words = ("-s", "network.kind=mlp", "-s", "network.hidden_units=[8, 8]", "-s", "metadata.why=no")
    second = answered(typed("jobs", "start", "--model", "m", *sides, *words, "--json"))
    assert first["name"] == "first"
    assert second["network"]["hidden_units"] == [8, 8]
    assert second["metadata"] == {"why": "no"}


@pytest.mark.usefixtures("datasets")
def test_a_job_is_planned_and_nothing_is_started(typed: Type, client: TestClient) -> None:
    words = ("--model", "m", "--source", "source", "--target", "target")
    told = typed("jobs", "plan", *words)
    assert "source@1, target@1" in told.output
    assert json.loads(typed("jobs", "plan", *words, "--json").output)["steps"] > 0
    assert client.get("/v1/jobs").json()["data"] == []
    assert typed("jobs", "plan", "--model", "m", "--source", "no", "--target", "target").exit_code == 1


@pytest.mark.usefixtures("datasets")
def test_jobs_are_listed_and_moved(typed: Type) -> None:
    typed("jobs", "start", "--model", "m", "--source", "source", "--target", "target", "--name", "j")
    assert typed("jobs", "pause", "j").stdout == "j: paused\n"
    assert typed("jobs", "resume", "j").stdout == "j: queued\n"
    assert "j" in typed("jobs", "list", "--state", "queued").stdout
    assert [one["name"] for one in answered(typed("jobs", "list", "--model", "m", "--json"))] == ["j"]
    assert "transfer: waiting" in typed("jobs", "show", "j").stdout
    assert typed("jobs", "retry", "j").exit_code == 1


@pytest.mark.usefixtures("datasets")
def test_a_job_that_did_not_succeed_is_exit_4_after_its_events(typed: Type) -> None:
    typed("jobs", "start", "--model", "m", "--source", "source", "--target", "target", "--name", "j")
    typed("jobs", "cancel", "j")
    followed = typed("jobs", "follow", "j")
    assert followed.exit_code == 4
    assert "Accepted" in followed.stderr
    assert "Received: cancelled" in followed.stderr
    lines = typed("jobs", "events", "j", "--json").stdout.splitlines()
    assert [json.loads(line)["type"] for line in lines] == ["job.created", "job.cancelled"]


@pytest.mark.usefixtures("datasets")
def test_who_reads_no_more_of_the_output_ends_the_command_quietly(typed: Type, address: str) -> None:
    typed("jobs", "start", "--model", "m", "--source", "source", "--target", "target", "--name", "j")
    typed("jobs", "cancel", "j")
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "w") as nobody:
        command = [sys.executable, "-m", "app", "jobs", "events", "j", "--json"]
        environment = {**os.environ, "MODEL_TRANSFER_URL": address}
        ended = subprocess.run(command, env=environment, stdout=nobody, stderr=subprocess.PIPE, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")


def test_a_version_is_shown_and_named(typed: Type, client: TestClient, publish: Publish) -> None:
    publish("helped")
    assert typed("models", "alias", "m@1", "best").stdout == "m@best is m@1.\n"
    assert typed("models", "show", "m@best").stdout.startswith("m@1, also best, champion: verdict helped")
    assert [one["ref"] for one in answered(typed("models", "versions", "m", "--json"))] == ["m@1"]
    assert [one["name"] for one in answered(typed("models", "list", "--json"))] == ["m"]
    assert "helped" in typed("models", "list").stdout


def test_what_a_user_named_with_brackets_is_shown_as_it_is(typed: Type, tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text("a,y\n" + "".join(f"{n},[bold]{'no' if n % 2 else 'yes'}[/]\n" for n in range(60)))
    made = typed("datasets", "add", path, "--label", "y")
    assert "[bold]no[/]" in made.stdout, made.output
