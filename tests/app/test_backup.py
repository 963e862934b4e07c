from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import make_url

from app.backup import CannotBackUp, back_up
from app.db.migrate import upgrade
from app.db.session import make_engine
from app.main import create_app
from app.settings import Settings
from app.storage import Storage
from tests.app.conftest import Publish
from tests.conftest import NewDatabase
from tests.stored import store


def restored(settings: Settings, folder: Path, new_database: NewDatabase) -> Settings:
    """A service on what the backup holds, by the steps of docs/operations.md."""
    if (folder / "model-transfer.db").exists():
        return Settings(data_dir=folder, broker_url=settings.broker_url)
    url = new_database()
    address = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    subprocess.run(["pg_restore", f"--dbname={address}", str(folder / "database.dump")], check=True)
    return Settings(data_dir=folder, database_url=url, broker_url=settings.broker_url)


def require_pg_dump(settings: Settings) -> None:
    """PostgreSQL is dumped by its own program, which a machine that reaches a server need not have."""
    if "postgresql" in settings.database_url and not shutil.which("pg_dump"):
        pytest.skip("no pg_dump here")


def test_a_restored_backup_serves_what_was_there(
    client: TestClient, settings: Settings, publish: Publish, tmp_path: Path, new_database: NewDatabase
) -> None:
    require_pg_dump(settings)
    job = publish("helped")
    made = back_up(settings, tmp_path / "backup")
    assert (made.files, made.copied) == (4, 4)
    client.delete("/v1/datasets/source")  # what happens afterwards is not in it
    with TestClient(create_app(restored(settings, tmp_path / "backup", new_database))) as other:
        parts = other.get("/readyz").json()["parts"]
        assert (parts["database"], parts["storage"], parts["broker"]) == ("ok", "ok", "ok")
        assert other.get(f"/v1/jobs/{job['id']}").json()["state"] == "succeeded"
        for name in ("source", "target"):
            about = other.get(f"/v1/datasets/{name}").json()
            content = other.get(f"/v1/datasets/{name}/content")
            assert (content.status_code, len(content.content)) == (200, about["size"])


def test_a_second_backup_copies_only_what_is_new(
    client: TestClient, settings: Settings, publish: Publish, tmp_path: Path
) -> None:
    require_pg_dump(settings)
    back_up(settings, tmp_path / "backup")
    store(client, "more", b"a,y\n" + b"1,no\n2,yes\n3,no\n4,no\n" * 10, label="y")
    again = back_up(settings, tmp_path / "backup")
    assert (again.files, again.copied) == (6, 2)


def test_a_file_that_is_missing_or_damaged_is_told_and_not_backed_up(
    settings: Settings, datasets: dict[str, dict[str, object]], tmp_path: Path
) -> None:
    digest = str(datasets["source"]["sha256"])
    file = settings.storage_dir / digest[:2] / digest
    file.write_bytes(b"damaged")
    with pytest.raises(CannotBackUp, match="other bytes"):
        back_up(settings, tmp_path / "backup")
    file.unlink()
    with pytest.raises(CannotBackUp, match=f"Expected the file {digest}"):
        back_up(settings, tmp_path / "backup")


def test_the_password_goes_to_pg_dump_by_its_environment_and_stands_on_no_command_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, postgresql_url: str
) -> None:
    engine = make_engine(postgresql_url)
    upgrade(engine)
    engine.dispose()
    program, told = tmp_path / "bin" / "pg_dump", tmp_path / "told"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\n{{ printf "%s\\n" "$@"; echo; env; cat "$PGSERVICEFILE"; }} > {told}\n'
        'echo "no answer of postgresql://me:s3cret@host/db" >&2; exit 1\n'
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    url = make_url(postgresql_url).set(password="s3cret").update_query_dict({"sslpassword": "s3cret-too"})
    settings = Settings(data_dir=tmp_path, database_url=url.render_as_string(hide_password=False))
    with pytest.raises(CannotBackUp, match=r"Received: no answer of postgresql://me:\*\*\*@host/db"):
        back_up(settings, tmp_path / "backup")
    arguments, _, environment = told.read_text().partition("\n\n")
    assert "s3cret" not in arguments
    assert f"/{url.database}" in arguments
    assert "PGPASSWORD=s3cret\n" in environment
    assert "sslpassword=s3cret-too\n" in environment


def test_a_backup_is_for_this_account_alone(
    client: TestClient, settings: Settings, publish: Publish, tmp_path: Path
) -> None:
    require_pg_dump(settings)
    publish("helped")
    back_up(settings, tmp_path / "backup")
    made = [tmp_path / "backup", *(tmp_path / "backup").rglob("*")]
    assert len(made) > 5
    assert {path: path.stat().st_mode & 0o077 for path in made if path.stat().st_mode & 0o077} == {}


def test_rows_that_a_version_was_trained_on_are_in_the_backup_though_their_data_set_is_deleted(
    client: TestClient, settings: Settings, publish: Publish, tmp_path: Path
) -> None:
    require_pg_dump(settings)
    storage = client.app.state.storage  # type: ignore[attr-defined]
    with storage.workspace() as folder:
        (folder / "rows").write_bytes(b"keys of rows")
        digest = storage.put(folder / "rows")
    publish("helped", trained_rows=[{"dataset": "source@1", "digest": digest, "rows": 3}])
    client.delete("/v1/datasets/source")
    back_up(settings, tmp_path / "backup")
    assert Storage(tmp_path / "backup" / "blobs").is_intact(digest)
