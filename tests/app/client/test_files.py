from __future__ import annotations

import hashlib
from pathlib import Path

import httpx2
import pytest

from app.client import ApiError, Client, NotReachable
from app.client.files import _name
from tests.app.client.conftest import Answers, ok


def test_a_download_has_the_digest_that_was_named_or_leaves_nothing(tmp_path: Path) -> None:
    body, folder = b"weights", tmp_path / "here"
    folder.mkdir()
    named = 'Content-Disposition: attachment; filename="m-1.keras"'
    good = ok(body, f'ETag: "{hashlib.sha256(body).hexdigest()}"', named)
    bad = ok(body, f'ETag: "{"0" * 64}"', named)
    cut = good.replace(b"Content-Length: 7", b"Content-Length: 70")
    with Client(Answers(good).address) as service:
        assert service.download("m@1", folder).read_bytes() == body
    for answer, error in ((bad, ApiError), (cut, NotReachable)):
        with Client(Answers(answer).address) as service, pytest.raises(error):
            service.download("m@1", folder / "other.keras")
    assert [path.name for path in folder.iterdir()] == ["m-1.keras"]


@pytest.mark.parametrize("etag", ["", 'ETag: "v1"', f'ETag: "{"g" * 64}"'])
def test_a_download_without_a_digest_fails_and_leaves_nothing(etag: str, tmp_path: Path) -> None:
    page = ok(b"<html>", "Content-Type: text/html", *([etag] if etag else []))
    with (
        Client(Answers(page).address) as service,
        pytest.raises(ApiError, match="Expected an answer of the service") as error,
    ):
        service.download("m@1", tmp_path / "m.keras")
    assert error.value.code == "download_without_digest"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="a b.keras"', "a b.keras"),
        ("attachment; filename*=utf-8''%C3%A4.keras", "ä.keras"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..\\\\..\\\\boot.ini"', "boot.ini"),
        ("attachment; filename*=utf-8''..%2F..%2Fx", "x"),
        ("", "download"),
        ('attachment; filename=".."', "download"),
    ],
)
def test_a_server_names_a_file_but_no_folder(header: str, name: str) -> None:
    assert _name(httpx2.Response(200, headers={"content-disposition": header})) == name
