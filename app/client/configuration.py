"""Where is the service, and with which key? Given, of the environment, or of the file `config.toml`."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass
from pathlib import Path

DEFAULT_URL = "http://127.0.0.1:8000"


class ConfigurationError(Exception):
    """The file of the configuration, or the key, cannot be used."""


@dataclass(frozen=True)
class Configuration:
    """The service's address, and the key that is sent with every request."""

    url: str
    api_key: str | None


def config_file() -> Path:
    """Where the file is: `$XDG_CONFIG_HOME`, or `~/.config`; on Windows `%APPDATA%`."""
    given = os.environ.get("APPDATA" if os.name == "nt" else "XDG_CONFIG_HOME")
    return Path(given or Path.home() / ".config") / "model-transfer" / "config.toml"


def configuration(url: str | None = None, api_key: str | None = None) -> Configuration:
    """What is given, else what MODEL_TRANSFER_URL and MODEL_TRANSFER_API_KEY say, else the file.

    A key of the file is sent to the address of the file alone.

    Raises:
        ConfigurationError: the file is not as it should be, or the key is none; it is not repeated.
    """
    kept = _kept(config_file())
    address = url or os.environ.get("MODEL_TRANSFER_URL") or kept.get("url") or DEFAULT_URL
    key = api_key or os.environ.get("MODEL_TRANSFER_API_KEY")
    if key is None and address.rstrip("/") == kept.get("url", DEFAULT_URL).rstrip("/"):
        key = kept.get("api_key")
    return Configuration(address.rstrip("/"), _whole(key or ""))


def _whole(key: str) -> str | None:
    """Without the line's end that a file or a clipboard may leave around it."""
    key = key.strip()
    if not all("!" <= letter <= "~" for letter in key):
        raise ConfigurationError(
            "Expected an API key as it was shown. Received: a text with blanks or letters that no key has; "
            "it is not shown here. Correct MODEL_TRANSFER_API_KEY, or `api_key` where it is given."
        )
    return key or None


def _kept(path: Path) -> dict[str, str]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigurationError(
            f'{path}: expected lines such as `url = "{DEFAULT_URL}"`. Received: {error}. '
            "Correct the file or delete it."
        ) from error
    wrong = [name for name, value in found.items() if name not in ("url", "api_key") or not value]
    wrong += [name for name, value in found.items() if not isinstance(value, str)]
    if wrong:
        raise ConfigurationError(
            f"{path}: expected `url` and `api_key`, each a text. Received: {wrong[0]}. Correct the file."
        )
    return found
