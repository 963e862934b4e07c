"""Small files, inspect_text in this process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats import csv, jsonl
from app.datasets.reading.profile import Inspection

Inspect = Callable[..., Inspection]
Refuse = Callable[..., DatasetError]


@pytest.fixture
def inspect_text(tmp_path: Path) -> Inspect:
    """Inspect text or bytes under a file name, with fields of a declaration."""

    def run(content: str | bytes, filename: str = "data.csv", **declared: Any) -> Inspection:
        path = tmp_path / "upload"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return inspect(path, Declaration(filename=filename, **declared))

    return run


@pytest.fixture
def refuse_text(inspect_text: Inspect) -> Refuse:
    """As `inspect_text`, for a file that must be refused."""

    def run(content: str | bytes, filename: str = "data.csv", **declared: Any) -> DatasetError:
        with pytest.raises(DatasetError) as caught:
            inspect_text(content, filename, **declared)
        return caught.value

    return run


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many batches from small files."""
    monkeypatch.setattr(csv, "BLOCK", 1 << 12)
    monkeypatch.setattr(jsonl, "BLOCK", 1 << 12)


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what is asked of the database here is asked of PostgreSQL in the other rooms' tests."""
    return f"sqlite:///{tmp_path / 'test.db'}"
