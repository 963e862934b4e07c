"""What a program does with the service: data sets, jobs, models."""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx2

from app.client.configuration import configuration
from app.client.files import Fields, Told, receive, send_rows, upload
from app.client.http import AWAY, EVENTS, Connection
from app.client.problems import ApiError, JobDidNotSucceed, NotReachable
from app.client.views import Dataset, Event, Job, Model, Plan, Prediction, Ranking, Version

_WAIT_SECONDS = 60
_MOST_BREAKS = 5
_LONGEST_PAUSE_SECONDS = 60.0


class Client:
    """The service at an address; use it as a context manager, or call `close`.

    url, api_key: by default of MODEL_TRANSFER_URL and MODEL_TRANSFER_API_KEY, or of the file config.toml.
    timeout: seconds that the service may be silent.

    Every method raises ApiError where the service refuses, with its explanation, and NotReachable where
    nothing answers.
    """

    def __init__(self, url: str | None = None, api_key: str | None = None, *, timeout: float = 120) -> None:
        known = configuration(url, api_key)
        self.connection = Connection(known.url, known.api_key, timeout)

    @property
    def url(self) -> str:
        """The service's address."""
        return self.connection.url

    def close(self) -> None:
        """Close the connections."""
        self.connection.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def is_ready(self) -> bool:
        """Whether the service answers and has all it needs."""
        try:
            with self.connection.stream("GET", "/readyz", "application/json"):
                return True
        except Exception as error:
            if isinstance(error, NotReachable) or getattr(error, "status", None) == 503:
                return False
            raise

    def upload(
        self,
        file: str | Path,
        name: str | None = None,
        *,
        fields: Fields | None = None,
        sent: Callable[[int], None] | None = None,
        validated: Callable[[int], None] | None = None,
        **more: Any,
    ) -> Dataset:
        """Send a file; it is validated before the data set exists.

        fields, more: what is said of it, such as `label="y"`, `kind="text"`, `types={"age": "number"}`.
        sent, validated: called with the bytes that were sent, and the rows that were validated, so far.
        """
        said: Fields = {**(fields or {}), **more, **({} if name is None else {"name": name})}
        return Dataset.model_validate(upload(self.connection, Path(file), said, Told(sent, validated)))

    def dataset(self, ref: str) -> Dataset:
        """By id, `name@version` or name, which is the newest version."""
        return Dataset.model_validate(self.connection.json("GET", f"/v1/datasets/{_quoted(ref)}"))

    def datasets(self, name: str | None = None) -> Iterator[Dataset]:
        """Newest first."""
        for found in self.connection.pages("/v1/datasets", {"name": name}):
            yield Dataset.model_validate(found)

    def rows(self, ref: str, limit: int = 20) -> list[dict[str, Any]]:
        """The first rows of a data set, as the service reads them."""
        answer = self.connection.json("GET", f"/v1/datasets/{_quoted(ref)}/rows", params={"limit": limit})
        rows: list[dict[str, Any]] = answer["data"]
        return rows

    def delete_dataset(self, ref: str) -> None:
        """Delete one version of a data set."""
        self.connection.json("DELETE", f"/v1/datasets/{_quoted(ref)}")

    def start(self, job: Mapping[str, Any], *, idempotency_key: str | None = None) -> Job:
        """Post a job, as the page /docs describes it. Where the answer is lost it is sent again: no second
        job begins, since both requests have one `Idempotency-Key`."""
        headers = {"Idempotency-Key": idempotency_key or f"client-{uuid.uuid4().hex}"}
        return Job.model_validate(self.connection.json("POST", "/v1/jobs", json=dict(job), headers=headers))

    def plan(self, job: Mapping[str, Any]) -> Plan:
        """What the same job would be and take, if it were started; refused as that."""
        return Plan.model_validate(self.connection.json("POST", "/v1/jobs:plan", json=dict(job)))

    def rank(self, ranking: Mapping[str, Any], *, idempotency_key: str | None = None) -> Ranking:
        """Ask which source suits a target: the ranking when it has ended, however it did."""
        headers = {"Idempotency-Key": idempotency_key or f"client-{uuid.uuid4().hex}"}
        answer = self.connection.json("POST", "/v1/rankings", json=dict(ranking), headers=headers)
        while not (found := Ranking.model_validate(answer)).terminal:
            path = f"/v1/rankings/{found.id}"
            answer = self.connection.json("GET", path, params={"wait": _WAIT_SECONDS})
        return found

    def job(self, ref: str, *, wait: float = 0) -> Job:
        """By id or name; with `wait`, when it has ended or so many seconds have passed."""
        answer = self.connection.json(
            "GET", f"/v1/jobs/{_quoted(ref)}", params={"wait": wait} if wait else {}
        )
        return Job.model_validate(answer)

    def jobs(self, *, state: str | None = None, model: str | None = None) -> Iterator[Job]:
        """Newest first, without their options."""
        for found in self.connection.pages("/v1/jobs", {"state": state, "model": model}):
            yield Job.model_validate(found)

    def wait(self, ref: str) -> Job:
        """The job when it has succeeded.

        Raises:
            JobDidNotSucceed: it failed or was cancelled.
        """
        while not (job := self.job(ref, wait=_WAIT_SECONDS)).terminal:
            pass
        if job.state != "succeeded":
            why = f": {job.error.message} {job.error.hint or ''}".rstrip() if job.error else ""
            raise JobDidNotSucceed(f"Expected job {job.name} to succeed. Received: {job.state}{why}.")
        return job

    def events(self, ref: str, after: int = 0) -> Iterator[Event]:
        """What happens to a job, as it happens, to its end; a broken stream is taken up where it broke."""
        path, breaks = f"/v1/jobs/{_quoted(ref)}/events", 0
        while True:
            headers = {"Accept": EVENTS, "Last-Event-ID": str(after)}
            try:
                with self.connection.stream("GET", path, EVENTS, headers=headers) as response:
                    for sent in httpx2.EventSource(response):
                        event = Event.model_validate_json(sent.data)
                        after, breaks = event.id, 0
                        yield event
                # A stream may end with the server that sent it.
                is_over = self.job(ref).terminal
            except (NotReachable, ApiError) as error:
                breaks += 1
                if breaks > _MOST_BREAKS or getattr(error, "status", 503) not in AWAY:
                    raise
                time.sleep(_pause(error, breaks))
                continue
            if is_over:
                yield from self._events_left(path, after)
                return

    def _events_left(self, path: str, after: int) -> Iterator[Event]:
        for found in self.connection.pages(path, {"after": after} if after else {}):
            if found["id"] > after:
                yield Event.model_validate(found)

    def cancel(self, ref: str) -> Job:
        """A waiting job at once, a running one within seconds."""
        return self._move(ref, "cancel")

    def pause(self, ref: str) -> Job:
        """Its worker saves a checkpoint and stops."""
        return self._move(ref, "pause")

    def resume(self, ref: str) -> Job:
        """A paused job goes on where it stopped."""
        return self._move(ref, "resume")

    def retry(self, ref: str) -> Job:
        """A job that failed or was cancelled goes on from its last finished stage."""
        return self._move(ref, "retry")

    def _move(self, ref: str, verb: str) -> Job:
        headers = {"Idempotency-Key": f"client-{uuid.uuid4().hex}"}
        answer = self.connection.json("POST", f"/v1/jobs/{_quoted(ref)}:{verb}", headers=headers)
        return Job.model_validate(answer)

    def models(self) -> Iterator[Model]:
        """By name, each with its newest version."""
        for found in self.connection.pages("/v1/models", {}, place="name"):
            yield Model.model_validate(found)

    def version(self, ref: str) -> Version:
        """By id, `name@version`, `name@alias` or name, which is the newest version."""
        return Version.model_validate(self.connection.json("GET", f"/v1/models/{_quoted(ref)}"))

    def versions(self, model: str) -> Iterator[Version]:
        """Those of a model, newest first."""
        for found in self.connection.pages(f"/v1/models/{_quoted(model)}/versions", {}):
            yield Version.model_validate(found)

    def download(
        self,
        ref: str,
        to: str | Path | None = None,
        *,
        format: str | None = None,
        arm: str | None = None,
        received: Callable[[int], None] | None = None,
    ) -> Path:
        """Fetch a file of a version; whole and with the digest that the service names, or not at all.

        to: a file, or a folder for the file's own name; by default the working directory.
        format: `keras`, `bundle`, `predictions`, `wrong_rows`,
            `doubtful_labels`; by default `keras`, or the bundle where there is none.
        arm: another arm's model, such as `baseline`.
        received: called with the bytes so far.
        """
        # Predictions are of all arms.
        asked = {"format": format, "arm": None if arm == "all" else arm}
        params = {name: value for name, value in asked.items() if value is not None}
        path = f"/v1/models/{_quoted(ref)}/download"
        return receive(self.connection, path, params, Path(to or "."), received)

    def predict(self, ref: str, instances: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The service's answers for rows, in their order, see `POST /v1/models/{model}:predict`.

        A prediction changes nothing: it is asked for again while no predictor answers.
        """
        body, headers = {"instances": list(instances)}, {"Idempotency-Key": f"client-{uuid.uuid4().hex}"}
        answer = self.connection.json(
            "POST", f"/v1/models/{_quoted(ref)}:predict", json=body, headers=headers
        )
        predictions: list[dict[str, Any]] = answer["predictions"]
        return predictions

    def predict_file(
        self,
        ref: str,
        file: str | Path,
        to: str | Path | None = None,
        *,
        format: str = "csv",
        keep: Sequence[str] = (),
    ) -> tuple[Prediction, Path, Path | None]:
        """A file of any size to a file of answers, by a job on the workers, when it has ended.

        to: a file, or a folder for the file's own name; by default the working directory.
        format: `csv`, `jsonl` or `parquet`. keep: columns beside the answers; `["all"]` keeps all.

        Answered are the job, the file, and where rows could not be read the file that lists them, beside it.

        Raises:
            JobDidNotSucceed: it failed or was cancelled.
        """
        asked: Fields = {"model": ref, "formats": [format], "keep": list(keep)}
        answer = send_rows(self.connection, Path(file), asked)
        while not (job := Prediction.model_validate(answer)).terminal:
            path = f"/v1/predictions/{job.id}"
            answer = self.connection.json("GET", path, params={"wait": _WAIT_SECONDS})
        if job.result is None:
            why = f": {job.error.message} {job.error.hint or ''}".rstrip() if job.error else ""
            raise JobDidNotSucceed(f"Expected prediction {job.name} to succeed. Received: {job.state}{why}.")
        path = f"/v1/predictions/{job.id}/download"
        made = receive(self.connection, path, {"format": format}, Path(to or "."), None)
        if not job.result.refused:
            return job, made, None
        beside = made.with_name(f"{made.stem}-refused.csv")
        return job, made, receive(self.connection, path, {"format": "refused"}, beside, None)

    def report(self, ref: str) -> str:
        """A job's report, an HTML page by itself."""
        with self.connection.stream("GET", f"/v1/jobs/{_quoted(ref)}/report") as response:
            response.read()
            return response.text

    def set_alias(self, ref: str, alias: str, *, force: bool = False) -> None:
        """Let `model@alias` name a version, given as `name@version`."""
        model, _, number = ref.rpartition("@")
        if not number.isdecimal():
            raise ValueError(f"Expected `name@version`, such as grades@3. Received: {ref}.")
        body = {"version": int(number), "force": force}
        self.connection.json("PUT", f"/v1/models/{_quoted(model)}/aliases/{_quoted(alias)}", json=body)


def _pause(error: Exception, breaks: int) -> float:
    """As long as the service asks for, within bounds; else longer from time to time."""
    asked = getattr(error, "retry_after", None)
    return min(2.0 ** (breaks - 2) if asked is None else asked, _LONGEST_PAUSE_SECONDS)


def _quoted(ref: str) -> str:
    """A part of a path, whatever somebody typed."""
    return quote(ref, safe="@")
