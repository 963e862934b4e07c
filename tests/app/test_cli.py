from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app.cli import cli
from app.settings import get_settings


@pytest.fixture(autouse=True)
def _fresh_settings() -> Iterator[None]:
    """A process reads its environment once; here it changes."""
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


def test_presets_are_listed_with_size_licence_and_what_to_do(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    answer = CliRunner().invoke(cli, ["presets", "list"], env={"MODEL_TRANSFER_PRESET_DIR": str(tmp_path)})
    assert answer.exit_code == 0
    assert "minilm_l6_v2\n    text, 92 MB, Apache-2.0, here: " in answer.stdout
    assert (
        "broken\n    text, 0 MB, licence not told, not here. Expected a Hugging Face folder" in answer.stdout
    )
