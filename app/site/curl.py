"""What would a program send, in place of what is done on a page? As a command to copy."""

from __future__ import annotations

import json
import shlex
from typing import Any

from fastapi import Request


class Curl:
    """Commands for this service by the address that it was reached at, with a key where one is needed."""

    def __init__(self, request: Request, *, has_key: bool) -> None:
        public = request.app.state.settings.public_url
        self._base = (public or str(request.base_url)).rstrip("/")
        self._has_key = has_key

    def get(self, path: str) -> str:
        """A command that reads."""
        return self._command([], path)

    def save(self, path: str) -> str:
        """A command that saves a file under its own name."""
        return self._command(["-OJ"], path)

    def post(self, path: str, body: Any = None, method: str = "POST") -> str:
        """A command that sends JSON, or nothing."""
        if body is None:
            return self._command(["-X", method], path)
        sent = json.dumps(body, ensure_ascii=False, indent=1)
        options = [] if method == "POST" else ["-X", method]
        return self._command([*options, "-H", "Content-Type: application/json", "-d", sent], path)

    def form(self, path: str, file: str, **fields: str) -> str:
        """A command that sends a form with a file of this name.

        The fields may be of an address that somebody else made: sent as they are, since `-F` would take a
        value after @ or < for the name of a file to send.
        """
        options = ["-F", f"file=@{file}"]
        for name, value in fields.items():
            options += ["--form-string", f"{name}={value}"]
        return self._command(options, path)

    def _command(self, options: list[str], path: str) -> str:
        key = ['-H "Authorization: Bearer $MODEL_TRANSFER_API_KEY"'] if self._has_key else []
        quoted = [shlex.quote(option) for option in options]
        return " ".join(["curl", *key, *quoted, shlex.quote(f"{self._base}{path}")])
