"""What can go wrong between a client and the service."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import httpx2


class ApiError(Exception):
    """The service's own explanation of why it did not do what was asked.

    status: of HTTP. code: the error's stable name. hint: what to do. errors: by field, row or column.
    retry_after: seconds after which the service may do it.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        hint: str | None = None,
        errors: Sequence[dict[str, Any]] = (),
        retry_after: float | None = None,
    ) -> None:
        super().__init__(" ".join(filter(None, (message, hint))))
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint
        self.errors = list(errors)
        self.retry_after = retry_after

    @classmethod
    def of(cls, response: httpx2.Response) -> ApiError:
        """The one that an answer tells of; a proxy before the service may answer in a form of its own."""
        try:
            problem = response.json()
        except ValueError:
            problem = None
        error = cls.of_another(response)
        if response.is_error and isinstance(problem, dict) and "detail" in problem:
            error = cls.of_problem(problem)
        asked = response.headers.get("retry-after", "")
        error.retry_after = float(asked) if asked.isdecimal() and asked.isascii() else None
        return error

    @classmethod
    def of_another(cls, response: httpx2.Response) -> ApiError:
        """What answered is not the service: a page, a redirection, a proxy's own words."""
        form = response.headers.get("content-type", "").partition(";")[0].strip()
        also = f" ({form})" if form and response.is_success else ""
        to = f", which leads to {response.headers['location']}," if "location" in response.headers else ""
        message = f"Expected an answer of the service. Received: {response.status_code} "
        message += f"{response.reason_phrase}{also}{to} from {response.url}."
        return cls(response.status_code, "unknown", message, "Is this the service's address?")

    @classmethod
    def of_problem(cls, problem: dict[str, Any]) -> ApiError:
        """The one that a problem document tells of."""
        return cls(
            problem.get("status", 0),
            problem.get("code", "unknown"),
            str(problem["detail"]),
            problem.get("hint"),
            problem.get("errors") or (),
        )


class NotReachable(Exception):
    """Nothing answers at the service's address."""

    def __init__(self, address: str, why: str) -> None:
        super().__init__(
            f"Expected the service at {address}. Received: {why}. "
            "Start it with `model-transfer serve`, or set MODEL_TRANSFER_URL to its address."
        )


class JobDidNotSucceed(Exception):
    """A job that was waited for has failed or was cancelled."""
