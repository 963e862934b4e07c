from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def database_url(tmp_path: Path) -> str:
    """SQLite alone: what is asked of the database here is asked of PostgreSQL in the other rooms' tests."""
    return f"sqlite:///{tmp_path / 'test.db'}"
