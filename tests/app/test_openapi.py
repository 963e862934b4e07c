"""The OpenAPI document as programs read it: names to call, types to fill, bytes that are bytes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings

DOWNLOADS = {"download_dataset", "download_job_model", "download_model_version"}


def described(folder: Path, **settings: Any) -> dict[str, Any]:
    return create_app(Settings(data_dir=folder, **settings)).openapi()


@pytest.fixture(scope="module")
def document(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return described(tmp_path_factory.mktemp("data"))


def operations(document: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {one["operationId"]: one for path in document["paths"].values() for one in path.values()}


def schemas(node: Any, place: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Everything in the document that says it is an object, with its place."""
    if isinstance(node, dict):
        if node.get("type") == "object":
            yield place, node
        for key, value in node.items():
            yield from schemas(value, f"{place}/{key}")
    elif isinstance(node, list):
        for number, value in enumerate(node):
            yield from schemas(value, f"{place}/{number}")


def test_every_operation_has_a_name_of_its_own_that_starts_with_a_verb(document: dict[str, Any]) -> None:
    names = Counter(one["operationId"] for path in document["paths"].values() for one in path.values())
    assert set(names.values()) == {1}
    verbs = {name.partition("_")[0] for name in names}
    assert verbs <= {
        "cancel", "compare", "create", "delete", "download", "get", "list", "pause", "plan", "predict",
        "preview", "resume", "retry", "revoke", "set", "upload",
    }  # fmt: skip
    assert not [name for name in names if not re.fullmatch(r"[a-z]+(_[a-z]+)+", name)]
    assert names.keys() >= {"upload_dataset", "create_job", "get_job", "list_jobs", "download_model_version"}


def test_no_two_schemas_have_one_name_which_generated_clients_refuse(document: dict[str, Any]) -> None:
    assert not [name for name in document["components"]["schemas"] if "__" in name]


def test_every_object_names_its_fields_or_says_which_map_it_is(document: dict[str, Any]) -> None:
    bare = [
        place
        for place, schema in schemas(document)
        if not schema.get("properties")
        and not ("description" in schema and schema.get("additionalProperties"))
        and not isinstance(schema.get("additionalProperties"), dict)
        and "patternProperties" not in schema
    ]
    assert bare == []


def test_the_options_of_a_job_are_answered_as_they_are_posted(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert not [name for name in schemas if name.endswith(("-Input", "-Output"))]
    for part in ("method", "network", "training", "evaluation"):
        answered, posted = (str(schemas[view]["properties"][part]) for view in ("JobView", "JobRequest"))
        kinds = set(re.findall(r"#/components/schemas/(\w+)", answered))
        assert kinds
        assert kinds == set(re.findall(r"#/components/schemas/(\w+)", posted))


def test_every_download_is_declared_as_bytes(document: dict[str, Any]) -> None:
    for name in DOWNLOADS:
        for status in ("200", "206"):
            content = operations(document)[name]["responses"][status]["content"]
            assert next(iter(content)) == "application/octet-stream"
            assert {str(one["schema"]) for one in content.values()} == {
                str({"type": "string", "format": "binary"})
            }


def test_an_upload_is_a_form_or_bytes_whose_fields_are_query_parameters(document: dict[str, Any]) -> None:
    upload = operations(document)["upload_dataset"]
    content = upload["requestBody"]["content"]
    assert set(content) == {"multipart/form-data", "application/octet-stream"}
    form = content["multipart/form-data"]["schema"]["properties"]
    query = {one["name"]: one["schema"] for one in upload["parameters"] if one["in"] == "query"}
    assert query.keys() - form.keys() == {"filename"}
    assert form.keys() - query.keys() == {"file"}
    # A program would send them beside every form, where none may stand in the address.
    assert not [name for name, schema in (*query.items(), *form.items()) if "default" in schema]


def test_the_server_is_where_the_document_is_read_or_where_users_reach_it(
    document: dict[str, Any], tmp_path: Path
) -> None:
    assert document["servers"] == [{"url": "/"}]
    public = described(tmp_path, public_url="https://transfer.example.com")
    assert public["servers"] == [{"url": "https://transfer.example.com"}]


@pytest.mark.parametrize(
    ("settings", "address"),
    [({"port": 8123}, "localhost:8123"), ({"public_url": "https://mt.example"}, "https://mt.example")],
)
def test_examples_reach_the_service_where_it_is(
    tmp_path: Path, settings: dict[str, Any], address: str
) -> None:
    document = described(tmp_path, **settings)
    for text in (document["info"]["description"], operations(document)["upload_dataset"]["description"]):
        assert f"{address}/v1/datasets" in text
        assert "localhost:8000" not in text


def test_the_page_that_tries_it_out_begins_with_empty_optional_fields_and_other_readers_see_no_such_example(
    client: TestClient,
) -> None:
    def fields(path: str) -> dict[str, Any]:
        upload = client.get(path).json()["paths"]["/v1/datasets"]["post"]["requestBody"]
        found: dict[str, Any] = upload["content"]["multipart/form-data"]["schema"]["properties"]
        return found

    assert "docs/openapi.json" in client.get("/docs").text
    tried, told = fields("/docs/openapi.json"), fields("/openapi.json")
    assert (tried["label"]["example"], tried["seed"]["example"], tried["ignore"]["example"]) == ("", "", [])
    assert tried["file"] == told["file"]
    assert not any("example" in one for one in told.values())
