from __future__ import annotations

import contextvars
import json
import logging
import threading
from pathlib import Path

import pytest

from app import logs
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
    with logs.of_job("job_1", 2):
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
