"""The predictor as the API sees it: a server on a socket or a port that has TensorFlow.

The standard library's client, since others would cost each API process some MB. Connections are kept; one
that the predictor has closed meanwhile is opened again.
"""

from __future__ import annotations

import http.client
import json
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit

LOOK_SECONDS = 3.0
"""How long a predictor may take to say that it is there, which is no work for it."""


class PredictorAway(Exception):
    """Nothing answers; says why."""


class _SocketConnection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("predictor", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


class Predictor:
    """Asks the predictor at an address, `unix:/path` or `http://host:port`."""

    def __init__(self, address: str, timeout: float) -> None:
        self._address = address
        self._timeout = timeout
        self._idle: deque[http.client.HTTPConnection] = deque()

    def close(self) -> None:
        """Close the connections that are kept."""
        while self._idle:
            self._idle.pop().close()

    def look(self) -> None:
        """Return if one answers: it listens as soon as it has loaded TensorFlow.

        Raises:
            PredictorAway: none does.
        """
        connection = self._new(min(LOOK_SECONDS, self._timeout))
        try:
            connection.request("GET", "/healthz")
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            raise PredictorAway(type(error).__name__) from error
        finally:
            connection.close()
        if status != 200:
            raise PredictorAway(f"it answers with status {status}")

    def ask(
        self, workspace: str, bundle: str, instances: Sequence[Mapping[str, Any]]
    ) -> tuple[int, dict[str, Any]]:
        """The status and the body of its answer; workspaces take turns there.

        Raises:
            PredictorAway: it does not run, is stopping, or does not answer in time.
        """
        return self._asked(workspace, f"/predict?bundle={quote(bundle)}", {"instances": instances})

    def compare(self, workspace: str, asked: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """The same of two files of predictions, by their digests `a` and `b`."""
        return self._asked(workspace, "/compare", asked)

    def _asked(self, workspace: str, path: str, sent: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        body = json.dumps(sent).encode()
        while True:
            try:
                connection, is_kept = self._idle.pop(), True
            except IndexError:
                connection, is_kept = self._new(self._timeout), False
            try:
                answer = _answer(connection, workspace, path, body)
            except (OSError, http.client.HTTPException) as error:
                connection.close()
                if isinstance(error, TimeoutError):
                    raise PredictorAway(f"no answer within {self._timeout:g} seconds") from error
                if not is_kept:
                    raise PredictorAway(type(error).__name__) from error
                continue  # an old connection; a prediction changes nothing, so it may be asked for twice
            self._idle.append(connection)
            return answer

    def _new(self, timeout: float) -> http.client.HTTPConnection:
        if self._address.startswith("unix:"):
            return _SocketConnection(self._address.removeprefix("unix:"), timeout)
        place = urlsplit(self._address)
        kind = http.client.HTTPSConnection if place.scheme == "https" else http.client.HTTPConnection
        return kind(place.hostname or "", place.port, timeout=timeout)


def _answer(
    connection: http.client.HTTPConnection, workspace: str, path: str, body: bytes
) -> tuple[int, dict[str, Any]]:
    connection.request("POST", path, body, {"Content-Type": "application/json", "X-Workspace": workspace})
    response = connection.getresponse()
    body = response.read()
    try:
        answer: dict[str, Any] = json.loads(body)
    except ValueError:  # it has answered, though not as it should
        return 500, {}
    return response.status, answer
