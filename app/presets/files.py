"""What do the small files of a preset say? Read under limits and validated: whoever put them there."""

from __future__ import annotations

import json
import os
import stat
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from pydantic_core import from_json

from app.texts import printable

MOST_BYTES = 1 << 20
"""Of one file; the configs of presets have a few thousand."""

MOST_FILES = 10_000
"""Files whose sizes are added up; a link to the whole disk is no preset."""

_CARD_BYTES = 1 << 16
_SHOWN = 80


def one_line(text: str) -> str:
    """A text as one line that can be sent and printed."""
    return printable(" ".join(text.split()))


Text = Annotated[str, StringConstraints(max_length=300), AfterValidator(one_line)]
Count = Annotated[int, Field(gt=0, le=1_000_000_000_000)]
Size = Annotated[int, Field(gt=0, le=10_000_000)]


class BrokenFile(Exception):
    """A file that cannot be read as what it should be; the message names it by its name alone."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class FileModel(BaseModel):
    """What is read of a file; what else it says is passed over. Types are taken as they stand."""

    model_config = ConfigDict(strict=True, extra="ignore", allow_inf_nan=False)


AnyFileModel = TypeVar("AnyFileModel", bound=FileModel)


def read(path: Path, model: type[AnyFileModel]) -> AnyFileModel:
    """The file, as the model says.

    Raises:
        BrokenFile: it is no file, too large, no JSON, or of other fields or types.
    """
    content = _content(path, MOST_BYTES)
    if content is None:
        raise BrokenFile(
            f"Expected a {path.name} of at most {MOST_BYTES} bytes. Received: a larger file. Replace it."
        )
    try:
        return model.model_validate(from_json(content, allow_inf_nan=False))
    except ValidationError as error:
        raise BrokenFile(_explained(path.name, error)) from error
    except ValueError as error:
        raise BrokenFile(f"Expected JSON in {path.name}. Received: {error}. Replace the file.") from error


def card(folder: Path) -> str:
    """The begin of the card beside the weights; empty where there is none that can be read."""
    try:
        content = _content(folder / "README.md", _CARD_BYTES, whole=False) or b""
    except BrokenFile:
        return ""
    return content.decode("utf-8", errors="replace")


def is_there(path: Path) -> bool:
    """Whether it is a file that this account can read."""
    try:
        return path.is_file() and os.access(path, os.R_OK)
    except OSError:
        return False


def size(place: Path) -> int | None:
    """Bytes of all files in a folder; None where there are too many to look at."""
    total = seen = 0
    for folder, _, names in os.walk(place):
        for name in names:
            seen += 1
            if seen > MOST_FILES:
                return None
            try:
                about = os.stat(os.path.join(folder, name))
            except OSError:  # a link that leads nowhere, or in a circle
                continue
            total += about.st_size if stat.S_ISREG(about.st_mode) else 0
    return total


def _content(path: Path, most: int, *, whole: bool = True) -> bytes | None:
    """Its bytes; None where there are more than `most` and all are wanted.

    What is looked at is what was opened, and nothing is waited for, as a pipe would make one do.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with open(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BrokenFile(f"Expected {path.name} to be a file. Received: none. Replace it.")
            content = file.read(most + 1)
    except OSError as error:
        problem = os.strerror(error.errno) if error.errno else type(error).__name__
        raise BrokenFile(
            f"Expected {path.name} to be a file that can be read. Received: {problem}. Replace it."
        ) from error
    return None if whole and len(content) > most else content[:most]


def _explained(name: str, error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    place = ".".join(str(part) for part in first["loc"]) or "the whole"
    expected = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input should be ")
    expected = expected.replace("Input should", "to", 1)
    if first["type"] == "missing":
        return f"Expected {printable(place)} in {name}. Received: none. Replace the file."
    received = _received(first["input"])
    return f"Expected {printable(place)} in {name} to be {expected}. Received: {received}. Replace the file."


def _received(value: Any) -> str:
    try:
        text = json.dumps(value)
    except (TypeError, ValueError, RecursionError):
        return type(value).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
