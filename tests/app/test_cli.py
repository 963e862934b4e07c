from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec
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
        "broken\n    text, 0 MB, licence unknown, not here. Expected a Hugging Face folder" in answer.stdout
    )


def test_presets_are_fetched_by_a_program_that_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _path, words, _environment: started.append(words))
    environment = {"MODEL_TRANSFER_PRESET_DIR": str(tmp_path)}
    answer = CliRunner().invoke(cli, ["presets", "fetch", "bert_tiny_en_uncased"], env=environment)
    assert (answer.exit_code, len(started)) == (0, 1)
    python, flag, module, *words = started[0]
    assert (python, flag) == (sys.executable, "-m")
    assert find_spec(module) is not None
    assert words == [str(tmp_path), "bert_tiny_en_uncased"]
