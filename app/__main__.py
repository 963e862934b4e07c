"""`python -m app` is `model-transfer`."""

from __future__ import annotations

import sys

from app.private_files import keep_private
from app.redaction import redact_tracebacks, without_secrets


def main() -> None:
    """The entry point of `model-transfer`.

    The API starts without the command line, which would take 5 MB of each of its processes, unless its
    settings are wrong: the command line says so best.
    """
    keep_private()
    redact_tracebacks()
    if sys.argv[1:] == ["api"] and _api():
        return
    from app.cli import cli

    cli()


def _api() -> bool:
    from pydantic import ValidationError

    from app.settings import get_settings

    try:
        settings = get_settings()
    except ValidationError:
        return False
    from app.serving.listening_socket import CannotServe
    from app.serving.server import run
    from app.serving.supervisor import GaveUp

    try:
        run(settings, _say)
    except (CannotServe, GaveUp) as error:
        raise SystemExit(without_secrets(str(error))) from error
    return True


def _say(line: str) -> None:
    sys.stderr.write(f"{without_secrets(line)}\n")


if __name__ == "__main__":
    main()
