"""Where things lie on the server is told by no answer of the API."""

from __future__ import annotations

import errno
import io
import json
import shutil
import zipfile
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import Engine

from app.jobs import transitions
from app.main import create_app
from app.settings import Settings
from tests.app.conftest import Publish

BROKEN_FILES = {
    "a.parquet": b"PAR1 broken PAR1",
    "a.zip": b"PK\x03\x04 broken" * 9,
    "a.npz": b"PK\x03\x04 broken" * 9,
    "a.csv": b"\xff\xfe\x00broken",
    "a.jsonl": b"{broken",
    "a.csv.gz": b"\x1f\x8b broken",
}


def told(client: TestClient, path: str, **options: object) -> str:
    """Body and headers of an answer."""
    answer = client.request(str(options.pop("method", "GET")), path, **options)  # type: ignore[arg-type]
    return f"{answer.text} {dict(answer.headers)}"


def test_no_answer_tells_a_folder_of_the_server(
    client: TestClient, settings: Settings, publish: Publish, tmp_path: Path
) -> None:
    publish("helped")
    presets = settings.effective_preset_dir
    (presets / "broken").mkdir(parents=True)
    (presets / "broken" / "config.json").write_text("{")
    (presets / "known").mkdir()
    (presets / "known" / "word.json").write_text("{")
    paths = [path for path in client.get("/openapi.json").json()["paths"] if "{" not in path]
    paths += ["/v1/presets/broken", "/v1/presets/none", "/v1/datasets/none", "/none", "/v1/models/m@1"]
    paths += ["/v1/jobs/none", "/v1/datasets/source/content", "/v1/datasets/source"]
    answers = {path: told(client, path) for path in paths}
    for name, content in BROKEN_FILES.items():
        raw = {"method": "POST", "content": content, "headers": {"content-disposition": f"filename={name}"}}
        answers[name] = told(client, "/v1/datasets?name=broken", **raw)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/b.png", b"broken")
        archive.writestr("c/d.png", b"broken")
    images = {"method": "POST", "content": packed.getvalue()}
    answers["images"] = told(client, "/v1/datasets?name=broken&kind=image", **images)
    assert {what: answer for what, answer in answers.items() if str(tmp_path) in answer} == {}


def test_no_answer_tells_it_while_the_storage_is_away(
    settings: Settings, engine: Engine, datasets: object, client: TestClient, tmp_path: Path
) -> None:
    shutil.rmtree(settings.storage_dir)
    answers = {
        "ready": told(client, "/readyz"),
        "content": told(client, "/v1/datasets/source/content"),
        "upload": told(client, "/v1/datasets?name=a&label=y", method="POST", content=b"a,y\n" * 9),
        "metrics": told(client, "/metrics"),
    }
    assert "No such file or directory" in answers["ready"]
    assert "Expected a storage that can be read and written" in answers["upload"]
    assert {what: answer for what, answer in answers.items() if str(tmp_path) in answer} == {}
    with TestClient(create_app(settings)) as started_without:
        assert str(tmp_path) not in told(started_without, "/readyz")


@pytest.mark.parametrize("most", [1, 0], ids=["tried again", "given up"])
def test_a_jobs_error_and_events_tell_what_failed_and_not_where_it_lies(
    client: TestClient, settings: Settings, datasets: object, most: int
) -> None:
    asked = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
    job = client.post("/v1/jobs", json=asked).json()["id"]
    full = OSError(errno.ENOSPC, "No space left on device", str(settings.storage_dir / "ab" / "abcd"))
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        lease = transitions.claim(session, job, "worker", 60.0)
        assert lease is not None
        message = f"OSError: {full}, postgresql://me:s3cret@host/db\n[SQL: SELECT 1]\n[parameters: ()]"
        transitions.requeue(session, lease, message, most=most)
    answers = json.dumps([client.get(f"/v1/jobs/{job}{part}").json() for part in ("", "/events")])
    assert "No space left on device" in answers
    assert "/abcd" in answers
    assert str(settings.data_dir) not in answers
    assert "s3cret" not in answers
    assert "SELECT" not in answers
