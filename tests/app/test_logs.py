from __future__ import annotations

import contextvars
import json
import logging
import threading
from pathlib import Path

import pytest
from pydantic import SecretStr

from app import logs
from app.access.key_text import new_key
from app.settings import Settings


@pytest.fixture(autouse=True)
def _root_logger_as_before() -> object:
    root = logging.getLogger()
    before = root.handlers[:], root.level
    yield
    root.handlers[:], _ = before
    root.setLevel(before[1])


def test_a_json_line_names_the_job_and_attempt_it_belongs_to(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure(Settings(data_dir=tmp_path, log_format="json"))
    log = logging.getLogger("worker")
    with logs.job_log_context("job_1", 2):
        log.warning("%d rows", 3)
        thread = threading.Thread(target=contextvars.copy_context().run, args=(log.error, "from a thread"))
        thread.start()
        thread.join()
    log.warning("of no job")
    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert [line["message"] for line in lines] == ["3 rows", "from a thread", "of no job"]
    assert [(line.get("job"), line.get("attempt")) for line in lines] == [("job_1", 2)] * 2 + [(None, None)]
    assert lines[0].keys() == {"time", "level", "logger", "message", "process", "job", "attempt"}


def test_a_json_line_holds_the_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(data_dir=tmp_path, log_format="json"))
    try:
        raise OSError("no space left on device")
    except OSError:
        logging.getLogger("worker").exception("it failed")
    (line,) = capsys.readouterr().err.splitlines()
    assert "OSError: no space left on device" in json.loads(line)["exception"]


def test_text_lines_are_for_people(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logs.configure(Settings(data_dir=tmp_path))
    logging.getLogger("worker").warning("hello")
    assert capsys.readouterr().err.endswith(" WARNING worker hello\n")


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_no_line_and_no_traceback_tells_a_password_or_a_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    settings = Settings(
        data_dir=tmp_path,
        log_format=log_format,
        database_url="postgresql://me:s3cret-of-the-database@host/db",
        storage_secret_key=SecretStr("s3cret-of-the-store"),
    )
    logs.configure(settings)
    log = logging.getLogger("kombu.connection")
    log.warning("connected to %s", "redis://:s3cret-of-the-broker@host:6379/0")
    log.warning("signed with %s", "s3cret-of-the-store")
    try:
        raise OSError("cannot reach amqp://me:s3cret-of-another@host//")
    except OSError:
        log.exception("the password s3cret-of-the-database was refused")
    told = capsys.readouterr().err
    assert "s3cret-of" not in told.replace('"cannot reach amqp://me:s3cret-of-another@host//"', "")
    assert "redis://:***@host:6379/0" in told
    assert "OSError: cannot reach amqp://me:***@host//" in told


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_a_line_names_the_key_and_the_workspace_of_its_request_and_never_the_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], log_format: str
) -> None:
    logs.configure(Settings(data_dir=tmp_path, log_format=log_format))
    log, key = logging.getLogger("app"), new_key()
    with logs.caller_log_context("ci", "team"):
        log.warning("asked with Authorization: Bearer %s", key)
    with logs.caller_log_context("root", None):
        log.warning("asked")
    with logs.caller_log_context(None, "default"):
        log.warning("asked by anyone")
    told = capsys.readouterr().err
    assert key[3:] not in told
    assert "mt_***" in told
    first, second, third = told.splitlines()
    if log_format == "json":
        assert (json.loads(first)["key"], json.loads(first)["workspace"]) == ("ci", "team")
        assert json.loads(second)["workspace"] == "the installation"
        assert "key" not in json.loads(third)
    else:
        assert first.endswith(" key=ci workspace=team")
        assert second.endswith(" key=root workspace=the installation")
        assert third.endswith("asked by anyone")
