"""What a request may hold, asked over HTTP on every database: what is refused leaves nothing behind."""

from __future__ import annotations

import json
from itertools import product
from typing import Any

from fastapi.testclient import TestClient

CSV = b"a,b,y\n" + b"1,2,up\n2,3,down\n3,1,up\n4,7,down\n5,5,up\n" * 4
JOB: dict[str, Any] = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}}
JSON = {"content-type": "application/json"}

Datasets = dict[str, dict[str, object]]


def post_job(client: TestClient, **more: Any) -> Any:
    """Post a job as a program that escapes what is not ASCII."""
    return client.post("/v1/jobs", content=json.dumps({**JOB, **more}), headers=JSON)


def refused(answer: Any) -> dict[str, Any]:
    """The problem of a 422, which can be read as JSON and as UTF-8."""
    assert answer.status_code == 422, (answer.status_code, answer.text[:300])
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = json.loads(answer.content.decode("utf-8"))
    return problem


UNFIT = [
    {"metadata": {"a": "\ud800"}},
    {"metadata": {"\udfff": "a"}},
    {"metadata": {"a": "b\0"}},
    {"metadata": {"a\nb": "c"}},
    {"model": "m\n"},
    {"model": "m\0"},
    {"name": "n\n"},
    {"owner": "o\n"},
    {"queue": "default\n"},
    {"queue": "\ud800"},
    {"source": {"dataset": "source\n"}},
    {"source": {"dataset": "sou\0rce"}},
    {"source": {"version": "m@1\n"}},
    {"source": {"preset": "\ud800"}},
    {"target": {"dataset": "\ud800"}},
    {"method": {"kind": "structure", "space": {"hidden_units": ["\ud800"]}}},
    {"method": {"kind": "structure", "space": {"\0": [1]}}},
    {"training": {"class_weights": {"\ud800": 1}}},
    {"network": {"kind": "pretrained", "preset": "a\0"}},
    {"\ud800": 1},
    {"evaluation": {"metric": "\ud800"}},
]


def test_text_that_cannot_be_kept_is_refused_wherever_it_stands(
    client: TestClient, datasets: Datasets
) -> None:
    for more in UNFIT:
        refused(post_job(client, **more))
    assert client.get("/v1/jobs").json()["data"] == []


NUMBERS = ["1e999", "-1e999", "NaN", "Infinity", "9223372036854775808", "9" * 30, "9" * 10_000]


NUMBER_FIELDS = [
    '"training": {"learning_rate": %s}',
    '"training": {"epochs": %s}',
    '"priority": %s',
    '"evaluation": {"few_shot": [%s]}',
    '"network": {"kind": "mlp", "dropout": %s}',
    '"method": {"kind": "structure", "space": {"dropout": [%s]}}',
    '"metadata": {"a": %s}',
    '"unknown": %s',
]


def test_numbers_beyond_64_bits_and_those_that_are_none_are_refused(
    client: TestClient, datasets: Datasets
) -> None:
    for field, number in product(NUMBER_FIELDS, NUMBERS):
        body = f"{json.dumps(JOB)[:-1]}, {field % number}}}"
        refused(client.post("/v1/jobs", content=body, headers=JSON))
    assert client.get("/v1/jobs").json()["data"] == []


def test_a_truth_value_and_a_text_are_no_number(client: TestClient, datasets: Datasets) -> None:
    for more in ({"training": {"epochs": True}}, {"training": {"epochs": "1"}}, {"priority": False}):
        refused(post_job(client, **more))


def test_json_that_is_nested_deeply_is_refused(client: TestClient, datasets: Datasets) -> None:
    for depth in (30, 900, 100_000):
        body = json.dumps(JOB)[:-1] + ', "metadata": ' + "[" * depth + "]" * depth + "}"
        refused(client.post("/v1/jobs", content=body, headers=JSON))
        form = {"name": "t", "label": "y", "metadata": '{"a":' * depth + "1" + "}" * depth}
        refused(client.post("/v1/datasets", files={"file": ("t.csv", CSV)}, data=form))


def test_a_key_that_comes_twice_is_refused(client: TestClient, datasets: Datasets) -> None:
    body = json.dumps(JOB)[:-1] + ', "model": "other"}'
    assert refused(client.post("/v1/jobs", content=body, headers=JSON))["errors"][0]["field"] == "model"


BODIES = [b"{", b"\xff\xfe\xfa", b"", b"null", b"[]", b'"a"', b"\x00", b'{"a": \xed\xa0\x80}']


def test_a_body_that_is_no_json_object_is_refused(client: TestClient) -> None:
    for body in BODIES:
        refused(client.post("/v1/jobs", content=body, headers=JSON))


def test_a_body_of_more_than_a_megabyte_is_refused_before_it_is_read(
    client: TestClient, datasets: Datasets
) -> None:
    answer = post_job(client, metadata={"a": "b" * (1 << 20)})
    assert answer.status_code == 413
    assert "MODEL_TRANSFER_MAX_JSON_BYTES" in answer.json()["hint"]

    def chunks() -> Any:  # of unknown length
        yield from (b" " * 65_536 for _ in range(20))

    assert client.post("/v1/jobs", content=chunks(), headers=JSON).status_code == 413
    alias = client.put("/v1/models/m/aliases/a", content=b" " * (1 << 21), headers=JSON)
    assert alias.status_code == 413


def test_the_list_of_what_is_wrong_in_a_request_is_bounded(client: TestClient) -> None:
    answer = post_job(client, evaluation={"few_shot": ["x"] * 100_000})
    assert len(refused(answer)["errors"]) <= 20
    assert len(answer.content) < 20_000


def test_a_parameter_that_a_route_does_not_have_starts_nothing(
    client: TestClient, datasets: Datasets
) -> None:
    answer = client.post("/v1/jobs?dry_run=true", json=JOB)
    assert "dry_run" in refused(answer)["detail"]
    assert client.get("/v1/jobs").json()["data"] == []
    assert refused(client.get("/v1/jobs?stat=queued"))["hint"] == "Did you mean: state?"
    refused(client.get("/healthz?x=1"))
    refused(client.delete("/v1/datasets/source?force=true"))
    assert client.get("/v1/datasets/source").status_code == 200


def test_a_parameter_that_comes_twice_is_refused(client: TestClient) -> None:
    refused(client.get("/v1/jobs?limit=1&limit=2"))
    refused(client.post("/v1/datasets?name=t&label=y&label=a", content=CSV))


PATHS = ["/v1/datasets/%s", "/v1/datasets/%s/rows", "/v1/jobs/%s", "/v1/jobs/%s/events",
         "/v1/jobs/%s/metrics", "/v1/jobs/%s/report", "/v1/jobs/%s/model", "/v1/models/%s",
         "/v1/models/%s/versions", "/v1/models/%s/aliases", "/v1/models/%s/download",
         "/v1/presets/%s"]  # fmt: skip


def test_a_name_in_a_path_that_nothing_can_have_is_refused_or_not_found(client: TestClient) -> None:
    segments = ("%00", "a%00", "a%0A", "%ED%A0%80", "%FF", "a%7F", "a%0D%0AX: y")
    for path, segment in product(PATHS, segments):
        answer = client.get(path % segment)
        assert answer.status_code in (404, 422), answer.text
        assert answer.headers["content-type"] == "application/problem+json"


QUERIES = ["/v1/jobs?model=%s", "/v1/jobs?after=%s", "/v1/jobs?state=%s", "/v1/jobs?limit=%s",
           "/v1/datasets?name=%s", "/v1/datasets?after=%s", "/v1/models?after=%s",
           "/v1/models/m/versions?after=%s"]  # fmt: skip


def test_a_query_value_that_nothing_can_have_is_refused(client: TestClient) -> None:
    for query, value in product(QUERIES, ("%00", "%ED%A0%80", "%FF", "a%0A")):
        refused(client.get(query % value))


def test_a_place_in_the_events_that_no_database_can_hold_is_refused(
    client: TestClient, datasets: Datasets
) -> None:
    job = post_job(client).json()["id"]
    for number in ("9223372036854775808", "-1", "1e3", "9" * 5000, "NaN", "true"):
        refused(client.get(f"/v1/jobs/{job}/events?after={number}"))
        refused(client.get(f"/v1/jobs/{job}/events", headers={"last-event-id": number}))
    assert client.get(f"/v1/jobs/{job}/events?after=9223372036854775807").json()["data"] == []


FORMS: list[dict[str, str]] = [
    {"metadata": '{"a": "\\ud800"}'},
    {"metadata": '{"\\udfff": "a"}'},
    {"metadata": '{"a": "\\u0000"}'},
    {"metadata": '{"a": 1e999}'},
    {"metadata": '{"a": NaN}'},
    {"metadata": "[]"},
    {"metadata": '{"a": "b", "a": "c"}'},
    {"metadata": json.dumps({str(i): "" for i in range(17)})},
    {"metadata": json.dumps({"a": "x" * 513})},
    {"types": '{"\\ud800": "number"}'},
    {"types": '{"a": "\\u0000"}'},
    {"types": "1e999"},
    {"label": "y\0"},
    {"name": "t\n"},
    {"name": "\0"},
    {"seed": "9223372036854775808"},
    {"seed": "9" * 5000},
    {"validation_fraction": "nan"},
    {"test_fraction": "inf"},
    {"separator": "\0", "task": "multilabel"},
    {"delimiter": "\0"},
    {"encoding": "\0"},
    {"encoding": "x" * 41},
    {"input": "\0"},
    {"split": "\0"},
]


def test_fields_of_an_upload_that_cannot_be_kept_are_refused(client: TestClient) -> None:
    for fields in FORMS:
        given = {"name": "t", "label": "y", **fields}
        refused(client.post("/v1/datasets", files={"file": ("t.csv", CSV)}, data=given))
        refused(client.post("/v1/datasets", params=given, content=CSV))
    assert client.get("/v1/datasets").json()["data"] == []


DISPOSITIONS = [
    b'form-data; name="file"; filename="a\x00b.csv"',
    b'form-data; name="file"; filename="a\nb.csv"',
    b'form-data; name="file"; filename="a\xff.csv"',
    b'form-data; name="file"; filename="' + b"a" * 300 + b'.csv"',
    b"form-data; name=file; filename*=utf-8''a%00b.csv",
]


def post_part(client: TestClient, *headers: bytes) -> Any:
    """Post a form of one part with these headers."""
    lines = [b"--x", *headers, b"", CSV, b"--x--", b""]
    form = {"content-type": "multipart/form-data; boundary=x"}
    return client.post("/v1/datasets", content=b"\r\n".join(lines), headers=form)


def test_a_file_name_that_cannot_be_kept_is_refused_or_replaced(client: TestClient) -> None:
    for disposition in DISPOSITIONS:
        answer = post_part(client, b"Content-Disposition: " + disposition)
        assert answer.status_code in (201, 400, 422), answer.text
    for made in client.get("/v1/datasets").json()["data"]:
        assert made["filename"].isprintable()


def test_a_file_name_that_is_not_in_its_own_encoding_is_refused(client: TestClient) -> None:
    for name in ("idna''x%ff.csv", "undefined''x", "punycode''%80"):
        said = {"content-disposition": f"attachment; filename*={name}"}
        refused(client.post("/v1/datasets?label=y", content=CSV, headers=said))


def test_json_that_is_called_something_else_is_refused_with_the_type_to_send(client: TestClient) -> None:
    for media_type in ("text/json", "text/plain", "application/x-www-form-urlencoded"):
        answer = client.post("/v1/jobs", content=json.dumps(JOB), headers={"content-type": media_type})
        assert "Content-Type: application/json" in refused(answer)["hint"]


def test_a_media_type_that_is_none_is_refused(client: TestClient) -> None:
    disposition = b'Content-Disposition: form-data; name="file"; filename="a.csv"'
    for media_type in (b"text", b"text/csv\0", b"a/b; c=\x01", b"x" * 101 + b"/y", b"<script>/y"):
        answer = post_part(client, disposition, b"Content-Type: " + media_type)
        assert answer.status_code in (400, 422), answer.text
    assert client.get("/v1/datasets").json()["data"] == []


def test_the_fields_of_a_form_are_limited_in_number_and_together(client: TestClient) -> None:
    file = {"file": ("t.csv", CSV)}
    many = client.post("/v1/datasets", files=file, data={f"field_{i}": "" for i in range(200)})
    assert "100 parts" in refused(many)["detail"]
    large = {"name": "t", "label": "x" * 600_000, "input": "x" * 600_000}
    answer = client.post("/v1/datasets", files=file, data=large)
    assert (answer.status_code, answer.json()["code"]) == (413, "fields_too_large")
    long = post_part(client, b'Content-Disposition: form-data; name="' + b"x" * 20_000 + b'"')
    assert (long.status_code, long.json()["code"]) == (400, "broken_form")


def test_fields_in_the_address_of_a_form_are_not_passed_over(client: TestClient) -> None:
    answer = client.post("/v1/datasets?name=t", files={"file": ("u.csv", CSV)}, data={"label": "y"})
    assert "the fields in the form" in refused(answer)["detail"]


def test_an_idempotency_key_that_cannot_be_kept_is_refused(client: TestClient, datasets: Datasets) -> None:
    for key in ("\x01", "a\x7fb", "k" * 201):
        keyed = {"Idempotency-Key": key}
        refused(client.post("/v1/jobs", json=JOB, headers=keyed))
        refused(client.post("/v1/datasets?name=t&label=y", content=CSV, headers=keyed))


def test_lists_hold_nothing_that_grows_with_what_was_asked(client: TestClient, datasets: Datasets) -> None:
    post_job(client, method={"kind": "structure", "space": {"hidden_units": [[n] for n in range(1, 50)]}})
    job = client.get("/v1/jobs").json()["data"][0]
    assert not job.keys() & {"method", "network", "training", "evaluation"}
    assert not client.get("/v1/datasets").json()["data"][0].keys() & {"description", "profile", "warnings"}
