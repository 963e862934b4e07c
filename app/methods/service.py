"""What the recipes say of themselves: the source of the API's own description of methods and networks."""

from __future__ import annotations

import inspect
from typing import Any, get_args

from app.errors import ServiceError, did_you_mean
from app.jobs import recipes
from app.jobs.network_recipe import NetworkRecipe
from app.jobs.networks import NETWORKS
from app.jobs.recipe import Recipe
from app.methods.schemas import OptionsView


def methods() -> list[OptionsView]:
    """Every method, in the order of the union that a job's `method` is."""
    return [_view(recipe) for recipe in _members(recipes.Method)]


def networks() -> list[OptionsView]:
    """Every kind of network."""
    return [_view(recipe) for recipe in NETWORKS]


def find(known: list[OptionsView], kind: str) -> OptionsView:
    """The one of this kind."""
    for view in known:
        if view.kind == kind:
            return view
    kinds = [view.kind for view in known]
    message = f"Expected one of {', '.join(kinds)}. Received: {kind}."
    raise ServiceError(
        404,
        "kind_not_found",
        message,
        hint=did_you_mean(kind, kinds) or "GET /v1/methods and GET /v1/networks list all kinds.",
    )


def _members(union: Any) -> list[type[Recipe]]:
    return list(get_args(get_args(union)[0]))


def _view(recipe: type[Recipe]) -> OptionsView:
    summary, _, when = inspect.getdoc(recipe).partition("\n\n")  # type: ignore[union-attr]
    schema = recipe.model_json_schema()
    required = schema.get("required", [])
    defaults = {} if required else recipe().model_dump(mode="json")
    return OptionsView(
        kind=recipe.model_fields["kind"].default,
        summary=summary,
        when_to_use=" ".join(when.split()) or None,
        defaults=defaults
        or {name: field.default for name, field in recipe.model_fields.items() if name not in required},
        required=required,
        reads=list(recipe.reads) if issubclass(recipe, NetworkRecipe) else None,
        options=schema,
    )
