"""Which values may a setting of text have, and how are they written in one way?

Each function takes the text of a setting and returns it in its usual form, or raises a ValueError that says
what was expected. An empty text means the default.
"""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

from app.addresses import origin_of
from app.redaction import without_secrets


def absolute(path: Path) -> Path:
    """The path from the root, with `~` resolved."""
    return path.expanduser().absolute()


def names(listed: str) -> str:
    """Names separated by commas, each once."""
    found = [name.strip() for name in listed.split(",") if name.strip()]
    if wrong := [name for name in found if not re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,49}", name)]:
        raise ValueError(
            "expected names of lower-case letters, digits, - and _, separated by commas. Received: "
            f"{wrong[0]}"
        )
    return ",".join(dict.fromkeys(found))


def items(text: str) -> list[str]:
    """The items of a list separated by commas, each once."""
    return list(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))


def hosts(listed: str) -> str:
    """Host names separated by commas, in lower case."""
    found = [host.lower() for host in items(listed)]
    if wrong := [
        host for host in found if not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?|[0-9a-f:]+", host)
    ]:
        raise ValueError(f"expected host names without ports, separated by commas. Received: {wrong[0]}")
    return ",".join(found)


def origins(listed: str) -> str:
    """Origins of web pages separated by commas, without their default ports."""
    found = [origin.lower().rstrip("/") for origin in items(listed)]
    for origin in found:
        if not re.fullmatch(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]{1,5})?", origin):
            raise ValueError(
                f"expected origins such as https://example.com, separated by commas. Received: {origin}"
            )
    return ",".join(map(origin_of, found))


def proxies(listed: str) -> str:
    """IP addresses or networks separated by commas."""
    for network in items(listed):
        try:
            ip_network(network)
        except ValueError as error:
            raise ValueError(
                f"expected addresses or networks of proxies, separated by commas ({error})"
            ) from error
    return ",".join(items(listed))


def public_url(url: str) -> str:
    """An http or https address without a password."""
    try:
        parts = urlsplit(url)
        fits = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        fits = False
    if url and (not fits or parts.username is not None or parts.query or parts.fragment):
        raise ValueError(
            "expected an address such as https://models.example.com, without a password. "
            f"Received: {without_secrets(url)}"
        )
    return url.rstrip("/")


def storage_url(url: str) -> str:
    """file:///folder or s3://bucket/prefix."""
    if url and not url.startswith("file:///") and not re.fullmatch(r"s3://[^/]+(/.*)?", url):
        received = without_secrets(url)
        raise ValueError(f"expected file:///absolute/path or s3://bucket/prefix. Received: {received}")
    return url


def rate(text: str) -> str:
    """Requests in a second, a minute or an hour."""
    if text and not re.fullmatch(r"[1-9][0-9]{0,8}/(second|minute|hour)", text):
        raise ValueError(
            f"expected a number of requests in a second, a minute or an hour, such as 600/minute. "
            f"Received: {text}"
        )
    return text


def broker_url(url: str) -> str:
    """A broker's address that reads in only one way; libraries would quote another one with its password."""
    for one in url.split(";"):
        try:
            parts = urlsplit(one)
            is_whole = parts.port is None or parts.port > 0
            is_whole &= not parts.netloc or "@" not in f"{parts.path}{parts.query}{parts.fragment}"
        except ValueError:
            is_whole = False
        if not is_whole:
            raise ValueError(
                "expected an address such as redis://:password@host:6379/0, with special characters of the "
                "password escaped, such as %40 for @ or %2F for /. Received: another address, not shown here"
            )
    return url
