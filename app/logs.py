"""Log lines of every process: as text, or as JSON with the job and the attempt they belong to."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime

from app.redaction import without_secrets
from app.settings import Settings

_TEXT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_NAME = "model-transfer"
_LONG = 8
_about: ContextVar[tuple[str, int] | None] = ContextVar("job", default=None)
_caller: ContextVar[dict[str, str]] = ContextVar("caller", default={})  # noqa: B039  # it is never changed


@contextmanager
def job_log_context(job_id: str, attempt: int) -> Iterator[None]:
    """Lines logged inside name this job and attempt, and so do threads that get this context."""
    token = _about.set((job_id, attempt))
    try:
        yield
    finally:
        _about.reset(token)


@contextmanager
def caller_log_context(key: str | None, workspace: str | None) -> Iterator[None]:
    """Lines logged inside name the key that a request came with, and its workspace; never the key itself."""
    told = {} if key is None else {"key": key, "workspace": workspace or "the installation"}
    token = _caller.set(told)
    try:
        yield
    finally:
        _caller.reset(token)


def caller_suffix() -> str:
    """What a line for people says of the key, at its end."""
    return "".join(f" {name}={value}" for name, value in _caller.get().items())


class TextFormatter(logging.Formatter):
    """A line for people, the traceback below it; passwords and keys are masked in both."""

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__(_TEXT)
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        return without_secrets(super().format(record), *self._secrets)

    def formatMessage(self, record: logging.LogRecord) -> str:  # the library's name
        """Its first part, before any traceback."""
        return super().formatMessage(record) + caller_suffix()


class JsonFormatter(logging.Formatter):
    """One JSON object a line: time, level, logger, message, process; job and attempt, or key and workspace;
    the traceback.

    Passwords and keys are masked in all.
    """

    def __init__(self, secrets: Sequence[str] = ()) -> None:
        super().__init__()
        self._secrets = secrets

    def format(self, record: logging.LogRecord) -> str:
        """The line."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": without_secrets(record.getMessage(), *self._secrets),
            "process": record.process,
        }
        if about := _about.get():
            line |= {"job": about[0], "attempt": about[1]}
        line |= _caller.get()
        if record.exc_info:
            line["exception"] = without_secrets(self.formatException(record.exc_info), *self._secrets)
        return json.dumps(line, ensure_ascii=False, default=str)


def known_secrets(settings: Settings) -> list[str]:
    """The secrets that are masked wherever they stand; a short one may be part of any word."""
    return [secret for secret in settings.secrets if len(secret) >= _LONG]


def configure(settings: Settings) -> None:
    """Send the lines of this process to standard error, as the settings say."""
    root = logging.getLogger()
    for known in [one for one in root.handlers if one.name == _NAME]:
        root.removeHandler(known)
    handler = logging.StreamHandler()
    handler.name = _NAME
    formatter = JsonFormatter if settings.log_format == "json" else TextFormatter
    handler.setFormatter(formatter(known_secrets(settings)))
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
