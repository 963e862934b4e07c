"""Hostile requests, seeded: spread evenly over the routes of the OpenAPI document and the formats of files.

A request is made of what its route asks for, so that it comes as far as it can, with something in it that
nobody expects: in a path segment, the query, a header, the body, or in all of them.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_from_bytes

from tests.app import hostile_files
from tests.app.hostile_files import ESCAPES, FORMATS, HOSTILE_TEXTS, RAW, WORST_TEXTS, hostile_text

SEED = "a closed door"

KNOWN = {
    "dataset": ["source", "target@1", "spare"],
    "job": ["done", "waiting"],  # of one that waits, a stream of events would not end: GET asks for the other
    "model": ["m", "m@1", "m@champion"],
    "alias": ["champion", "other"],
    "kind": ["parameter", "mlp"],
    "name": ["minilm_l6_v2", "hf://owner/model"],
}
"""References that lead somewhere, by the name of the parameter; the test makes what they name."""

_SEGMENTS = [
    *(quote(text[:4000].encode("utf-8", "surrogatepass"), safe="") for text in HOSTILE_TEXTS if text),
    "%ED%A0%80",
    "%FF%FE",
    "%C0%AF",
    "a%00",
    "%2e%2e",
    "..%2F..%2Fetc%2Fpasswd",
    "%25s%25n",
    "m%0A",
    "m@1%0A",
    "@",
    "m@",
    "@1",
    "m@0",
    "m@-1",
    "m@01",
    "m@1@1",
    "m@1e9",
    "m@999999999",
    "m@99999999999999999999",
    "m@%D9%A1",
    "job_" + "0" * 28,
    "job_" + "F" * 28,
    "ds_" + "0" * 28 + "%0A",
    "ver_" + "0" * 28,
    "ver_%C3%A9",
    "ver_" + "9" * 9000,
    "done:cancel",
    "done%3Acancel",
    ":cancel",
    "a%2Fb",
    "a;b=c",
    "a%3Fb%23c",
]
_NUMBERS = [
    "-1",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775809",
    "18446744073709551616",
    "9" * 5000,
    "1e999",
    "1e400",
    "nan",
    "inf",
    "-inf",
    "0x10",
    "1.5",
    "1_0",
    "\u0663",
    " 1",
    "1\n",
    "+",
    "true",
    "",
    "null",
    "[]",
]
_WORST_SEGMENTS = ["%00", "a%00", "%ED%A0%80", "%FF", "m%0A", "m@%D9%A1", "m@99999999999999999999"]
_WORST_NUMBERS = ["9223372036854775808", "-9223372036854775809", "1e999", "nan", "9" * 5000]
_HEADERS = {
    "Range": [
        "bytes=0-",
        "bytes=-0",
        "bytes=9-1",
        "bytes=" + "0-1," * 3000,
        "bytes=" + "9" * 5000 + "-",
        "x",
        "lines=1-",
    ],
    "If-None-Match": ["*", '"', "W/", '"' + "0" * 64 + '"', "," * 5000, "\xff"],
    "If-Range": ["*", "W/x", "Thu, 99 Foo 2026"],
    "If-Modified-Since": ["yesterday", "Thu, 01 Jan 1970 00:00:00 GMT"],
    "Accept": ["text/event-stream", "text/html", "*/*;q=nan", "\xff/\xff", "," * 3000, ""],
    "Last-Event-Id": _NUMBERS,
    "Idempotency-Key": [
        "",
        " ",
        "x" * 200,
        "x" * 201,
        "\xff\xfe",
        "'; --",
        "%00",
        "{0}",
        "\xc3\xa9" * 50,
        "\ud7ff",
    ],
    "Content-Type": [
        "application/json",
        "application/json; charset=utf-16",
        "application/x-www-form-urlencoded",
        "text/plain",
        "multipart/form-data",
        "multipart/form-data; boundary=",
        "multipart/form-data; boundary=" + "x" * 3000,
        'multipart/form-data; boundary="\xff"',
        "\xff/\xff",
        "text/csv; charset=nonsense",
        "x" * 5000,
        "application/zip\t; a=b",
        "",
    ],
    "Content-Disposition": [
        'attachment; filename="../x.csv"',
        "attachment; filename*=utf-8''%00%ff",
        "\xff",
        "; ; ;",
    ],
    "Content-Encoding": ["gzip", "br", "identity, gzip", "\xff"],
    "Accept-Language": ["\xff", "x" * 9000],
    "X-Forwarded-For": ["\xff", "127.0.0.1, ::1, x", "," * 999],
    "Cookie": ["\xff=\xff; ; =", "a=" + "b" * 4000],
}
_KEYS = [
    "__proto__",
    "constructor",
    "__class__",
    "",
    "a\x00b",
    "\ud800",
    "💩",
    "x" * 5000,
    "model",
    "kind",
    "{0}",
    "self",
    "cls",
]


class Raw(str):
    """Text that stands in JSON as it is."""


@dataclass
class Request:
    """One request as it goes out."""

    number: int
    about: str
    method: str
    url: str
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    def __str__(self) -> str:
        headers = ", ".join(f"{name.decode()}: {value[:80]!r}" for name, value in self.headers)
        return f"#{self.number} ({self.about}) {self.method} {self.url[:200]} [{headers}] {self.body[:300]!r}"


def requests(document: dict[str, Any], count: int) -> Iterator[Request]:
    """The first so many requests. Each depends on its number alone, the routes and the formats."""
    targets: list[tuple[str, ...]] = [
        (method, path)
        for path, operations in sorted(document["paths"].items())
        for method in sorted(operations)
        if (method, path) != ("post", "/v1/datasets")
    ]
    targets += [("file", name) for name in FORMATS] + [("form", "fields"), ("form", "broken")]
    random.Random(SEED).shuffle(targets)
    for number in range(count):
        visit, place = divmod(number, len(targets))
        kind, what = targets[place]
        draw = random.Random(f"{SEED} {number}")
        if kind == "file":
            yield _upload(draw, number, what)
        elif kind == "form":
            yield _form(draw, number, what)
        else:
            yield _of_operation(draw, number, visit, document, kind, what)


def _of_operation(
    draw: random.Random, number: int, visit: int, document: dict[str, Any], method: str, path: str
) -> Request:
    """At each visit the next place is strange, and at each round it has another of the worst values."""
    operation = document["paths"][path][method]
    parameters = operation.get("parameters", [])
    places = [*(parameter["name"] for parameter in parameters), "an unknown one", "a header"]
    has_body = "requestBody" in operation
    if has_body:
        places = [one for place in places for one in ("the body", "the body", place)]
    round_, place = divmod(visit, len(places))
    strange = places[place]
    everything = draw.random() < 0.1
    url = path
    query, headers = [], []
    for parameter in parameters:
        name, place = parameter["name"], parameter["in"]
        is_strange = everything or strange == name
        if place == "path":
            known = "done" if (name, method) == ("job", "get") else draw.choice(KNOWN.get(name, ["x"]))
            segment = (
                _one_of(draw, _WORST_SEGMENTS, _SEGMENTS, round_) if is_strange else quote(known, safe="@")
            )
            url = url.replace("{" + name + "}", segment)
        elif place == "query" and is_strange:
            query.append((name, _query_value(draw, parameter["schema"], round_)))
            if draw.random() < 0.2:
                query.append((name, _query_value(draw, parameter["schema"], round_)))
        elif place == "header" and is_strange:
            values = _HEADERS.get(name.title() if name.islower() else name, HOSTILE_TEXTS)
            value = (
                _one_of(draw, _WORST_NUMBERS, values, round_) if values is _NUMBERS else draw.choice(values)
            )
            headers.append((name, value))
            if values is _NUMBERS:
                headers.append(("Accept", "text/event-stream"))  # which alone reads it
    if strange == "an unknown one" or everything:
        query.append((draw.choice(HOSTILE_TEXTS).encode("utf-8", "surrogatepass")[:500], _query_value(draw)))
    if strange == "a header" or everything:
        for name in draw.sample(sorted(_HEADERS), 2):
            headers.append((name, draw.choice(_HEADERS[name])))
    body = b""
    if has_body:
        is_strange = strange == "the body" or everything
        (media, described), *_ = sorted(operation["requestBody"]["content"].items())
        if media == "application/json":
            body = _json_body(draw, document, described["schema"], path, is_strange)
        else:
            body, media = _form_body(draw, described["schema"], is_strange), f"{media}; boundary=edge"
        if not any(name == "Content-Type" for name, _ in headers):
            headers.append(("Content-Type", media))
    return Request(number, f"{method} {path}", method.upper(), url + _query(query), _wire(headers), body)


def _one_of(draw: random.Random, worst: list[str], others: list[str], round_: int) -> str:
    return worst[round_] if round_ < len(worst) else draw.choice([*worst, *others])


def _query_value(draw: random.Random, schema: dict[str, Any] | None = None, round_: int = 99) -> bytes:
    if draw.random() < 0.1:
        return draw.choice([b"\xff", b"\xed\xa0\x80", b"\xc0\xaf"])
    if re.search("'(integer|number)'", str(schema)):
        return _one_of(draw, _WORST_NUMBERS, _NUMBERS, round_).encode()
    return _one_of(draw, WORST_TEXTS, [*HOSTILE_TEXTS, *_NUMBERS], round_).encode("utf-8", "surrogatepass")


def _query(pairs: list[tuple[Any, bytes]]) -> str:
    written = "&".join(
        f"{quote_from_bytes(name.encode() if isinstance(name, str) else name, safe='')}"
        f"={quote_from_bytes(value, safe='')}"
        for name, value in pairs
    )
    return f"?{written}" if written else ""


def _wire(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """As bytes that a server lets pass: no control characters."""
    return [(name.encode(), _CONTROL.sub(b"", _bytes(value))) for name, value in headers]


_CONTROL = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


def _bytes(value: str) -> bytes:
    return value.encode("latin-1") if value.isascii() or max(value) <= "\xff" else value.encode()


# JSON bodies.


def _json_body(
    draw: random.Random, document: dict[str, Any], schema: dict[str, Any], path: str, strange: bool
) -> bytes:
    value = _made(draw, document, schema)
    if isinstance(value, dict) and path == "/v1/jobs" and draw.random() < 0.8:
        sources = [
            {"dataset": "source"},
            {"dataset": "source"},
            {"version": "m@1"},
            {"preset": "minilm_l6_v2"},
        ]
        value |= {"model": "m2", "source": draw.choice(sources), "target": {"dataset": "target"}}
    if isinstance(value, dict) and "version" in value:
        value["version"] = draw.choice([1, "1", "m@1"])
    if not strange:
        return _written(value)
    if (
        isinstance(value, dict) and draw.random() < 0.4
    ):  # nothing but what is needed, and a place for anything
        value = {
            name: one
            for name, one in value.items()
            if name in {*_resolved(document, schema)["required"], "metadata"}
        }
        if draw.random() < 0.6:
            return _written(value)
    chosen = draw.random()
    if chosen < 0.15:
        return hostile_files.json_value(draw).encode("utf-8", "surrogatepass")
    for _ in range(draw.choice([1, 1, 1, 3])):
        value = _changed(draw, value)
    text = _written(value)
    if chosen < 0.3:
        return draw.choice(
            [
                text[: draw.randrange(len(text) + 1)],
                b"\xef\xbb\xbf" + text,
                text.decode("utf-8", "replace").encode("utf-16"),
                text.decode("utf-8", "replace").encode("utf-32"),
                text.replace(b'"', b"'"),
                text + text,
                b"\xff" + text,
                text.replace(b"m", b"\xed\xa0\x80", 1),
                text.replace(b"{", b'{"model":"m2","model":"m3",', 1),
                b" " * 100_000 + text,
                b"",
                b"null",
                b"model=m2",
            ]
        )
    return text


def _strange_value(draw: random.Random, instead: Any = None) -> Any:
    """Of the kind of what stood there, most times: else it comes no further than its type."""
    if draw.random() < 0.7:
        if isinstance(instead, str):
            return draw.choice([Raw(draw.choice(_TEXTS)), Raw(draw.choice(_TEXTS)), hostile_text(draw)])
        if isinstance(instead, int | float):
            return draw.choice([Raw(draw.choice(RAW)), 10**18, 10**30, -(2**63) - 1, 2**63, 0, 1e308, True])
    return draw.choice(
        [
            Raw(draw.choice(RAW)),
            Raw(draw.choice(_TEXTS)),
            hostile_text(draw),
            draw.choice([True, False, None, 0, -1, 0.5, 10**18]),
            draw.choice([[], {}, [[]], [None], {"a": 1}, [1] * 10_000, ["x"], {key: key for key in _KEYS}]),
            Raw("[" * 3000 + "]" * 3000),
            Raw('{"a":' * 3000 + "1" + "}" * 3000),
            "x" * 200_000,
        ]
    )


_TEXTS = ESCAPES[:5]  # well-formed JSON, whatever it stands for


def _changed(draw: random.Random, value: Any) -> Any:
    """The value with one place changed, any place in it."""
    if isinstance(value, dict):
        if value and draw.random() < 0.8:
            key = draw.choice(sorted(value, key=str))
            return {**value, key: _changed(draw, value[key])}
        return {**value, draw.choice(_KEYS): _strange_value(draw, "")}
    if isinstance(value, list) and value and draw.random() < 0.7:
        place = draw.randrange(len(value))
        return [*value[:place], _changed(draw, value[place]), *value[place + 1 :]]
    return _strange_value(draw, value)


def _resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return {"required": [], **(document["components"]["schemas"][name] if name else schema)}


def _made(draw: random.Random, document: dict[str, Any], schema: dict[str, Any], depth: int = 0) -> Any:
    """A value that the schema allows, or nearly."""
    if "$ref" in schema:
        return _made(
            draw, document, document["components"]["schemas"][schema["$ref"].rpartition("/")[2]], depth
        )
    if "const" in schema:
        return schema["const"]
    if "enum" in schema:
        return draw.choice(schema["enum"])
    if choices := schema.get("anyOf") or schema.get("oneOf"):
        return _made(draw, document, draw.choice(choices), depth)
    kind = schema.get("type")
    if kind == "object" or "properties" in schema:
        wanted = set(schema.get("required", []))
        properties = schema.get("properties", {})
        found = {
            name: _made(draw, document, about, depth + 1)
            for name, about in properties.items()
            if name in wanted | {"kind", "metadata"} or draw.random() < (0.4 if depth < 2 else 0.25)
        }
        if "additionalProperties" in schema and not properties:
            found |= draw.choice([{"a": "b"}, {"a": Raw(draw.choice(_TEXTS))}, {draw.choice(_KEYS): "b"}])
        return found
    if kind == "array":
        return [
            _made(draw, document, schema.get("items", {}), depth + 1) for _ in range(draw.randrange(1, 3))
        ]
    if kind in ("integer", "number"):
        low = schema.get("minimum", schema.get("exclusiveMinimum", 0))
        high = schema.get("maximum", schema.get("exclusiveMaximum", low + 10))
        places = [low, high, low + (high - low) / 3]
        return int(draw.choice(places)) if kind == "integer" else draw.choice(places)
    if kind == "boolean":
        return draw.random() < 0.5
    if kind == "null":
        return None
    return draw.choice(["x", "m2", "a"])


def _written(value: Any) -> bytes:
    """As JSON, with raw texts as they are and lone surrogates as escapes."""
    raw: list[str] = []

    def marked(item: Any) -> Any:
        if isinstance(item, Raw):
            raw.append(str(item))
            return f"@raw{len(raw) - 1}@"
        if isinstance(item, dict):
            return {key: marked(one) for key, one in item.items()}
        if isinstance(item, list):
            return [marked(one) for one in item]
        return item

    text = json.dumps(marked(value))
    return re.sub(r'"@raw(\d+)@"', lambda found: raw[int(found[1])], text).encode("utf-8", "surrogatepass")


# Uploads.

_FIELDS: dict[str, list[str]] = {
    "name": ["h", *HOSTILE_TEXTS],
    "label": ["y", "label", "target", *HOSTILE_TEXTS],
    "format": ["csv", "jsonl", "parquet", "npz", "zip", "exe", "\x00"],
    "kind": ["tabular", "text", "image", "sequence", "x"],
    "input": ["text", "image", *HOSTILE_TEXTS],
    "task": ["binary", "multiclass", "multilabel", "regression", "x"],
    "separator": [",", "|", "\x00", "\n", "xxxxxxxxx", "💩"],
    "types": [
        "{}",
        '{"a": "number"}',
        '{"a": "category", "y": "text"}',
        "[]",
        "NaN",
        '{"\\ud800": "number"}',
        '{"\\u0000": "text"}',
        "[" * 5000,
        '{"a": 1e999}',
        '{"a":' * 3000,
    ],
    "metadata": [
        "{}",
        '{"a": "\\ud800"}',
        '{"\\u0000": "b"}',
        '{"a": 1}',
        '{"a": {"b": NaN}}',
        '{"a": "b", "a": "c"}',
        '{"__proto__": "x"}',
        "{" * 5000,
        json.dumps({"a": "x" * 100_000}),
        json.dumps({str(n): "" for n in range(5000)}),
    ],
    "split": ["split", *HOSTILE_TEXTS],
    "seed": _NUMBERS,
    "validation_fraction": _NUMBERS,
    "test_fraction": _NUMBERS,
    "unlabelled": ["true", "false", "2", "\x00"],
    "filename": ["a.csv", "../a.csv", "\x00.csv", "💩.zip", "x" * 3000 + ".csv", ".", "..", "/", "a.csv\n"],
    "no_such_field": ["x"],
}


def _fields(draw: random.Random, usual: dict[str, str]) -> dict[str, str]:
    fields = dict(usual)
    for name in draw.sample(sorted(_FIELDS), draw.choice([0, 0, 1, 1, 2, 4])):
        fields[name] = draw.choice(_FIELDS[name])
    return fields


def _upload(draw: random.Random, number: int, filename: str) -> Request:
    """A hostile file in an honest request, or nearly: as a raw body or as a form."""
    content = hostile_files.file(draw, filename)
    fields = _fields(draw, {"name": "h"} | ({"unlabelled": "true"} if draw.random() < 0.3 else {}))
    if draw.random() < 0.5:
        pairs = [(name, value.encode("utf-8", "surrogatepass")[:3000]) for name, value in fields.items()]
        query = _query([("filename", filename.encode()), *(pair for pair in pairs if pair[0] != "filename")])
        headers = [("Content-Type", "application/octet-stream")]
        if draw.random() < 0.2:
            headers = [(name, draw.choice(_HEADERS[name])) for name in ("Accept", "Idempotency-Key")]
        return Request(number, f"file {filename}", "POST", f"/v1/datasets{query}", _wire(headers), content)
    parts = [_part(_named(name), value.encode("utf-8", "surrogatepass")) for name, value in fields.items()]
    parts.append(_part(_named("file", filename), content))
    return _as_form(draw, number, f"file {filename}", parts)


def _form(draw: random.Random, number: int, what: str) -> Request:
    """An honest file whose form is not."""
    content = b"a,y\n" + b"".join(b"%d,%d\n" % (n, n % 2) for n in range(20))
    usual = {"name": "h", "label": "y"}
    chosen = {name: draw.choice(_FIELDS[name]) for name in draw.sample(sorted(_FIELDS), draw.randrange(1, 5))}
    parts = [
        _part(_named(name), value.encode("utf-8", "surrogatepass"))
        for name, value in (usual | chosen).items()
    ]
    filename = draw.choice(
        ["a.csv", *_FIELDS["filename"], "\ud800.csv".encode("utf-8", "surrogatepass").decode("latin-1")]
    )
    media = draw.choice(["text/csv", *(text for text in _HEADERS["Content-Type"]), *HOSTILE_TEXTS])
    parts.append(
        _part(_named("file", filename) + "\r\nContent-Type: " + re.sub("[\r\n]", "", media), content)
    )
    for _ in range(draw.choice([0, 1, 3, 2000])):
        name = draw.choice([*HOSTILE_TEXTS, *_FIELDS, "file"])
        parts.insert(
            0, _part(_named(name), draw.choice(HOSTILE_TEXTS).encode("utf-8", "surrogatepass")[:500])
        )
    request = _as_form(draw, number, f"form {what}", parts)
    if what == "broken":
        request.body = hostile_files.damaged(draw, request.body)
        if draw.random() < 0.3:
            request.headers = _wire([("Content-Type", draw.choice(_HEADERS["Content-Type"]))])
    return request


def _form_body(draw: random.Random, schema: dict[str, Any], strange: bool) -> bytes:
    """A file with the fields of another form than that of data sets."""
    content = b"a,y\n" + b"".join(b"%d,%d\n" % (n, n % 2) for n in range(20))
    fields = {"model": "m"}
    if strange:
        content = hostile_files.file(draw, draw.choice([*FORMATS]))
        for name in draw.sample([*schema["properties"], "no_such_field"], 2):
            fields[name] = draw.choice([*HOSTILE_TEXTS, *_NUMBERS])
    parts = [_part(_named(name), value.encode("utf-8", "surrogatepass")) for name, value in fields.items()]
    body = b"".join([*parts, _part(_named("file", "rows.csv"), content)]) + b"--edge--\r\n"
    return hostile_files.damaged(draw, body) if strange and draw.random() < 0.3 else body


def _named(name: str, filename: str | None = None) -> str:
    quoted = [re.sub('[\r\n"]', "_", text) for text in (name, filename or "")]
    return f'form-data; name="{quoted[0]}"' + (f'; filename="{quoted[1]}"' if filename is not None else "")


def _part(disposition: str, content: bytes) -> bytes:
    return (
        b"--edge\r\nContent-Disposition: "
        + disposition.encode("utf-8", "surrogatepass")
        + b"\r\n\r\n"
        + content
        + b"\r\n"
    )


def _as_form(draw: random.Random, number: int, about: str, parts: list[bytes]) -> Request:
    headers = [("Content-Type", "multipart/form-data; boundary=edge")]
    if draw.random() < 0.2:
        headers += [(name, draw.choice(_HEADERS[name])) for name in ("Accept", "Idempotency-Key")]
    return Request(number, about, "POST", "/v1/datasets", _wire(headers), b"".join(parts) + b"--edge--\r\n")
