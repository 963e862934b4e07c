from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import Engine

from app.access import keys
from app.broker import Broker
from app.db.migrate import downgrade
from app.db.session import make_sessions
from app.doctor import Finding, examine
from app.settings import Settings
from app.storage import Storage


@pytest.fixture(autouse=True)
def _absent_workers_are_waited_for_shortly(monkeypatch: pytest.MonkeyPatch) -> None:
    """No worker runs beside these tests: whoever examines waits for its answer in vain."""
    workers = Broker.workers
    monkeypatch.setattr(Broker, "workers", lambda broker: workers(broker, seconds=0.1))


def found(settings: Settings) -> dict[str, Finding]:
    return {finding.what: finding for finding in examine(settings)}


def test_a_service_without_a_worker_is_told_to_start_one(settings: Settings, engine: Engine) -> None:
    Storage(settings.storage_dir).prepare()
    states = {what: finding.state for what, finding in found(settings).items()}
    assert states == {
        "versions": "ok",
        "folder": "ok",
        "database": "ok",
        "keys": "ok",
        "storage": "ok",
        "disk": "ok",
        "broker": "ok",
        "workers": "failed",
        "predictor": "failed",
    }
    assert "model-transfer worker" in found(settings)["workers"].advice


def test_an_outdated_database_is_told_to_be_migrated(settings: Settings, engine: Engine) -> None:
    downgrade(engine, "0001")
    database = found(settings)["database"]
    assert database.state == "failed"
    assert "Run: model-transfer migrate" in database.message


def test_keys_that_are_all_revoked_are_told_since_nobody_can_ask_any_more(
    settings: Settings, engine: Engine
) -> None:
    assert found(settings)["keys"].message == "none; the service listens on this machine alone"
    open_to_all = found(settings.model_copy(update={"allow_anonymous": True}))["keys"]
    assert (open_to_all.state, "keys create" in open_to_all.advice) == ("warning", True)
    with make_sessions(engine).begin() as session:
        made = [keys.create(session, "ci", "write", None, None)[0].id for _ in range(2)]
        keys.revoke(session, made[0], None)
    assert found(settings)["keys"] == Finding("keys", "ok", "1 active, 1 revoked")
    with make_sessions(engine).begin() as session:
        keys.revoke(session, made[1], None)
    assert found(settings)["keys"].state == "failed"


def test_everything_that_is_away_is_named_and_nothing_is_made(tmp_path: Path) -> None:
    away = tmp_path / "nowhere"
    told = found(Settings(data_dir=away, broker_url="redis://127.0.0.1:1/0"))
    assert {what for what, one in told.items() if one.state == "failed"} == {
        "database",
        "storage",
        "broker",
        "workers",
        "predictor",
    }
    assert all(one.advice for one in told.values() if one.state == "failed")
    assert not away.exists()


def test_a_database_that_does_not_answer_is_told_without_its_password(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path, database_url="postgresql+psycopg://me:secret@127.0.0.1:1/db")
    database = found(settings)["database"]
    assert database.state == "failed"
    assert "secret" not in database.message


def test_a_data_folder_that_other_accounts_can_enter_is_told(settings: Settings, engine: Engine) -> None:
    Storage(settings.storage_dir).prepare()
    settings.data_dir.chmod(0o750)
    folder = found(settings)["folder"]
    assert (folder.state, folder.advice) == ("warning", f"To prevent that: chmod -R go= {settings.data_dir}")
