"""Forms made from the schemas that the API describes its options with."""

from __future__ import annotations

from app.jobs.schemas import JobRequest
from app.site.job_forms import job_of, sections
from app.site.schema_forms import Field, fields, typed

CHOSEN = {"source": "dataset:source@1", "target.dataset": "target@1", "model": "m"}


def test_each_kind_of_value_has_its_field() -> None:
    schema = {
        "properties": {
            "a": {"type": "boolean", "default": True},
            "b": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]},
            "c": {"enum": ["x", "y"]},
            "d": {"type": "array"},
            "e": {"$ref": "#/$defs/E", "description": "of `e`"},
        },
        "$defs": {"E": {"type": "string"}},
    }
    made = fields(schema, "p.", ("c",))
    assert [(one.name, one.kind) for one in made] == [
        ("p.a", "choice"),
        ("p.b", "number"),
        ("p.d", "json"),
        ("p.e", "text"),
    ]
    assert (made[0].default, made[1].minimum, made[1].whole, made[3].help) == ("yes", 1, True, "of e")


def test_what_is_typed_becomes_json_and_what_cannot_be_read_stays_text() -> None:
    known = [Field("p.a", "a", "choice", "", "", ["yes", "no"]), Field("p.b", "b", "number", "", "")]
    known += [Field("p.c", "c", "json", "", ""), Field("p.d", "d", "text", "", "")]
    assert typed({"p.a": "no", "p.b": "3", "p.c": "[1]", "p.d": "3"}, known) == {
        "a": False,
        "b": 3,
        "c": [1],
        "d": "3",
    }
    assert typed({"p.b": "0.5", "p.c": "x, y"}, known) == {"b": 0.5, "c": ["x", "y"]}
    assert typed({"p.a": "perhaps", "p.b": "many"}, known) == {"a": "perhaps", "b": "many"}
    for unfit in ("NaN", "1e999", "9" * 5000, "[" * 3000, "[1e999]"):
        assert typed({"p.b": unfit, "p.c": unfit}, known) == {"b": unfit, "c": unfit}


def test_every_default_that_a_form_shows_is_taken_when_it_is_typed() -> None:
    for kind in ("parameter", "structure", "combined", "distillation"):
        given = {**CHOSEN, "method.kind": kind}
        for known in sections(given).fields.values():
            given |= {one.name: one.default for one in known if one.default and one.kind != "json"}
        JobRequest.model_validate(job_of(given))
