"""Notifies workers: a message says only that a job waits in a queue.

The API sends it with Kombu, the part of Celery that speaks with brokers: the whole would cost each API
process 3 MB and 0.2 seconds.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import TYPE_CHECKING, Any
from uuid import uuid4

if TYPE_CHECKING:
    from celery import Celery
    from kombu.connection import Connection
    from kombu.pools import ProducerPool

PREFIX = "model-transfer"
RUN_NEXT = "workers.tasks.run_next"
CHANGES = f"{PREFIX}.changes"
"""The channel on which all processes hear which jobs changed; of several databases of one Redis, too."""

QUIET_SECONDS = 5.0
"""How long changes are not told after the broker was found away: a commit must not wait for it each time."""

CONNECT_SECONDS = 5
MOST_CONNECTIONS = 10
TRANSPORT = {
    "socket_timeout": 10,
    "socket_connect_timeout": CONNECT_SECONDS,
    "socket_keepalive": True,
    "health_check_interval": 10,
    "max_retries": 1,
    "interval_start": 0,
    "interval_step": 0.1,
    "interval_max": 0.5,
}


class BrokerAway(Exception):
    """The broker cannot be reached, or has no channels."""


class Broker:
    """Notifies the workers, by the name of their task and without importing them.

    Kombu is imported at the first use: it takes a quarter of a second of the API's start.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._quiet_until = 0.0

    @cached_property
    def _connection(self) -> Connection:
        from kombu.connection import Connection

        return Connection(self._url, connect_timeout=CONNECT_SECONDS, transport_options=TRANSPORT)

    @cached_property
    def _producers(self) -> ProducerPool:
        from kombu.pools import ProducerPool

        return ProducerPool(self._connection.Pool(MOST_CONNECTIONS), limit=MOST_CONNECTIONS)

    @property
    def _away(self) -> tuple[type[BaseException], ...]:
        """What is raised where the broker cannot be reached, or takes nothing, as where memory is full."""
        from kombu.exceptions import OperationalError

        known = self._connection
        return (BrokerAway, OperationalError, OSError, *known.connection_errors, *known.channel_errors)

    def notify(self, queue: str = "default") -> bool:
        """Announce a queued job; False where the broker does not take it (a sweep does it later)."""
        from kombu.entity import Queue

        try:
            with self._producers.acquire(block=True) as producer:
                declared = [Queue(broker_queue(queue), routing_key=broker_queue(queue))]
                producer.publish(**_task(RUN_NEXT), routing_key=broker_queue(queue), declare=declared)
        except self._away:
            return False
        return True

    def tell(self, job_ids: Collection[str]) -> None:
        """Let those who follow these jobs know that they changed. Who misses it looks by himself."""
        if time.monotonic() < self._quiet_until:
            return
        try:
            with self._client(self._connection) as client:
                for job_id in job_ids:
                    client.publish(CHANGES, job_id)
        except self._away:
            self._quiet_until = time.monotonic() + QUIET_SECONDS

    @contextmanager
    def hearing(self) -> Iterator[Callable[[float], list[str]]]:
        """A function that answers which jobs changed, within so many seconds.

        Raises:
            BrokerAway: from now on nothing is heard; within the block, too.
        """
        try:
            with (
                self._connection.clone() as connection,
                self._client(connection) as client,
                client.pubsub(ignore_subscribe_messages=True) as channel,
            ):
                channel.subscribe(CHANGES)
                yield lambda seconds: _heard(channel, seconds)
        except self._away as error:
            raise BrokerAway(str(error)) from error

    @contextmanager
    def _client(self, connection: Connection) -> Iterator[Any]:
        """The client of Redis below Kombu's connection: it knows sockets, passwords and sentinels."""
        if connection.transport.driver_type != "redis":
            raise BrokerAway(connection.transport.driver_type)
        channel: Any = connection.default_channel
        with channel.conn_or_acquire() as client:
            yield client

    def count_waiting(self, queue: str = "default") -> int | None:
        """Messages of a queue that no worker took yet; None where the broker cannot be reached."""
        try:
            with self._connection.clone() as connection:
                declared = connection.default_channel.queue_declare(
                    broker_queue(queue), passive=False, durable=True
                )
                return int(declared.message_count)
        except self._away:
            return None

    def workers(self, seconds: float = 2.0) -> dict[str, list[str]]:
        """The queues of each worker that answers within this time, by the worker's name."""
        celery = make_celery("app", self._url)
        try:
            answers = celery.control.inspect(timeout=seconds).active_queues() or {}
        except self._away:
            return {}
        finally:
            celery.close()
        return {name: [queue_name(queue["name"]) for queue in queues] for name, queues in answers.items()}

    def empty(self, queue: str = "default") -> None:
        """Drop every message of a queue; the jobs stay, and the sweep announces them again."""
        with self._connection.clone() as connection:
            connection.default_channel.queue_purge(broker_queue(queue))

    def close(self) -> None:
        """Close the pooled connections."""
        if "_producers" in self.__dict__:
            self._producers.force_close_all()
            self._producers.connections.force_close_all()


def _heard(channel: Any, seconds: float) -> list[str]:
    """What came within this time, and all that came with it."""
    heard, message = [], channel.get_message(timeout=seconds)
    while message is not None:
        heard.append(message["data"].decode())
        message = channel.get_message()
    return heard


def _task(name: str) -> dict[str, Any]:
    """The call of a task without arguments, in the message protocol of Celery's manual, version 2."""
    task = str(uuid4())
    return {
        "body": ((), {}, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}),
        "headers": {
            "lang": "py",
            "task": name,
            "id": task,
            "root_id": task,
            "parent_id": None,
            "group": None,
            "ignore_result": True,
        },
        "correlation_id": task,
        "serializer": "json",
    }


def broker_queue(queue: str) -> str:
    """What the broker calls a queue."""
    return f"{PREFIX}.{queue}"


def queue_name(name: str) -> str:
    """The queue that the broker calls so."""
    return name.removeprefix(f"{PREFIX}.")


def make_celery(name: str, url: str) -> Celery:
    """A Celery application on this broker: no results, no default that waits for ever."""
    from celery import Celery

    celery = Celery(name, broker=url, set_as_current=False)
    celery.conf.update(
        task_default_queue=broker_queue("default"),
        task_ignore_result=True,
        task_store_errors_even_if_ignored=False,
        task_serializer="json",
        accept_content=["json"],
        broker_connection_retry_on_startup=True,
        broker_connection_timeout=CONNECT_SECONDS,
        broker_transport_options=TRANSPORT,
    )
    return celery
