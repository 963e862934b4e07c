from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select, update

from app.access import keys
from app.access.key_text import ALPHABET, SHOWN, hashed, is_whole, new_key
from app.access.keyring import AT_MOST_EVERY, KNOWN_SECONDS, USED_SECONDS, KeyRing
from app.db.access_tables import Key
from app.db.clock import db_now
from app.errors import ServiceError
from app.main import create_app
from app.settings import Settings
from tests.app.access.callers import make_key

SQLITE = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def sent(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def change(client: TestClient, key_id: str, **values: Any) -> None:
    with client.app.state.sessions.begin() as session:  # type: ignore[attr-defined]
        session.execute(update(Key).where(Key.id == key_id).values(**values))
    client.app.state.keyring.forget()  # type: ignore[attr-defined]


def test_a_key_with_one_wrong_letter_is_no_whole_key() -> None:
    key = new_key()
    assert is_whole(key)
    for place in range(len(key)):
        other = ALPHABET[(ALPHABET.find(key[place]) + 1) % len(ALPHABET)]
        assert not is_whole(key[:place] + other + key[place + 1 :])
    assert not is_whole(key[:-1])
    assert not is_whole(f"{key}0")
    assert not is_whole(f"{key}\n")


def test_the_checksum_is_the_crc_of_the_random_letters() -> None:
    digits = {letter: number for number, letter in enumerate(ALPHABET)}
    key = new_key()
    number = 0
    for letter in key[-6:]:
        number = number * 62 + digits[letter]
    register = 0xFFFFFFFF  # by the definition, bit by bit
    for byte in key[3:-6].encode():
        register ^= byte
        for _ in range(8):
            register = (register >> 1) ^ (0xEDB88320 if register & 1 else 0)
    assert number == register ^ 0xFFFFFFFF


def test_no_two_keys_are_alike_and_what_is_kept_is_not_the_key() -> None:
    made = {new_key() for _ in range(100)}
    assert len(made) == 100
    assert all(len(hashed(key)) == 64 and key[3:] not in hashed(key) for key in made)


def test_without_any_key_nobody_is_asked_for_one_and_none_is_made_over_http(client: TestClient) -> None:
    assert client.get("/v1/jobs").status_code == 200
    assert client.get("/v1/jobs", headers=sent("anything")).status_code == 200
    for path in ("/v1/keys", "/v1/workspaces", "/v1/audit"):
        answer = client.get(path)
        assert (answer.status_code, answer.json()["code"]) == (403, "no_keys")
        assert "model-transfer keys create" in answer.json()["hint"]
    assert client.post("/v1/keys", json={"name": "me", "scope": "admin"}).status_code == 403


def test_the_first_key_closes_the_service_and_revoking_it_does_not_open_it_again(client: TestClient) -> None:
    first = make_key(client, "first", "read")
    refused = client.get("/v1/jobs")
    assert (refused.status_code, refused.json()["code"]) == (401, "key_missing")
    assert refused.headers["www-authenticate"] == 'Bearer realm="model-transfer"'
    assert client.get("/v1/jobs", headers=first.headers).status_code == 200
    assert client.get("/v1/jobs", headers={"Authorization": f"bearer  {first.text}"}).status_code == 200
    change(client, first.id, revoked_at=db_now())
    assert client.get("/v1/jobs").json()["code"] == "key_missing"
    assert client.get("/v1/jobs", headers=first.headers).json()["code"] == "key_revoked"


@SQLITE
def test_each_key_that_is_not_good_is_refused_with_what_is_wrong_and_never_repeated(
    client: TestClient,
) -> None:
    key = make_key(client, "ci", "read")
    wrong = key.text[:-1] + ("0" if key.text[-1] != "0" else "1")
    cases = {
        "key_mistyped": [sent(wrong), sent(""), sent("mt_"), sent(f"{key.text} {key.text}")],
        "key_unknown": [sent(new_key())],
        "key_missing": [{"Authorization": f"Basic {key.text}"}, {"X-Key": key.text}],
    }
    for code, headers in cases.items():
        for one in headers:
            answer = client.get("/v1/jobs", headers=one)
            assert (answer.status_code, answer.json()["code"]) == (401, code), one
            assert key.text[SHOWN:] not in answer.text
            assert wrong[SHOWN:] not in answer.text
            assert answer.headers["www-authenticate"].startswith("Bearer")
    twice = [("authorization", f"Bearer {key.text}"), ("authorization", f"Bearer {key.text}")]
    assert client.get("/v1/jobs", headers=twice).json()["code"] == "key_missing"
    change(client, key.id, expires_at=datetime.now(UTC) - timedelta(seconds=1))
    expired = client.get("/v1/jobs", headers=key.headers).json()
    assert expired["code"] == "key_expired"
    assert "ci, which expired at" in expired["detail"]


@SQLITE
def test_a_small_scope_is_told_which_one_it_takes(client: TestClient) -> None:
    key = make_key(client, "reader", "read")
    answer = client.post("/v1/jobs/j:cancel", headers=key.headers)
    assert (answer.status_code, answer.json()["code"]) == (403, "scope_too_small")
    assert 'scope="write"' in answer.headers["www-authenticate"]
    assert "the scope write" in answer.json()["detail"]


def test_an_admin_makes_a_key_that_is_shown_once_and_revokes_it(client: TestClient) -> None:
    admin = make_key(client, "boss", "admin")
    asked = {"name": "ci", "scope": "write", "expires_in_days": 90}
    made = client.post("/v1/keys", json=asked, headers=admin.headers)
    assert made.status_code == 201
    key = made.json()
    assert (key["workspace"], key["scope"], key["state"]) == ("default", "write", "active")
    ends = datetime.fromisoformat(key["expires_at"]) - datetime.now(UTC)
    assert timedelta(days=89) < ends < timedelta(days=91)
    assert client.get("/v1/jobs", headers=sent(key["key"])).status_code == 200
    listed = client.get("/v1/keys", headers=admin.headers)
    assert [one["name"] for one in listed.json()["data"]] == ["ci", "boss"]
    assert key["key"][SHOWN:] not in listed.text
    assert key["key"].startswith(listed.json()["data"][0]["prefix"])
    with client.app.state.readers() as session:  # type: ignore[attr-defined]
        row = session.get_one(Key, key["id"])
        assert row.hash == hashed(key["key"])
        assert key["key"] not in str(vars(row))
    for _ in range(2):
        assert client.delete(f"/v1/keys/{key['id']}", headers=admin.headers).status_code == 204
    assert client.get("/v1/jobs", headers=sent(key["key"])).json()["code"] == "key_revoked"
    assert client.get("/v1/keys", headers=admin.headers).json()["data"][0]["state"] == "revoked"


@SQLITE
def test_keys_of_one_name_take_each_others_place(client: TestClient) -> None:
    admin = make_key(client, "boss", "admin")
    old, new = make_key(client, "ci"), make_key(client, "ci")
    answer = client.delete("/v1/keys/ci", headers=admin.headers)
    assert (answer.status_code, answer.json()["code"]) == (409, "several_keys")
    assert all(one.id in answer.json()["detail"] for one in (old, new))
    assert client.delete(f"/v1/keys/{old.prefix}", headers=admin.headers).status_code == 204
    assert client.get("/v1/jobs", headers=new.headers).status_code == 200
    assert client.delete("/v1/keys/ci", headers=admin.headers).status_code == 204  # one is left
    assert client.get("/v1/jobs", headers=new.headers).status_code == 401


@SQLITE
def test_a_key_that_was_found_where_it_should_not_be_is_revoked_by_itself(client: TestClient) -> None:
    admin, leaked = make_key(client, "boss", "admin"), make_key(client, "ci")
    assert client.delete(f"/v1/keys/{leaked.text}", headers=admin.headers).status_code == 204
    assert client.get("/v1/jobs", headers=leaked.headers).json()["code"] == "key_revoked"
    unknown = new_key()
    answer = client.delete(f"/v1/keys/{unknown}", headers=admin.headers)
    assert answer.json()["code"] == "key_not_found"
    assert unknown[:SHOWN] in answer.json()["detail"]
    assert unknown not in answer.json()["detail"]


@SQLITE
def test_an_id_is_the_key_that_has_it_whatever_another_is_called(client: TestClient) -> None:
    boss, ci = make_key(client, "boss", "admin"), make_key(client, "ci")
    same = make_key(client, ci.id)  # as nobody may name one any more
    asked = {"json": {"name": ci.id, "scope": "write"}, "headers": boss.headers}
    assert client.post("/v1/keys", **asked).json()["errors"][0]["field"] == "name"
    assert client.delete(f"/v1/keys/{ci.id}", headers=boss.headers).status_code == 204
    listed = client.get("/v1/keys", headers=boss.headers).json()["data"]
    assert {key["id"] for key in listed if key["revoked_at"] is None} == {boss.id, same.id}


def test_an_admin_of_a_workspace_administers_it_alone(client: TestClient) -> None:
    own, whole = make_key(client, "boss", "admin", "team"), make_key(client, "root", "admin", None)
    other = make_key(client, "ci", "write", "default")
    assert [key["name"] for key in client.get("/v1/keys", headers=own.headers).json()["data"]] == ["boss"]
    assert len(client.get("/v1/keys", headers=whole.headers).json()["data"]) == 3
    assert client.delete(f"/v1/keys/{other.id}", headers=own.headers).status_code == 404
    asked = {"name": "x", "scope": "admin"}
    assert client.post("/v1/keys", json=asked, headers=own.headers).json()["workspace"] == "team"
    for more, status in (({"workspace": "default"}, 404), ({"installation": True}, 403)):
        assert client.post("/v1/keys", json=asked | more, headers=own.headers).status_code == status
    assert client.post("/v1/workspaces", json={"name": "b"}, headers=own.headers).status_code == 403
    seen = client.get("/v1/workspaces", headers=own.headers).json()["data"]
    assert [one["name"] for one in seen] == ["team"]
    assert client.post("/v1/workspaces", json={"name": "b"}, headers=whole.headers).status_code == 201
    assert client.post("/v1/workspaces", json={"name": "b"}, headers=whole.headers).status_code == 409
    made = client.post("/v1/keys", json=asked | {"workspace": "b"}, headers=whole.headers)
    assert made.json()["workspace"] == "b"
    installation = client.post("/v1/keys", json=asked | {"installation": True}, headers=whole.headers)
    assert installation.json()["workspace"] is None


@SQLITE
def test_metrics_of_all_workspaces_take_a_key_of_the_installation(client: TestClient) -> None:
    assert client.get("/metrics").status_code == 200
    own, whole = make_key(client, "ci", "admin"), make_key(client, "prometheus", "read", None)
    assert client.get("/metrics", headers=own.headers).json()["code"] == "installation_only"
    assert client.get("/metrics", headers=whole.headers).status_code == 200
    assert client.get("/v1/jobs", headers=whole.headers).json()["code"] == "no_workspace"
    assert client.get("/v1/methods", headers=whole.headers).status_code == 200


class Clock:
    """Time that passes where a test says so."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_another_process_hears_of_a_key_at_once_and_of_its_end_within_seconds(
    settings: Settings, client: TestClient
) -> None:
    state = client.app.state  # type: ignore[attr-defined]
    with TestClient(create_app(settings)) as other:
        clock = Clock()
        ring = KeyRing(other.app.state.readers, clock)  # type: ignore[attr-defined]
        other.app.state.keyring = ring  # type: ignore[attr-defined]
        assert other.get("/v1/jobs").status_code == 200
        key = make_key(client, "ci", "read")
        clock.now += KNOWN_SECONDS
        assert other.get("/v1/jobs").status_code == 401  # the first there is
        second = make_key(client, "two", "read")
        assert other.get("/v1/jobs", headers=second.headers).status_code == 401
        clock.now += AT_MOST_EVERY
        assert other.get("/v1/jobs", headers=second.headers).status_code == 200
        with state.sessions.begin() as session:
            keys.revoke(session, key.id, None)
        assert other.get("/v1/jobs", headers=key.headers).status_code == 200
        clock.now += KNOWN_SECONDS
        assert other.get("/v1/jobs", headers=key.headers).status_code == 401


@SQLITE
def test_a_request_that_is_looked_at_while_a_key_is_made_finds_no_open_door(client: TestClient) -> None:
    make_key(client, "ci", "read")
    client.get("/v1/jobs")
    ring: KeyRing = client.app.state.keyring  # type: ignore[attr-defined]
    assert ring.is_fresh()
    ring.forget()  # as another thread does it, between this request's two looks
    assert not ring.is_fresh()
    with pytest.raises(ServiceError, match="Authorization"):
        ring.caller([])
    with pytest.raises(RuntimeError):
        KeyRing(client.app.state.readers).caller([])  # type: ignore[attr-defined]


def test_the_last_use_is_written_once_a_minute(client: TestClient) -> None:
    clock, state = Clock(), client.app.state  # type: ignore[attr-defined]
    state.keyring = KeyRing(state.readers, clock)
    key = make_key(client, "ci", "read")

    def used() -> datetime | None:
        with state.readers() as session:
            found: datetime | None = session.scalars(select(Key.last_used_at)).one()
            return found

    assert used() is None
    client.get("/v1/jobs", headers=key.headers)
    first = used()
    assert first is not None
    clock.now += USED_SECONDS / 2
    client.get("/v1/jobs", headers=key.headers)
    assert used() == first
    clock.now += USED_SECONDS
    change(client, key.id, last_used_at=db_now(-2 * USED_SECONDS))
    client.get("/v1/jobs", headers=key.headers)
    later = used()
    assert later is not None
    assert later >= first


@SQLITE
def test_the_document_shows_the_scheme_and_which_routes_are_open(client: TestClient) -> None:
    make_key(client, "ci")
    document = client.get("/openapi.json").json()
    assert document["components"]["securitySchemes"]["key"]["scheme"] == "bearer"
    security = {
        path: operation["security"]
        for path, operations in document["paths"].items()
        for operation in operations.values()
    }
    assert {path for path, needed in security.items() if not needed} == {
        "/healthz",
        "/readyz",
        "/v2",
        "/v2/health/live",
        "/v2/health/ready",
    }
    assert client.get("/docs").status_code == 200
    assert client.get("/static-offline-docs/swagger-ui.css").status_code == 200
