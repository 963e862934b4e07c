"""Every setting is documented, with its true default, and read from the environment."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from typer.testing import CliRunner

from app.cli import cli
from app.settings import Settings, get_settings

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


SECRET = {
    "MODEL_TRANSFER_DATABASE_URL": "postgresql+psycopg://me:s3cret-0@host/db?sslpassword=s3cret-1",
    "MODEL_TRANSFER_BROKER_URL": "redis://:s3cret-2@a/0;redis://me:s3cret-3@b/0",
    "MODEL_TRANSFER_STORAGE_ENDPOINT": "https://key:s3cret-4@store:9000",
    "MODEL_TRANSFER_STORAGE_ACCESS_KEY": "s3cret-5",
    "MODEL_TRANSFER_STORAGE_SECRET_KEY": "s3cret-6",
}


@pytest.fixture
def _secret(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name, value in SECRET.items():
        monkeypatch.setenv(name, value)
    get_settings.cache_clear()
    yield
    get_settings.cache_clear()


@pytest.mark.usefixtures("_secret")
def test_every_setting_is_shown_without_what_is_secret_in_it() -> None:
    shown = Settings().shown()
    assert shown.keys() == Settings.model_fields.keys()
    assert "s3cret" not in f"{shown} {Settings()} {Settings()!r}"
    assert shown["database_url"] == "postgresql+psycopg://me:***@host/db?sslpassword=***"
    assert shown["storage_access_key"] == shown["storage_secret_key"] == "***"
    assert (shown["port"], shown["storage_url"]) == ("8000", "")
    printed = CliRunner().invoke(cli, ["settings"])
    assert printed.exit_code == 0
    assert "s3cret" not in printed.output
    assert "MODEL_TRANSFER_BROKER_URL=redis://:***@a/0;redis://me:***@b/0" in printed.output


@pytest.mark.usefixtures("_secret")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("STORAGE_URL", "ftp://me:s3cret@host/"),
        ("BROKER_URL", "redis://:s3/cret@host:6379/0"),
        ("BROKER_URL", "redis://:12?s3cret@host:6379/0"),
        ("BROKER_URL", "redis://:s3cret@host:port/0"),
        ("BROKER_URL", "redis://:s3cret@[host/0"),
    ],
)
def test_a_setting_that_is_wrong_is_told_without_what_is_secret_in_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(f"MODEL_TRANSFER_{name}", value)
    refused = CliRunner().invoke(cli, ["settings"])
    assert refused.exit_code == 2
    assert f"MODEL_TRANSFER_{name}" in refused.output
    assert "cret" not in refused.output
    with pytest.raises(ValidationError) as error:
        Settings()
    assert "cret" not in str(error.value)
