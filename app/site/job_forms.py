"""What the form of a job says: its groups of options, and the request that its fields come to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.jobs.evaluation import Evaluation
from app.jobs.recipe import Recipe
from app.jobs.training import Training
from app.methods import service as methods
from app.methods.schemas import OptionsView
from app.site.schema_forms import Field, fields, typed

METHOD = "parameter"
"""What is chosen at first, as where a job names no method."""

_SECTIONS: dict[str, type[Recipe]] = {"training": Training, "evaluation": Evaluation}


@dataclass(frozen=True)
class Sections:
    """The groups of options of a form, by the part of the request that they are."""

    method: OptionsView
    network: OptionsView | None
    fields: dict[str, list[Field]]


def job_of(given: Mapping[str, str]) -> dict[str, Any]:
    """The request that the form's fields say: those that are left empty are left out."""
    kind, _, reference = given.get("source", "").partition(":")
    body: dict[str, Any] = {
        name: given[name] for name in ("model", "name", "champion", "queue", "priority") if name in given
    }
    body["source"] = {kind: reference} if kind in ("dataset", "version", "preset") else {}
    body["target"] = {"dataset": given["target.dataset"]} if "target.dataset" in given else {}
    chosen = sections(given)
    for part, known in chosen.fields.items():
        told = typed(given, known)
        kinds = {"method": chosen.method.kind, "network": chosen.network and chosen.network.kind}
        if part in kinds and kinds[part] is not None and (told or given.get(f"{part}.kind")):
            told = {"kind": kinds[part], **told}
        if told:
            body[part] = told
    notes = [line.partition("=") for line in given.get("metadata", "").splitlines() if line.strip()]
    if notes:
        body["metadata"] = {key.strip(): value.strip() for key, _, value in notes}
    return body


def sections(given: Mapping[str, str]) -> Sections:
    """The options of the method and the network that are chosen, and of training and evaluation."""
    method = methods.find(methods.methods(), given.get("method.kind") or METHOD)
    kind = given.get("network.kind")
    network = methods.find(methods.networks(), kind) if kind else None
    found = {"method": fields(method.options, "method.", ("kind",))}
    if network is not None:
        found["network"] = fields(network.options, "network.", ("kind",))
    for part, recipe in _SECTIONS.items():
        found[part] = fields(recipe.model_json_schema(), f"{part}.")
    return Sections(method, network, found)
