"""The doorbell: a message that says only that a job waits in a queue."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from celery import Celery

PREFIX = "model-transfer"
RUN_NEXT = "workers.tasks.run_next"


class Broker:
    """Rings at the workers' by the task's name, without importing them.

    Celery and Kombu are imported at the first use: they take a third of a second of the API's start.
    """

    def __init__(self, url: str) -> None:
        self._url = url

    @cached_property
    def _celery(self) -> Celery:
        return make_celery("app", self._url)

    def ring(self, queue: str = "default") -> bool:
        """Announce a queued job; False where the broker cannot be reached (a sweep does it later)."""
        from kombu.exceptions import OperationalError

        try:
            self._celery.send_task(RUN_NEXT, queue=named(queue), ignore_result=True, retry=False)
        except (OperationalError, OSError):
            return False
        return True

    def waiting(self, queue: str = "default") -> int | None:
        """Messages of a queue that no worker took yet; None where the broker cannot be reached."""
        from kombu.exceptions import OperationalError

        try:
            with self._celery.connection_for_read() as connection:
                declared = connection.default_channel.queue_declare(named(queue), passive=False, durable=True)
                return int(declared.message_count)
        except (OperationalError, OSError):
            return None

    def workers(self, seconds: float = 2.0) -> dict[str, list[str]]:
        """The queues of each worker that answers within this time, by the worker's name."""
        from kombu.exceptions import OperationalError

        try:
            answers = self._celery.control.inspect(timeout=seconds).active_queues() or {}
        except (OperationalError, OSError):
            return {}
        return {name: [queue_of(queue["name"]) for queue in queues] for name, queues in answers.items()}

    def empty(self, queue: str = "default") -> None:
        """Drop every message of a queue; the jobs stay, and the sweep announces them again."""
        with self._celery.connection_for_write() as connection:
            connection.default_channel.queue_purge(named(queue))

    def close(self) -> None:
        """Close the pooled connections."""
        if "_celery" in self.__dict__:
            self._celery.close()


def named(queue: str) -> str:
    """What the broker calls a queue."""
    return f"{PREFIX}.{queue}"


def queue_of(name: str) -> str:
    """The queue that the broker calls so."""
    return name.removeprefix(f"{PREFIX}.")


def make_celery(name: str, url: str) -> Celery:
    """A Celery application on this broker: no results, no default that waits for ever."""
    from celery import Celery

    celery = Celery(name, broker=url, set_as_current=False)
    celery.conf.update(
        task_default_queue=named("default"),
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=5,
        broker_transport_options={
            "socket_timeout": 10,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
            "health_check_interval": 10,
            "max_retries": 1,
            "interval_start": 0,
            "interval_step": 0.1,
            "interval_max": 0.5,
        },
    )
    return celery
