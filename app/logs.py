"""Log lines of every process: as text, or as JSON with the job and the attempt they belong to."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from app.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_NAME = "model-transfer"
_about: ContextVar[tuple[str, int] | None] = ContextVar("job", default=None)


@contextmanager
def of_job(job_id: str, attempt: int) -> Iterator[None]:
    """Lines logged inside name this job and attempt, and so do threads that get this context."""
    token = _about.set((job_id, attempt))
    try:
        yield
    finally:
        _about.reset(token)


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, process; job and attempt; the traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            "process": record.process,
        }
        if about := _about.get():
            line |= {"job": about[0], "attempt": about[1]}
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


def configure(settings: Settings) -> None:
    """Send the lines of this process to standard error, as the settings say."""
    root = logging.getLogger()
    for known in [one for one in root.handlers if one.name == _NAME]:
        root.removeHandler(known)
    handler = logging.StreamHandler()
    handler.name = _NAME
    handler.setFormatter(JsonFormatter() if settings.log_format == "json" else logging.Formatter(_TEXT))
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
