"""Whose is this key? Asked at every request, so the answer is in memory, and read anew every moment.

Keys are in the database, so that all processes of the API know the same ones: a new key is known at once, and
one that was revoked, or the first there is, within `KNOWN_SECONDS`.
"""

from __future__ import annotations

import hmac
import math
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from sqlalchemy import or_, select, update

from app.access.caller import ANYONE, Caller
from app.access.key_text import SHOWN, hashed, is_whole
from app.access.scopes import Scope
from app.db.access_tables import Key
from app.db.clock import db_now
from app.db.session import Sessions
from app.errors import ServiceError

KNOWN_SECONDS = 2.0
AT_MOST_EVERY = 0.25
"""Seconds between two looks for keys that are not known: wrong ones must not keep the database busy."""

USED_SECONDS = 60.0
"""How exactly the last use of a key is told."""


@dataclass(frozen=True)
class _Known:
    hash: str
    caller: Caller
    expires_at: datetime | None
    revoked_at: datetime | None


class KeyRing:
    """The keys of the database, as they were a moment ago."""

    def __init__(self, readers: Sessions, elapsed: Callable[[], float] = time.monotonic) -> None:
        self._readers, self._elapsed = readers, elapsed
        self._keys: dict[str, list[_Known]] | None = None
        self._read_at = 0.0
        self._used: dict[str, float] = {}
        self._reading = threading.Lock()

    def is_fresh(self, seconds: float = KNOWN_SECONDS) -> bool:
        """Whether what is known was read so lately."""
        return self._keys is not None and self._elapsed() - self._read_at < seconds

    def refresh(self, seconds: float = KNOWN_SECONDS) -> None:
        """Read the keys, unless another thread has just done so."""
        with self._reading:
            if self.is_fresh(seconds):
                return
            read_at, keys = self._elapsed(), defaultdict(list)
            with self._readers() as session:
                for key in session.scalars(select(Key)):
                    keys[key.prefix].append(_known(key))
            self._keys, self._read_at = dict(keys), read_at

    def forget(self) -> None:
        """What was read is no longer so: this process has just made or revoked a key.

        It stays until it is read anew: no request that is being looked at may find that there are no keys.
        """
        self._read_at = -math.inf

    @property
    def has_keys(self) -> bool:
        """Whether a key is asked for at all."""
        return bool(self._keys)

    def is_known(self, authorization: Sequence[str]) -> bool:
        """Whether the key that is sent, if one is, was there when the keys were read."""
        return not self._keys or len(authorization) != 1 or self._find(_token(authorization[0])) is not None

    def caller(self, authorization: Sequence[str]) -> Caller:
        """Who asks, by the request's headers `Authorization`.

        Raises:
            ServiceError: 401; there are keys, and none of them was sent, or one that is not good any more.
        """
        if self._keys is None:
            raise RuntimeError("expected the keys to be read before a request is looked at")
        if not self._keys:
            return ANYONE
        if len(authorization) != 1:
            received = "several" if authorization else "none"
            raise _refused("key_missing", f"one header `Authorization: Bearer mt_…`. Received: {received}")
        scheme, token = authorization[0].partition(" ")[0], _token(authorization[0])
        if scheme.lower() != "bearer":
            raise _refused("key_missing", "the scheme `Bearer` in `Authorization`. Received: another one")
        if not is_whole(token):
            raise _refused(
                "key_mistyped",
                "a key as it was shown. Received: one whose checksum is wrong, or a text that is none",
            )
        known = self._find(token)
        if known is None:
            raise _refused("key_unknown", "a key of this installation. Received: another one")
        if known.revoked_at is not None:
            raise _refused("key_revoked", f"a key that is not revoked. Received: {known.caller.key_name}")
        if known.expires_at is not None and known.expires_at <= datetime.now(UTC):
            received = f"{known.caller.key_name}, which expired at {known.expires_at:%Y-%m-%d %H:%M} UTC"
            raise _refused("key_expired", f"a key that has not expired. Received: {received}")
        return known.caller

    def is_use_due(self, caller: Caller) -> bool:
        """Whether the key's use is to be written down: at most once a minute, by each process."""
        if caller.key_id is None:
            return False
        now, last = self._elapsed(), self._used.get(caller.key_id)
        if last is not None and now - last < USED_SECONDS:
            return False
        self._used[caller.key_id] = now
        return True

    def _find(self, token: str) -> _Known | None:
        given = hashed(token)
        for known in (self._keys or {}).get(token[:SHOWN], ()):
            if hmac.compare_digest(known.hash, given):
                return known
        return None


def write_use(sessions: Sessions, key_id: str) -> None:
    """Write down that the key was used, unless another process did so within the minute."""
    lately = or_(Key.last_used_at.is_(None), Key.last_used_at < db_now(-USED_SECONDS))
    with sessions.begin() as session:
        session.execute(update(Key).where(Key.id == key_id, lately).values(last_used_at=db_now()))


def _known(key: Key) -> _Known:
    workspace = key.workspace
    caller = Caller(
        cast(Scope, key.scope),
        key_id=key.id,
        key_name=key.name,
        workspace_id=key.workspace_id,
        workspace_name=None if workspace is None else workspace.name,
    )
    return _Known(key.hash, caller, key.expires_at, key.revoked_at)


def _token(authorization: str) -> str:
    return authorization.partition(" ")[2].strip()


def _refused(code: str, expected: str) -> ServiceError:
    """The 401; what was sent is not repeated."""
    challenge = 'Bearer realm="model-transfer"'
    if code != "key_missing":
        challenge += ', error="invalid_token"'
    hint = "Send a key as `Authorization: Bearer mt_…`. Whoever runs the service makes them."
    return ServiceError(
        401, code, f"Expected {expected}.", hint=hint, headers={"WWW-Authenticate": challenge}
    )
