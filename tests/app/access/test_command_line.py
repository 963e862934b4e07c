from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

from app.access import audit
from app.access.key_text import SHOWN, is_whole
from app.cli import cli
from app.db.session import make_engine, make_read_sessions
from app.serving.listening_socket import CannotServe, has_keys, open_listening_socket
from app.settings import Settings, get_settings
from tests.conftest import free_port


@pytest.fixture
def folder(tmp_path: Path, migrated_file: Path) -> Iterator[Path]:
    """A data folder with a database; a process reads its environment once, and here it changes."""
    shutil.copyfile(migrated_file, tmp_path / "model-transfer.db")
    get_settings.cache_clear()
    yield tmp_path
    get_settings.cache_clear()


def run(folder: Path, *words: str) -> Result:
    return CliRunner().invoke(cli, [*words], env={"MODEL_TRANSFER_DATA_DIR": str(folder), "COLUMNS": "200"})


def test_a_key_is_printed_alone_listed_by_its_beginning_and_revoked_by_its_name(folder: Path) -> None:
    made = run(folder, "keys", "create", "ci", "--scope", "write", "--expires", "90d")
    assert made.exit_code == 0
    key = made.stdout.strip()
    assert is_whole(key)
    assert "This is the first key: from now on every request needs one." in made.stderr
    listed = run(folder, "keys", "list").stdout
    assert re.fullmatch(
        rf"key_[0-9a-f]{{28}}  {key[:SHOWN]}…  ci: write for default, active, expires .* UTC, never used\n",
        listed,
    )
    assert key[SHOWN:] not in listed
    assert run(folder, "keys", "revoke", "ci").exit_code == 0
    assert "ci: write for default, revoked" in run(folder, "keys", "list").stdout
    with make_read_sessions(make_engine(f"sqlite:///{folder / 'model-transfer.db'}"))() as session:
        written = [(entry.action, entry.key_name) for entry in audit.list_page(session, None, 0, 10)[0]]
    assert written == [("key.created", None), ("key.revoked", None)]


def test_a_workspace_is_made_before_its_keys(folder: Path) -> None:
    missing = run(folder, "keys", "create", "ci", "--workspace", "team")
    assert missing.exit_code == 1
    assert "Expected the name of a workspace. Received: team." in missing.stderr
    assert run(folder, "workspaces", "create", "team").exit_code == 0
    assert run(folder, "keys", "create", "ci", "--workspace", "team").exit_code == 0
    assert run(folder, "keys", "create", "root", "--scope", "admin", "--installation").exit_code == 0
    listed = run(folder, "keys", "list").stdout.splitlines()
    assert [line.partition("…  ")[2] for line in listed] == [
        "root: admin for the installation, active, never used",
        "ci: write for team, active, never used",
    ]
    assert [line.split()[0] for line in run(folder, "workspaces", "list").stdout.splitlines()] == [
        "default",
        "team",
    ]


def test_a_workspaces_limits_are_shown_set_and_given_back_to_the_settings(folder: Path) -> None:
    words = ["workspaces", "limit", "default"]
    assert run(folder, *words).stdout.splitlines() == [
        "max_kept_bytes: no limit (a setting), 0 now",
        "max_versions: no limit (a setting), 0 now",
        "max_queued_jobs: no limit (a setting), 0 now",
        "max_running_jobs: no limit (a setting), 0 now",
        "max_job_seconds: no limit (a setting)",
    ]
    told = run(folder, *words, "--max-kept-bytes", "50000000000", "--max-job-seconds", "1.5").stdout
    assert "max_kept_bytes: 50000000000 (its own limit), 0 now\n" in told
    assert "max_job_seconds: 1.5 (its own limit)\n" in told
    told = run(folder, *words, "--max-kept-bytes", "default", "--max-versions", "0").stdout
    assert "max_kept_bytes: no limit (a setting)" in told
    assert "max_versions: no limit (its own limit)" in told
    assert "max_job_seconds: 1.5 (its own limit)" in told
    for wrong in ("some", "-1", "2.5"):
        refused = run(folder, *words, f"--max-versions={wrong}")
        assert (refused.exit_code, refused.stdout) == (1, "")
        assert "max_versions: expected a whole number that is not negative" in refused.stderr
    assert run(folder, "workspaces", "limit", "defaul").exit_code == 1
    with make_read_sessions(make_engine(f"sqlite:///{folder / 'model-transfer.db'}"))() as session:
        written = [(entry.action, entry.data) for entry in audit.list_page(session, None, 0, 10)[0]]
    assert written == [
        ("workspace.limited", {"max_kept_bytes": 50_000_000_000, "max_job_seconds": 1.5}),
        ("workspace.limited", {"max_kept_bytes": None, "max_versions": 0}),
    ]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ci", "--scope", "root"], "scope: expected one of read, write, admin. Received: root."),
        (["ci", "--expires", "soon"], "expected a time such as 90d, 12h or 4w. Received: soon."),
        (["ci", "--expires", "99999w"], "expected a time such as 90d, 12h or 4w. Received: 99999w."),
        (["c i"], "name: expected 1 to 100 letters"),
        (["key_01a21a09ff3f4a05cf0a2a351a15"], "a name that does not begin like an id or a key"),
        (["mt_4fXk09aB"], "a name that does not begin like an id or a key"),
        (["ws_team"], "a name that does not begin like an id or a key"),
    ],
)
def test_what_is_wrong_with_a_key_is_told_and_none_is_made(folder: Path, words: list[str], told: str) -> None:
    refused = run(folder, "keys", "create", *words)
    assert (refused.exit_code, refused.stdout) == (1, "")
    assert told in refused.stderr
    assert run(folder, "keys", "list").stdout == ""


def test_a_key_of_the_installation_is_of_no_workspace(folder: Path) -> None:
    refused = run(folder, "keys", "create", "root", "--installation", "--workspace", "default")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "Expected --workspace or --installation. Received: both" in refused.stderr
    assert run(folder, "keys", "list").stdout == ""


def test_a_database_that_is_not_there_yet_is_told(tmp_path: Path) -> None:
    get_settings.cache_clear()
    refused = run(tmp_path, "keys", "create", "ci")
    get_settings.cache_clear()
    assert refused.exit_code == 1
    assert "model-transfer migrate" in refused.stderr


def test_an_address_that_others_reach_is_listened_on_once_there_is_a_key(folder: Path) -> None:
    settings = Settings(data_dir=folder, host="0.0.0.0", port=free_port())
    with pytest.raises(CannotServe, match="no keys yet"):
        open_listening_socket(settings)
    assert not has_keys(settings)
    assert run(folder, "keys", "create", "ci").exit_code == 0
    assert has_keys(settings)
    open_listening_socket(settings).close()
    assert not has_keys(Settings(data_dir=folder / "none"))
