"""The OpenAPI document: what FastAPI knows of the routes, and what holds for all of them."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from app import errors
from app.access.origins import SAFE_METHODS
from app.access.requests import MOST_OF_A_SEGMENT
from app.access.scopes import is_open, scope_needed
from app.texts import ON_ONE_LINE

DESCRIPTION = """\
Transfer learning over HTTP: **upload** two data sets, **POST** a job, **poll** it, **download** a fine-tuned
model that takes raw rows, with the proof of whether the transfer helped.

```
curl -F file=@source.csv -F name=source -F label=y localhost:8000/v1/datasets
curl -F file=@target.csv -F name=target -F label=y localhost:8000/v1/datasets
curl -H 'Content-Type: application/json' localhost:8000/v1/jobs \\
  -d '{"model": "grades", "source": {"dataset": "source"}, "target": {"dataset": "target"}}'
curl 'localhost:8000/v1/jobs/job_…?wait=60'
curl -OJ 'localhost:8000/v1/models/grades@1/download?format=keras'
```

Where there are keys, send one with each request: `curl -H "Authorization: Bearer mt_…"`. As long as there is
none, nobody is asked for one. What belongs to another workspace is answered as if it were not there.

Wherever an id is asked for, a name or `name@version` will do. Every error is an RFC 9457 problem document
that says what was expected, what was received and what to do.
"""

EXAMPLE = "localhost:8000"
"""The address in the examples above and of the routes, which the document has its own in place of."""

TAGS = [
    {"name": "datasets", "description": "Validated, immutable, versioned tables of examples."},
    {"name": "jobs", "description": "Transfer jobs: start, watch, stop."},
    {
        "name": "models",
        "description": "What the jobs made: versions with lineage, receipt, metrics and files.",
    },
    {"name": "rankings", "description": "Which source suits a target, or that none does, before a job."},
    {"name": "predictions", "description": "A model's answers for all rows of a file."},
    {"name": "open inference", "description": "The Open Inference Protocol, version 2, in JSON."},
    {"name": "methods", "description": "What a job may ask for: methods of transfer, networks, presets."},
    {"name": "access", "description": "For admins: keys, workspaces, who did what."},
    {"name": "service", "description": "Health of the service itself."},
]


KEY = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "mt_…",
    "description": "A key, as `model-transfer keys create` shows it. Needed as soon as there is one.",
}


def describe(app: FastAPI) -> dict[str, Any]:
    """The OpenAPI document, with the one error shape instead of FastAPI's own."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            description=app.description,
            routes=app.routes,
            tags=app.openapi_tags,
            servers=app.servers,
        )
        schemas = document["components"]["schemas"]
        schemas["Problem"] = errors.Problem.model_json_schema()
        document["components"]["securitySchemes"] = {"key": KEY}
        address = _address(app)
        document["info"]["description"] = document["info"]["description"].replace(EXAMPLE, address)
        for path, operations in document["paths"].items():
            for method, operation in operations.items():
                if "description" in operation:
                    operation["description"] = operation["description"].replace(EXAMPLE, address)
                _replace_validation_error(operation["responses"])
                _add_common(method, operation)
                _add_key(method, path, operation)
        for name in ("HTTPValidationError", "ValidationError"):
            schemas.pop(name, None)
        _numbers_as_choices(document)
        app.openapi_schema = document
    return app.openapi_schema


def _address(app: FastAPI) -> str:
    """Where the examples of the document reach this service."""
    settings = app.state.settings
    local = f"localhost:{settings.port}" if settings.port else EXAMPLE
    return str(settings.public_url or local).rstrip("/")


def _replace_validation_error(answers: dict[str, Any]) -> None:
    if "HTTPValidationError" in str(answers.get("422", "")):
        del answers["422"]


def _add_common(method: str, operation: dict[str, Any]) -> None:
    """What every route shares: refusals made before it, and what `StrictRoute` asks of its parameters."""
    statuses = [400, 421, 422, 429, 500, 503]
    if method.upper() not in SAFE_METHODS:
        statuses.append(403)
    if "requestBody" in operation:
        statuses += [408, 413]
        form = operation["requestBody"]["content"].get("multipart/form-data", {}).get("schema", {})
        for name, schema in form.get("properties", {}).items():
            form["properties"][name] = _without_null(schema)
    for parameter in operation.get("parameters", []):
        schema = parameter["schema"] = _without_null(parameter["schema"])
        if parameter["in"] == "path" and not schema.keys() & {"pattern", "enum"}:
            schema |= {"pattern": ON_ONE_LINE, "minLength": 1, "maxLength": MOST_OF_A_SEGMENT}
    answers = operation["responses"]
    for status, answer in errors.responses(*statuses).items():
        answers.setdefault(str(status), answer)
    operation["responses"] = dict(sorted(answers.items()))


def _numbers_as_choices(node: Any) -> None:
    """A number that is the only one allowed as a choice of one: openapi-python-client writes it as a name."""
    if isinstance(node, dict):
        if isinstance(node.get("const"), int):
            node["enum"] = [node.pop("const")]
        for value in node.values():
            _numbers_as_choices(value)
    elif isinstance(node, list):
        for value in node:
            _numbers_as_choices(value)


def _add_key(method: str, path: str, operation: dict[str, Any]) -> None:
    """What a request without a good key is answered, and which scope the key needs."""
    if is_open(path):
        operation["security"] = []
        return
    operation["security"] = [{"key": []}]
    needs = f"Needs the scope `{scope_needed(method, path)}`."
    operation["description"] = f"{operation.get('description', '')}\n\n{needs}".strip()
    answers = operation["responses"]
    for status, answer in errors.responses(401, 403).items():
        answers.setdefault(str(status), answer)
    answers["401"]["headers"] = {"WWW-Authenticate": {"schema": {"type": "string"}}}
    operation["responses"] = dict(sorted(answers.items()))


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of what is text on its way, and so is left out rather than null."""
    others = [one for one in schema.get("anyOf", []) if one.get("type") != "null"]
    if len(others) == len(schema.get("anyOf", [])):
        return schema
    rest = {key: value for key, value in schema.items() if key not in ("anyOf", "default")}
    return {**(others[0] if len(others) == 1 else {"anyOf": others}), **rest}


def for_docs(document: dict[str, Any]) -> dict[str, Any]:
    """The document as the page that tries it out reads it: a form's optional fields are empty to begin with.

    Swagger UI fills in what it makes up for each field and sends all of them. Other readers take an empty
    example for a value that is accepted, so that it stands nowhere else.
    """
    told = deepcopy(document)
    for operation in (one for path in told["paths"].values() for one in path.values()):
        form = operation.get("requestBody", {}).get("content", {}).get("multipart/form-data", {})
        schema = form.get("schema", {})
        for name, field in schema.get("properties", {}).items():
            if name not in schema.get("required", ()):
                schema["properties"][name] = {**field, "example": [] if field.get("type") == "array" else ""}
    return told
