"""What must nobody read: passwords and keys, in addresses and beside them; folders of the server."""

from __future__ import annotations

import re
import sys
import threading
import traceback
from types import TracebackType

MASK = "***"

# What stands before the word needs no look: it is kept. To look for it would take time by its square.
_SECRET = (
    r"(?:(?:password|passwd|passphrase|secret|signature|credential)[\w.-]{0,40}"
    r"|(?<![^\W_])(?:pwd|auth|token|api_?key|access_?key(?:_?id)?)|AWSAccessKeyId)"
)
_USERINFO = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)"
    # As it should be: before the host, which ends at the first slash. Or a password with a raw slash, which
    # begins with no port.
    r"(?:(?P<user>[^\s:/?#@\"<>]{0,500})(?::[^\s/?#\"<>]{0,500})?@"
    r"|(?P<other>[^\s:/?#@\"<>\[]{0,500}):(?!\d{1,5}(?:[/?#,;\s'\")]|$))[^\s\"<>]{0,500}@)",
)
_PARAMETER = re.compile(
    rf"(?P<name>{_SECRET}(?P<quote>['\"]?)\s*(?:=|(?<=['\"]):)\s*)"
    r"(?P<value>'[^']*'|\"[^\"]*\"|[^\s&;,'\")}]+)",
    re.IGNORECASE,
)
_KEY = re.compile(r"(?<![0-9A-Za-z])mt_[0-9A-Za-z]{30,}")
_PATH = re.compile(
    r"(?:(?<=file://)|(?<![\w/.:~-]))(?:/[^\s/'\"`:;,<>()\[\]{}]+)+/(?P<last>[^\s/'\"`:;,<>()\[\]{}]*)"
)


def without_secrets(text: str, *known: str) -> str:
    """The text without passwords of addresses (`scheme://user:***@host`), values such as `password=***`, and
    keys of this service (`mt_***`).

    `known` are secrets that are masked wherever they stand.
    """
    for secret in known:
        text = text.replace(secret, MASK)
    if "://" in text and "@" in text:
        text = _USERINFO.sub(_without_password, text)
    if "mt_" in text:
        text = _KEY.sub(f"mt_{MASK}", text)
    return _PARAMETER.sub(lambda found: f"{found['name']}{MASK}", text)


def _without_password(found: re.Match[str]) -> str:
    whole = found[0]
    user = found["user"] if found["user"] is not None else found["other"]
    # What stands alone before the host is a key more often than a name.
    shown = f"{user}:{MASK}" if ":" in whole[len(found["scheme"]) :] else MASK
    return f"{found['scheme']}{shown}@"


def without_paths(text: str) -> str:
    """The text with the last part of each absolute path alone: what lies where is a matter of the server."""
    return _PATH.sub(lambda found: f"…/{found['last']}" if found["last"] else "…", text)


def redact_tracebacks() -> None:
    """Mask what Python itself says of an error that nobody caught, in any thread."""

    def show(kind: type[BaseException], error: BaseException | None, trace: TracebackType | None) -> None:
        sys.stderr.write(without_secrets("".join(traceback.format_exception(kind, error, trace))))

    def tell_of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_type is not SystemExit:
            name = args.thread.name if args.thread else "unknown"
            sys.stderr.write(f"Exception in thread {name}:\n")
            show(args.exc_type, args.exc_value, args.exc_traceback)

    sys.excepthook = show
    threading.excepthook = tell_of_thread
