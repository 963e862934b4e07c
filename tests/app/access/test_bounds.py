"""Whatever a request may hold has an end, as the OpenAPI document tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

Schema = dict[str, Any]

pytestmark = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


def requested(document: Schema) -> Iterator[tuple[str, Schema]]:
    """The schema of each parameter and body of each route."""
    for path, operations in document["paths"].items():
        for verb, operation in operations.items():
            for parameter in operation.get("parameters", []):
                yield f"{verb} {path} {parameter['name']}", parameter["schema"]
            for media_type, body in operation.get("requestBody", {}).get("content", {}).items():
                yield f"{verb} {path} {media_type}", body["schema"]


def endless(place: str, schema: Schema, document: Schema, seen: set[str]) -> Iterator[str]:
    """What has no end in a schema."""
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        if name not in seen:
            seen.add(name)
            yield from endless(name, document["components"]["schemas"][name], document, seen)
        return
    for key in ("anyOf", "oneOf", "allOf"):
        for one in schema.get(key, []):
            yield from endless(place, one, document, seen)
    kind = schema.get("type")
    if kind == "string" and schema.get("format") not in ("binary", "date-time"):
        bounded = schema.keys() & {"maxLength", "enum", "const"} or "*" not in schema.get("pattern", "*")
        if not bounded:
            yield f"{place}: {schema}"
    ends = [{"maximum", "exclusiveMaximum"}, {"minimum", "exclusiveMinimum"}]
    known = schema.keys() & {"enum", "const"} or all(schema.keys() & end for end in ends)
    if kind in ("integer", "number") and not known:
        yield f"{place}: {schema}"
    if kind == "array":
        if "maxItems" not in schema:
            yield f"{place}: {schema}"
        for item in [schema.get("items", {}), *schema.get("prefixItems", [])]:
            yield from endless(f"{place}[]", item, document, seen)
    if kind == "object":
        for name, one in schema.get("properties", {}).items():
            yield from endless(f"{place}.{name}", one, document, seen)
        others = schema.get("additionalProperties", True)
        if others is not False and "properties" not in schema:
            if "maxProperties" not in schema or "maxLength" not in schema.get("propertyNames", {}):
                yield f"{place}: {schema}"
            if isinstance(others, dict):
                yield from endless(f"{place}{{}}", others, document, seen)


def test_no_text_list_object_or_number_of_a_request_is_without_an_end(client: TestClient) -> None:
    document = client.get("/openapi.json").json()
    seen: set[str] = set()
    found = [one for place, schema in requested(document) for one in endless(place, schema, document, seen)]
    assert len(seen) > 10
    assert not found, "\n".join(found)
