from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.db.revision import OutdatedDatabase
from app.main import create_app
from app.settings import Settings

HEAVY = {"tensorflow", "keras", "numpy", "sklearn", "scipy", "pyarrow", "alembic", "workers"}


def test_importing_the_api_imports_no_machine_learning_library() -> None:
    program = "import sys, app.main; print(*{name.partition('.')[0] for name in sys.modules})"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not HEAVY & set(found.stdout.split())


def test_the_api_starts_and_rings_without_the_command_line_and_celery() -> None:
    program = """
import sys
import app.__main__, app.main, app.serving.server
from app.broker import Broker

Broker("redis://127.0.0.1:1/0").notify()
print(*{name.partition(".")[0] for name in sys.modules})
"""
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"celery", "rich", "typer"} & set(found.stdout.split())


def test_wrong_settings_of_the_api_are_told_in_a_line() -> None:
    program = [sys.executable, "-m", "app", "api"]
    environment = {**os.environ, "MODEL_TRANSFER_PORT": "x"}
    told = subprocess.run(program, capture_output=True, text=True, env=environment)
    assert told.returncode == 2
    assert told.stderr.startswith("MODEL_TRANSFER_PORT: ")


@pytest.mark.parametrize("page", ["/docs", "/redoc"])
def test_the_documentation_pages_load_nothing_from_elsewhere(client: TestClient, page: str) -> None:
    answer = client.get(page)
    assert answer.status_code == 200
    links = re.findall(r'(?:src|href)="([^"]+)"', answer.text)
    assert links
    for link in links:
        assert link.startswith("/"), link
        assert client.get(link).status_code == 200


def test_every_route_has_a_summary_a_description_and_the_one_error_shape(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    assert "HTTPValidationError" not in json.dumps(document)
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            assert operation["summary"], (verb, path)
            assert operation["description"], (verb, path)
            for status, answer in operation["responses"].items():
                if int(status) in range(400, 500):
                    assert list(answer["content"]) == ["application/problem+json"], (verb, path, status)
    assert document["components"]["schemas"]["Problem"]["properties"].keys() >= {
        "type",
        "title",
        "status",
        "detail",
    }


def test_every_reference_in_the_openapi_document_leads_somewhere(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    references = set(re.findall(r'"\$ref": ?"#/components/schemas/([^"]+)"', json.dumps(document)))
    assert references
    assert references <= document["components"]["schemas"].keys()


def test_the_examples_of_the_job_route_can_be_posted_as_they_stand(
    client: TestClient, datasets: dict[str, dict[str, object]]
) -> None:
    document = client.get("/openapi.json").json()
    examples = document["components"]["schemas"]["JobRequest"]["examples"]
    from_data = [example for example in examples if "dataset" in example["source"]]
    assert len(from_data) >= 2
    for example in from_data:
        assert client.post("/v1/jobs", json=example).status_code == 202


def test_an_unknown_route_and_method_answer_in_the_one_error_shape(client: TestClient) -> None:
    unknown = client.get("/nope"), 404, "/docs lists the API's routes."
    method = client.put("/v1/jobs"), 405, "Use one of the methods that are expected."
    for answer, status, hint in (unknown, method):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["hint"] == hint


def test_a_process_that_answers_is_alive(client: TestClient) -> None:
    assert client.get("/healthz").json() == {"status": "ok"}


def test_a_service_whose_broker_is_away_says_so_and_still_accepts_jobs(
    settings: Settings, client: TestClient, datasets: dict[str, dict[str, object]]
) -> None:
    away = settings.model_copy(update={"broker_url": "redis+socket:///nowhere/broker.sock"})
    with TestClient(create_app(away)) as client:
        ready = client.get("/readyz")
        assert ready.status_code == 503
        parts = ready.json()["parts"]
        assert (parts["database"], parts["storage"], parts["broker"]) == ("ok", "ok", "cannot be reached")
        body = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
        assert client.post("/v1/jobs", json=body).status_code == 202


def test_an_api_on_an_outdated_database_tells_how_to_migrate(tmp_path: Path) -> None:
    app = create_app(Settings(data_dir=tmp_path))
    with pytest.raises(OutdatedDatabase, match="Run: model-transfer migrate"), TestClient(app):
        pass
