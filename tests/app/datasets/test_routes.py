from __future__ import annotations

import asyncio
import hashlib
import json
import threading
from collections.abc import Iterator, MutableMapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from fastapi.testclient import TestClient

from tests.app.datasets.inspections import inspecting, next_suspended
from tests.conftest import WriteCsv, wait_for

ROWS = [f"{i},{i * i % 7},{'up' if i % 2 else 'down'}" for i in range(40)]
CSV = "\n".join(["a,b,y", *ROWS, ""]).encode()


def test_an_upload_as_a_form_and_as_a_raw_body_make_the_same_data_set(client: TestClient) -> None:
    file, fields = {"file": ("t.csv", CSV, "text/csv")}, {"name": "t", "label": "y"}
    form = client.post("/v1/datasets", files=file, data=fields)
    raw = client.post(
        "/v1/datasets?name=t&label=y&filename=t.csv", content=CSV, headers={"content-type": "text/csv"}
    )
    assert (form.status_code, raw.status_code) == (201, 201)
    differing = {key for key in form.json() if form.json()[key] != raw.json()[key]}
    assert differing == {"id", "version", "ref", "created_at"}
    assert raw.json()["ref"] == "t@2"
    assert form.headers["location"] == f"/v1/datasets/{form.json()['id']}"


def test_a_data_set_is_found_by_id_name_and_version(client: TestClient) -> None:
    made = [client.post("/v1/datasets?name=t&label=y", content=CSV).json() for _ in range(2)]
    assert client.get("/v1/datasets/t").json() == made[1]
    assert client.get("/v1/datasets/t@1").json() == made[0]
    assert client.get(f"/v1/datasets/{made[0]['id']}").json() == made[0]


@pytest.mark.parametrize("reference", ["tt", "t@2", "t@x", "t@", "ds_0000000000000000000000000000"])
def test_an_unknown_reference_answers_404_and_helps(client: TestClient, reference: str) -> None:
    client.post("/v1/datasets?name=t&label=y", content=CSV)
    answer = client.get(f"/v1/datasets/{reference}")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "dataset_not_found"
    assert f"Received: {reference}." in answer.json()["detail"]


def test_the_content_comes_back_byte_for_byte_and_in_ranges(client: TestClient) -> None:
    client.post("/v1/datasets?name=t&label=y", content=CSV)
    whole = client.get("/v1/datasets/t/content")
    assert whole.content == CSV
    etag = f'"{hashlib.sha256(CSV).hexdigest()}"'
    assert whole.headers["etag"] == etag
    part = client.get("/v1/datasets/t/content", headers={"range": "bytes=10-19", "if-range": etag})
    assert (part.status_code, part.content) == (206, CSV[10:20])
    again = client.get("/v1/datasets/t/content", headers={"if-none-match": etag})
    assert (again.status_code, again.content) == (304, b"")


def test_rows_are_previewed(client: TestClient) -> None:
    client.post("/v1/datasets?name=t&label=y", content=CSV)
    rows = client.get("/v1/datasets/t/rows?limit=2&offset=1").json()
    assert rows == {"data": [{"a": 1, "b": 1, "y": "up"}, {"a": 2, "b": 4, "y": "down"}], "has_more": True}


def test_lists_go_a_page_at_a_time_newest_first(client: TestClient) -> None:
    ids = [client.post("/v1/datasets?name=t&label=y", content=CSV).json()["id"] for _ in range(3)]
    first = client.get("/v1/datasets?limit=2").json()
    assert [item["id"] for item in first["data"]] == ids[:0:-1]
    assert first["has_more"]
    rest = client.get(f"/v1/datasets?limit=2&after={ids[1]}").json()
    assert ([item["id"] for item in rest["data"]], rest["has_more"]) == ([ids[0]], False)


def test_a_refused_file_leaves_nothing_behind(client: TestClient) -> None:
    answer = client.post("/v1/datasets?name=t&label=y", content=b"a,y\n1,up\n2\n3,down\n")
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["row"] == 2
    assert client.get("/v1/datasets").json()["data"] == []
    storage: Path = client.app.state.storage.folder  # type: ignore[attr-defined]
    assert [path for path in storage.rglob("*") if path.is_file()] == []


BLOCK = b"".join(b"%d,%d,%s\n" % (n, n * n % 7, b"up" if n % 2 else b"down") for n in range(90_000))
LARGE_CSV = CSV + 10 * BLOCK


def free_turns(client: TestClient) -> int:
    """How many more uploads could be validated while they come."""
    lanes = client.app.state.validations.early  # type: ignore[attr-defined]
    free = 0
    while lanes.acquire(blocking=False):
        free += 1
    for _ in range(free):
        lanes.release()
    return free


def test_a_large_upload_is_the_same_data_set_however_it_comes(client: TestClient) -> None:
    fields, file = {"name": "t", "label": "y"}, {"file": ("t.csv", LARGE_CSV, "text/csv")}
    head = "".join(
        f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    part = "\r\n".join(
        (
            "--x",
            'content-disposition: form-data; name="file"; filename="t.csv"',
            "content-type: text/csv",
            "\r\n",
        )
    )
    ends = b"\r\n", b"--x--\r\n"
    form = {"content-type": "multipart/form-data; boundary=x"}
    file_last = (head + part).encode() + LARGE_CSV + ends[0] + ends[1]
    file_first = part.encode() + LARGE_CSV + ends[0] + head.encode() + ends[1]
    answers = [
        client.post("/v1/datasets", files=file, data=fields),
        client.post("/v1/datasets", content=file_last, headers=form),
        client.post("/v1/datasets", content=file_first, headers=form),
        client.post(
            "/v1/datasets?name=t&label=y&filename=t.csv",
            content=LARGE_CSV,
            headers={"content-type": "text/csv"},
        ),
    ]
    assert [answer.status_code for answer in answers] == [201] * 4
    first = answers[0].json()
    assert (first["rows"], first["sha256"]) == (900_040, hashlib.sha256(LARGE_CSV).hexdigest())
    for answer in answers[1:]:
        differing = {key for key in first if answer.json()[key] != first[key]}
        assert differing == {"id", "version", "ref", "created_at"}
    assert free_turns(client) == 2


def test_a_large_upload_is_validated_in_its_turn_where_others_are_early(client: TestClient) -> None:
    lanes = client.app.state.validations.early  # type: ignore[attr-defined]
    with lanes, lanes:
        answer = client.post("/v1/datasets?name=t&label=y", content=LARGE_CSV)
    assert (answer.status_code, answer.json()["rows"]) == (201, 900_040)


@pytest.mark.parametrize(
    ("query", "content", "status", "code"),
    [
        ("name=t&label=y", LARGE_CSV + b"1,2\n", 422, "ragged_row"),
        ("name=t&label=y&seed=many", LARGE_CSV, 422, "invalid_request"),
        ("name=t&label=z", LARGE_CSV, 422, "label_not_found"),
    ],
)
def test_a_large_upload_that_is_refused_leaves_nothing_behind(
    client: TestClient, query: str, content: bytes, status: int, code: str
) -> None:
    answer = client.post(f"/v1/datasets?{query}", content=content)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert is_clean(client)


def test_a_large_upload_that_is_cut_off_leaves_nothing_behind(client: TestClient) -> None:
    part = b'--x\r\ncontent-disposition: form-data; name="file"; filename="t.csv"\r\n\r\n'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    answer = client.post("/v1/datasets", content=part + LARGE_CSV, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "cut_off")
    assert is_clean(client)


@contextmanager
def all_turns_taken(client: TestClient) -> Iterator[None]:
    """Every upload must wait meanwhile."""
    over, lanes = threading.Event(), client.app.state.validations  # type: ignore[attr-defined]
    for lane in ("small", "small", "large", "large"):
        lanes.submit(over.wait, lane)
    try:
        yield
    finally:
        over.set()


def listed_soon(client: TestClient) -> list[dict[str, Any]]:
    """The data sets there are, if the API answers in time."""
    pool = ThreadPoolExecutor(1)
    answer = pool.submit(client.get, "/v1/datasets")
    pool.shutdown(wait=False)
    listed: list[dict[str, Any]] = answer.result(timeout=60).json()["data"]
    return listed


def test_uploads_that_wait_for_their_turn_keep_no_other_request_waiting(client: TestClient) -> None:
    incoming: Path = client.app.state.storage.folder / "incoming"  # type: ignore[attr-defined]
    threads, many = 4, 7

    async def have_few_threads() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads

    assert client.portal is not None
    client.portal.call(have_few_threads)

    def upload(number: int) -> int:
        headers = {"accept": "text/event-stream"} if number % 2 else {}
        return client.post(f"/v1/datasets?name=t{number}&label=y", content=CSV, headers=headers).status_code

    with ThreadPoolExecutor(many) as pool:
        with all_turns_taken(client):
            answers = [pool.submit(upload, number) for number in range(many)]
            wait_for(lambda: len(list(incoming.iterdir())) == many)
            assert listed_soon(client) == []
        assert {answer.result() for answer in answers} == {200, 201}
    assert len(client.get("/v1/datasets?limit=100").json()["data"]) == many
    assert list(incoming.iterdir()) == []


def test_what_needs_no_validation_waits_for_no_turn(client: TestClient) -> None:
    headers = {"idempotency-key": "once"}
    first = client.post("/v1/datasets?name=t&label=y", content=CSV, headers=headers)
    with all_turns_taken(client):
        again = client.post("/v1/datasets?name=t&label=y", content=CSV, headers=headers)
        followed = client.post(
            "/v1/datasets?name=t&label=y", content=CSV, headers={**headers, "accept": "text/event-stream"}
        )
        other = client.post("/v1/datasets?name=t&label=b", content=CSV, headers=headers)
        refused = client.post("/v1/datasets?name=t&seed=many", content=CSV)
    assert again.json() == first.json()
    assert f'"id":"{first.json()["id"]}"' in followed.text
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_key_reused")
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_request")


def begin(
    client: TestClient, query: str, headers: dict[str, str], chunks: list[bytes], *, stay: bool = False
) -> Future[list[Any]]:
    """Send an upload piece by piece, then leave, unless to `stay`; what the API sent."""
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/v1/datasets",
        "query_string": query.encode(),
        "headers": [
            (name.encode(), value.encode()) for name, value in {"host": "localhost", **headers}.items()
        ],
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
    }
    left, sent = list(chunks), []

    async def receive() -> dict[str, Any]:
        if not left:
            if stay:
                await asyncio.Event().wait()
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": left.pop(0), "more_body": bool(left)}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    async def act() -> list[Any]:
        await client.app(scope, receive, send)
        return sent

    assert client.portal is not None
    return client.portal.start_task_soon(act)


def test_a_file_that_is_to_be_read_otherwise_than_it_was_while_it_came_waits_for_its_turn(
    client: TestClient,
) -> None:
    fields = {"name": "t", "label": "b"}
    begun = "".join(
        f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    )
    part = '--x\r\ncontent-disposition: form-data; name="file"; filename="t.csv"\r\n\r\n'
    late = b'\r\n--x\r\ncontent-disposition: form-data; name="types"\r\n\r\n{"b":"category"}\r\n--x--\r\n'
    whole = (begun + part).encode() + LARGE_CSV + late
    pieces = [whole[start : start + (1 << 20)] for start in range(0, len(whole), 1 << 20)]
    with all_turns_taken(client):
        headers = {"content-type": "multipart/form-data; boundary=x"}
        answer = begin(client, "", headers, pieces, stay=True)
        lanes = client.app.state.validations  # type: ignore[attr-defined]
        wait_for(lambda: lanes.waiting("large") == 1)  # not among those that began early
        assert inspecting() == []
        assert free_turns(client) == 2
        assert listed_soon(client) == []
    assert answer.result(timeout=60)[0]["status"] == 201
    assert client.get("/v1/datasets/t").json()["description"]["task"] == "multiclass"


def test_the_end_of_the_service_ends_a_validation_and_leaves_nothing_behind(client: TestClient) -> None:
    incoming: Path = client.app.state.storage.folder / "incoming"  # type: ignore[attr-defined]
    with next_suspended() as wait, ThreadPoolExecutor(1) as pool:
        answer = pool.submit(client.post, "/v1/datasets?name=t&label=y", content=CSV)
        wait()
        try:
            client.app.state.validations.close()  # type: ignore[attr-defined]
            assert list(incoming.iterdir()) == []
            assert answer.result(timeout=60).is_error
        finally:
            for left in inspecting():
                left.kill()


def test_a_storage_that_fails_at_the_end_of_a_followed_validation_is_told(client: TestClient) -> None:
    storage: Path = client.app.state.storage.folder  # type: ignore[attr-defined]
    (storage / hashlib.sha256(CSV).hexdigest()[:2]).write_text("no folder")
    answer = client.post("/v1/datasets?name=t", content=CSV, headers={"accept": "text/event-stream"})
    kind, data = answer.text.strip().split("\n\n")[-1].split("\n")
    assert kind == "event: problem"
    problem = json.loads(data.removeprefix("data: "))
    assert (problem["status"], problem["code"]) == (503, "unavailable")
    assert client.get("/v1/datasets").json()["data"] == []


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
def test_a_waiting_validation_whose_client_left_never_has_its_turn(
    client: TestClient, accept: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "app")
    incoming: Path = client.app.state.storage.folder / "incoming"  # type: ignore[attr-defined]
    lanes = client.app.state.validations  # type: ignore[attr-defined]
    with all_turns_taken(client):
        begin(client, "name=t&label=y", {"accept": accept}, [CSV]).result(timeout=60)
        wait_for(lambda: list(incoming.iterdir()) == [] and len(caplog.records) > 0)
        assert [(record.levelname, record.name) for record in caplog.records] == [
            ("INFO", "app.datasets.validation")
        ]
    wait_for(lambda: lanes.waiting("small") == 0)
    assert client.get("/v1/datasets").json()["data"] == []
    assert client.post("/v1/datasets?name=t&label=y", content=CSV).status_code == 201


def is_clean(client: TestClient) -> bool:
    """No file, no process and no turn is left of an upload."""
    storage: Path = client.app.state.storage.folder  # type: ignore[attr-defined]
    files = [path for path in storage.rglob("*") if path.is_file()]
    return not files and not inspecting() and free_turns(client) == 2


def test_fields_that_contradict_each_other_are_told_apart_from_a_broken_body(client: TestClient) -> None:
    fields = {"decimal": ",", "thousands": ","}
    error = client.post("/v1/datasets", files={"file": ("a.csv", CSV)}, data=fields).json()
    assert "declare `decimal` as '.'" in error["detail"]
    assert "JSON" not in error["hint"]


@pytest.mark.parametrize(
    ("request_", "status", "code"),
    [
        ({"data": {"name": "t"}, "files": {"other": b"x"}}, 422, "no_file"),
        ({"files": [("file", ("a.csv", CSV)), ("file", ("b.csv", CSV))]}, 422, "several_files"),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"lable": "y"}}, 422, "invalid_request"),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"name": "a b"}}, 422, "invalid_request"),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"name": "ds_1"}}, 422, "invalid_request"),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"types": "{"}}, 422, "invalid_request"),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"types": '{"a": "colour"}'}}, 422, "invalid_request"),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"seed": "many"}}, 422, "invalid_request"),
        ({"files": {"file": ("a.csv", CSV)}, "data": {"delimiter": "§"}}, 422, "invalid_request"),
        ({"content": CSV}, 422, "no_name"),
        (
            {"content": b"--x\r\nbroken", "headers": {"content-type": "multipart/form-data; boundary=x"}},
            400,
            "cut_off",
        ),
        ({"content": b"nonsense", "headers": {"content-type": "multipart/form-data"}}, 400, "broken_form"),
    ],
)
def test_a_bad_upload_says_what_was_expected(
    client: TestClient, request_: dict[str, object], status: int, code: str
) -> None:
    answer = client.post("/v1/datasets", **request_)  # type: ignore[arg-type]
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert "xpected" in answer.json()["detail"]


def test_an_upload_above_the_limit_answers_413_before_it_is_read(client: TestClient) -> None:
    client.app.state.settings.max_upload_bytes = 100  # type: ignore[attr-defined]
    for headers in ({}, {"content-length": str(1 << 40)}):
        answer = client.post("/v1/datasets?name=t", content=CSV, headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


def test_declared_types_label_and_metadata_are_kept(client: TestClient) -> None:
    fields = {"types": json.dumps({"b": "category"}), "label": "y", "metadata": json.dumps({"team": "red"})}
    made = client.post("/v1/datasets", files={"file": ("grades.csv", CSV)}, data=fields).json()
    assert made["name"] == "grades"
    assert made["metadata"] == {"team": "red"}
    columns = {column["name"]: (column["type"], column["role"]) for column in made["description"]["columns"]}
    assert columns == {"a": ("number", "feature"), "b": ("category", "feature"), "y": ("category", "label")}


def test_a_deleted_data_set_is_gone_unless_an_open_job_needs_it(
    client: TestClient, datasets: dict[str, dict[str, object]]
) -> None:
    body = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}, "name": "j"}
    assert client.post("/v1/jobs", json=body).status_code == 202
    refused = client.delete("/v1/datasets/source")
    assert (refused.status_code, refused.json()["code"]) == (409, "dataset_in_use")
    assert "needed by j" in refused.json()["detail"]
    assert client.post("/v1/jobs/j:cancel").json()["state"] == "cancelled"
    assert client.delete("/v1/datasets/source").status_code == 204
    assert client.get("/v1/datasets/source").status_code == 404
    assert client.get("/v1/jobs/j").json()["source"]["dataset"] == "source@1"


def test_the_same_name_twice_at_once_makes_two_versions(
    client: TestClient, tmp_path: Path, write_csv: WriteCsv
) -> None:
    content = write_csv(tmp_path / "d.csv", 40).read_bytes()
    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(lambda _: client.post("/v1/datasets?name=d", content=content), range(4)))
    assert [answer.status_code for answer in answers] == [201] * 4
    assert sorted(answer.json()["version"] for answer in answers) == [1, 2, 3, 4]


def test_a_validation_is_followed_to_the_data_set_or_the_problem(client: TestClient) -> None:
    def events(content: bytes) -> list[tuple[str, dict[str, Any]]]:
        headers = {"accept": "text/event-stream"}
        answer = client.post("/v1/datasets?name=followed", content=content, headers=headers)
        assert answer.status_code == 200
        blocks = [block.split("\n") for block in answer.text.strip().split("\n\n")]
        return [
            (lines[0].removeprefix("event: "), json.loads(lines[1].removeprefix("data: ")))
            for lines in blocks
        ]

    rows = b"".join(b"%d,%d\n" % (n, n % 2) for n in range(600_000))
    told = events(b"a,y\n" + rows)
    assert told[-1][0] == "dataset"
    assert told[-1][1]["ref"] == "followed@1"
    counts = [data["rows"] for kind, data in told[:-1] if kind == "validating"]
    assert counts == sorted(counts)
    (kind, problem) = events(b"a,y\n1,2\n3\n")[-1]
    assert (kind, problem["code"], problem["status"]) == ("problem", "ragged_row", 422)


def test_fields_may_come_several_times_where_they_add_up(client: TestClient) -> None:
    data = {"label": "y", "ignore": ["b"], "types": ['{"a": "category"}']}
    form = client.post("/v1/datasets", files={"file": ("t.csv", CSV)}, data=data)
    raw = client.post(
        "/v1/datasets?name=t&label=y&ignore=b&ignore=a&types=%7B%22a%22:%22category%22%7D", content=CSV
    )
    roles = [[column["role"] for column in made.json()["description"]["columns"]] for made in (form,)]
    assert (form.status_code, roles) == (201, [["feature", "ignored", "label"]])
    assert (raw.status_code, raw.json()["code"]) == (422, "no_features")
    twice = client.post("/v1/datasets", files={"file": ("t.csv", CSV)}, data={"label": ["y", "a"]})
    assert (twice.status_code, twice.json()["errors"][0]["field"]) == (422, "label")


@pytest.mark.parametrize(
    ("filename", "name"),
    [("sales.2023.csv", "sales.2023"), ("sales.2024.csv", "sales.2024"), ("\u00e9t\u00e9.csv", "ete")],
)
def test_a_name_is_made_from_the_files_without_its_ending(
    client: TestClient, filename: str, name: str
) -> None:
    made = client.post("/v1/datasets", files={"file": (filename, CSV)}, data={"label": "y"})
    assert (made.status_code, made.json()["ref"]) == (201, f"{name}@1")


def test_a_file_name_that_gives_no_name_is_answered_with_the_field(client: TestClient) -> None:
    answer = client.post("/v1/datasets", files={"file": ("\u6570\u636e.csv", CSV)}, data={"label": "y"})
    assert (answer.status_code, answer.json()["code"]) == (422, "no_name")
    assert "such as name=" in answer.json()["hint"]


def test_the_path_of_a_file_in_its_place_is_answered_with_the_sign_that_sends_it(client: TestClient) -> None:
    answer = client.post("/v1/datasets", files={"file": (None, "x.csv"), "label": (None, "y")})
    assert (answer.status_code, "-F file=@x.csv" in answer.json()["hint"]) == (422, True)


def test_a_web_form_without_lines_is_answered_with_what_keeps_them(client: TestClient) -> None:
    headers = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/datasets?name=t", content=CSV.replace(b"\n", b""), headers=headers)
    assert (answer.status_code, "-F file=@" in answer.json()["hint"]) == (422, True)
    assert client.post("/v1/datasets?name=t&label=y", content=CSV, headers=headers).status_code == 201


def test_a_field_that_is_nearly_one_is_answered_with_it(client: TestClient) -> None:
    answer = client.post("/v1/datasets", files={"file": ("t.csv", CSV)}, data={"lable": "y"})
    assert (answer.status_code, answer.json()["hint"]) == (422, "Did you mean: label?")
