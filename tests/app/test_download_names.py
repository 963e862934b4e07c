from __future__ import annotations

from email.message import Message

import pytest
from fastapi.testclient import TestClient

from app.db.tables import Dataset


@pytest.mark.parametrize(
    "name",
    [
        'a"b.csv',
        "a; filename=evil.exe.csv",
        "a\\b.csv",
        "größe 東.csv",
        "a\r\nSet-Cookie: a=b.csv",
        "=1+1.csv",
        "%22.csv",
        "😀.csv",
    ],
)
def test_a_download_is_saved_under_its_own_name_whatever_that_is(
    client: TestClient, datasets: dict[str, dict[str, object]], name: str
) -> None:
    # Whatever the door lets in: what is kept already may be older than what it refuses today.
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        session.get_one(Dataset, datasets["source"]["id"]).filename = name
    answer = client.get("/v1/datasets/source/content")
    assert answer.status_code == 200
    assert "set-cookie" not in answer.headers
    header = answer.headers["content-disposition"]
    assert header.isascii()
    assert header.isprintable()
    told = Message()
    told["content-disposition"] = header
    assert told.get_content_disposition() == "attachment"
    assert told.get_filename() == name
