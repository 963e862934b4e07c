"""Every setting is documented, with its true default, and read from the environment."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from app.settings import Settings

ROOT = Path(__file__).parents[1]
EXAMPLE = (ROOT / ".env.example").read_text(encoding="utf-8")
TABLE = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")
NAMES = {f"MODEL_TRANSFER_{field.upper()}" for field in Settings.model_fields}
FIELDS = pytest.mark.parametrize("field", list(Settings.model_fields))


def _described(field: str) -> tuple[str, str, str]:
    """A setting's variable, its default as one writes it, and its meaning."""
    info: FieldInfo = Settings.model_fields[field]
    default = str(info.default).removesuffix(".0") if isinstance(info.default, float) else str(info.default)
    return f"MODEL_TRANSFER_{field.upper()}", default, info.description or ""


@FIELDS
def test_a_setting_says_what_it_means(field: str) -> None:
    assert _described(field)[2].endswith(".")


@FIELDS
def test_a_setting_stands_in_the_example_with_its_meaning_and_default(field: str) -> None:
    name, default, meaning = _described(field)
    block = re.compile(
        rf"^# {re.escape(meaning)}\n(# In docker compose.*\n)?# {name}={re.escape(default)}$", re.M
    )
    assert block.search(EXAMPLE), f"expected in .env.example:\n# {meaning}\n# {name}={default}"


@FIELDS
def test_a_setting_stands_in_the_table_with_its_meaning_and_default(field: str) -> None:
    name, default, meaning = _described(field)
    row = f"| `{name}` | {f'`{default}`' if default else 'empty'} | {meaning} |"
    assert row in TABLE.splitlines(), f"expected in docs/settings.md:\n{row}"


@FIELDS
def test_the_default_that_the_example_shows_is_read_as_the_default(
    field: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, default, _ = _described(field)
    unset = getattr(Settings(), field)
    monkeypatch.setenv(name, default)
    assert getattr(Settings(), field) == unset


@pytest.mark.parametrize("text", [EXAMPLE, TABLE], ids=[".env.example", "docs/settings.md"])
def test_no_setting_is_documented_that_does_not_exist(text: str) -> None:
    assert set(re.findall(r"MODEL_TRANSFER_[A-Z_]+", text)) <= NAMES
