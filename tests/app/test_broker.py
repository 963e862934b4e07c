from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import redis

from app.broker import RUN_NEXT, Broker, broker_queue, make_celery
from app.serving import local_broker
from app.settings import Settings


def messages(broker: Broker, url: str, queue: str) -> list[tuple[Any, dict[str, Any], set[str]]]:
    """The body, the headers and the names of the properties of all that waits in a queue."""
    found = []
    with make_celery("reader", url).connection_for_read() as connection:
        while (message := connection.default_channel.basic_get(broker_queue(queue), no_ack=True)) is not None:
            found.append((message.decode(), dict(message.headers), set(message.properties)))
    return found


def test_the_bell_is_the_message_that_celery_would_send(broker_url: str) -> None:
    broker, celery = Broker(broker_url), make_celery("app", broker_url)
    celery.send_task(RUN_NEXT, queue=broker_queue("notifications"), ignore_result=True)
    assert broker.notify("notifications")
    assert broker.count_waiting("notifications") == 2
    (their_body, theirs, their_properties), (body, ours, properties) = messages(
        broker, broker_url, "notifications"
    )
    assert body == their_body
    assert properties | {"reply_to"} == their_properties
    assert {name for name, value in ours.items() if value != theirs[name]} == {"id", "root_id"}
    missing = {name: value for name, value in theirs.items() if name not in ours and value}
    assert missing.keys() == {
        "argsrepr",
        "kwargsrepr",
        "origin",
        "timelimit",
    }  # told in Celery's events and logs
    celery.close()
    broker.close()


def test_a_broker_that_is_away_hears_no_bell_and_is_no_error() -> None:
    broker = Broker("redis://127.0.0.1:1/0")
    assert not broker.notify()
    assert broker.count_waiting() is None
    broker.close()


def test_a_broker_that_is_full_hears_no_bell_and_is_no_error(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    with subprocess.Popen(local_broker.command(settings)) as process:
        assert local_broker.wait(settings.broker_socket)
        server, broker = redis.Redis(unix_socket_path=str(settings.broker_socket)), None
        try:
            broker = Broker(settings.effective_broker_url)
            server.config_set("maxmemory", 1)
            assert not broker.notify()
            assert broker.count_waiting() in (0, None)
            server.config_set("maxmemory", 0)
            assert broker.notify()
            assert broker.count_waiting() == 1
        finally:
            if broker:
                broker.close()
            server.close()
            process.terminate()


def test_a_queue_is_emptied(broker_url: str) -> None:
    broker = Broker(broker_url)
    assert broker.notify("emptied")
    broker.empty("emptied")
    assert broker.count_waiting("emptied") == 0
    broker.close()
