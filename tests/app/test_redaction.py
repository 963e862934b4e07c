from __future__ import annotations

import subprocess
import sys
import time

import pytest

from app.redaction import without_paths, without_secrets


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("postgresql+psycopg://me:s3cret@host:5432/db", "postgresql+psycopg://me:***@host:5432/db"),
        ("redis://:s3cret@host:6379/0", "redis://:***@host:6379/0"),
        ("redis://s3cret@host", "redis://***@host"),
        ("rediss://me:s3c%2Fret%40@host/0", "rediss://me:***@host/0"),
        ("redis://:s3@cret@host", "redis://:***@host"),
        ("postgresql://me:s3c/ret@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:s3c?r#et@host/db", "postgresql://me:***@host/db"),
        ("postgresql://me:s3c'ret@host/db", "postgresql://me:***@host/db"),
        ("amqp://me:s3cret@a;redis://:s3cret@b", "amqp://me:***@a;redis://:***@b"),
        ("to 'redis://:s3cret@host' and on", "to 'redis://:***@host' and on"),
        ("https://key:s3cret@store:9000", "https://key:***@store:9000"),
        ("postgresql://h/db?sslpassword=s3cret&a=b", "postgresql://h/db?sslpassword=***&a=b"),
        ("postgresql://h/db?password=s3cret", "postgresql://h/db?password=***"),
        ("http://s/b?X-Amz-Signature=s3cret&x=1", "http://s/b?X-Amz-Signature=***&x=1"),
        ("host=h password='s3 cret' user=me", "host=h password=*** user=me"),
        ("{'host': 'h', 'password': 's3cret'}", "{'host': 'h', 'password': ***}"),
        ("GET /v1/models?token=s3cret HTTP/1.1", "GET /v1/models?token=*** HTTP/1.1"),
        (f"Bearer mt_{'a1B' * 12}, again", "Bearer mt_***, again"),
        (f"GET /v1/jobs?key=mt_{'a1B' * 12} HTTP/1.1", "GET /v1/jobs?key=mt_*** HTTP/1.1"),
    ],
)
def test_passwords_and_keys_are_masked(text: str, masked: str) -> None:
    assert without_secrets(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1:8000/v1/models/grades@1/download",
        "http://host/v1/models/grades@1",
        "http://[::1]:8000/v1/models/grades@champion",
        "redis+socket:///data/broker/broker.sock",
        "sqlite:////data/model-transfer.db",
        "a job of grades@1 with max_tokens=20000",
        "Expected a password. Received: none.",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert without_secrets(text) == text


@pytest.mark.parametrize(
    "part", ["a.", "://", "a://b:", "x://a:b", "password", "/a", "a=", "secret=a&", "_-."]
)
def test_masking_takes_time_by_the_length_of_a_line_and_not_by_its_square(part: str) -> None:
    def seconds(length: int) -> float:
        line = part * (length // len(part)) + "@"
        began = time.process_time()
        without_secrets(line)
        without_paths(line)
        return time.process_time() - began

    seconds(1000)  # what is compiled or imported at the first use
    assert seconds(128_000) < 20 * seconds(16_000) + 0.1


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Unable to open '/data/blobs/incoming/x/network.keras'", "Unable to open '…/network.keras'"),
        ("[Errno 28] No space left on device: '/data/blobs/ab/'", "[Errno 28] No space left on device: '…'"),
        ("sqlite:///x at file:///data/blobs/x", "sqlite:///x at file://…/x"),
        ("n/a, 1/2 and a/b/c, see https://host/a/b", "n/a, 1/2 and a/b/c, see https://host/a/b"),
    ],
)
def test_of_a_path_its_last_part_is_told(text: str, told: str) -> None:
    assert without_paths(text) == told


@pytest.mark.parametrize("program", ["tell()", "import threading; threading.Thread(target=tell).start()"])
def test_an_error_that_nobody_caught_is_told_without_passwords(program: str) -> None:
    begin = "from app.redaction import redact_tracebacks\nredact_tracebacks()\n"
    tell = "def tell():\n    raise OSError('no answer of redis://:s3cret@host')\n"
    done = subprocess.run([sys.executable, "-c", begin + tell + program], capture_output=True, text=True)
    assert "OSError: no answer of redis://:***@host" in done.stderr
    assert "s3cret" not in done.stderr.replace("raise OSError('no answer of redis://:s3cret@host')", "")
