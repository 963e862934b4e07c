"""Which field of a job must be lowered, so that its largest training needs less memory?"""

from __future__ import annotations

from typing import Any

from app.jobs.memory import MemoryNeed
from app.jobs.recipe import Recipe
from app.jobs.recipes import StructureTransfer
from app.jobs.schemas import JobSpec
from app.jobs.sizes import InputSpec


def field_to_lower(spec: JobSpec, need: MemoryNeed) -> str:
    """The field that makes the need least where it has its default, or of defaults half of it."""
    searched = (spec.method.space or {}) if isinstance(spec.method, StructureTransfer) else {}
    for lowered in (_defaults, _halves):
        fields = {
            f"{'method.space' if option in searched else need.place}.{option}": need.again(
                need.network.model_copy(update={option: value}), spec.method
            ).bytes
            for option, value in lowered(need.network, need.input_spec).items()
        }
        for option, value in lowered(spec.method, need.input_spec).items():
            if option in ("rank", "bottleneck"):
                changed = spec.method.model_copy(update={option: value})
                fields[f"method.{option}"] = need.again(need.network, changed).bytes
        field = min(fields, key=lambda field: fields[field], default=need.place)
        if fields and fields[field] < need.bytes:
            return field
    return need.place


def _defaults(recipe: Recipe, input_spec: InputSpec) -> dict[str, Any]:
    """The options that have another value than their default."""
    return {
        name: field.get_default()
        for name, field in type(recipe).model_fields.items()
        if name != "image_shape" and not field.is_required() and getattr(recipe, name) != field.get_default()
    }


def _halves(recipe: Recipe, input_spec: InputSpec) -> dict[str, Any]:
    """The numbers and lists of numbers, each half as large; of those that the data decides, what it says."""
    found = {
        "image_size": input_spec.shape[:2] if len(input_spec.shape) == 3 else None,
        "length": input_spec.shape[0] if input_spec.tokens or len(input_spec.shape) == 2 else None,
    }
    halves: dict[str, Any] = {}
    for option in set(type(recipe).model_fields) - {"image_shape", "channels"}:
        value = getattr(recipe, option)
        value = found.get(option) if value is None else value
        if isinstance(value, list | tuple):
            halves[option] = type(value)((number + 1) // 2 for number in value)
        elif isinstance(value, int) and not isinstance(value, bool):
            halves[option] = (value + 1) // 2
    return dict(sorted(halves.items()))
