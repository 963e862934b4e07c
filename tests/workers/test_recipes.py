"""What a job may ask for is what the learning takes: recipes against the functions behind them."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import tracemalloc
from collections.abc import Callable
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from pydantic import BaseModel

from app.jobs import memory
from app.jobs.evaluation import METRICS_OF_TASK
from app.jobs.network_recipe import NetworkRecipe
from app.jobs.networks import NETWORKS
from app.jobs.recipes import CombinedTransfer, Distillation, ParameterTransfer, StructureTransfer
from app.jobs.result_arms import ControlName
from app.jobs.training import (
    AUGMENTATIONS,
    DEFAULT_LEARNING_RATE,
    FURTHER_RATES,
    LEARNING_RATES,
    Budget,
    Training,
)
from app.reports import words
from workers.transfer import tasks
from workers.transfer.methods.parts import rates, regularisers
from workers.transfer.proof.verdict import CONTROLS
from workers.transfer.training import augmentation, strengths
from workers.transfer.training import options as training_options

METHODS = [ParameterTransfer, StructureTransfer, CombinedTransfer, Distillation]
OF_THIS_MACHINE = {"folder"}
"""Keywords that no user gives."""


def plain(annotation: Any) -> Any:
    """A type without the bounds that requests have."""
    if get_origin(annotation) is Annotated:
        return plain(get_args(annotation)[0])
    arguments = get_args(annotation)
    if not arguments or get_origin(annotation) is Literal:
        return annotation
    if get_origin(annotation) is UnionType:
        return Union[tuple(map(plain, arguments))]  # noqa: UP007
    return get_origin(annotation)[tuple(map(plain, arguments))]


def options(recipe: type[BaseModel], without: set[str]) -> dict[str, Any]:
    """The fields of a recipe and the values they may take, where these are words."""
    fields = {
        name: plain(field.annotation) for name, field in recipe.model_fields.items() if name not in without
    }
    return {name: get_args(annotation) or annotation for name, annotation in fields.items()}


def function(package: str, recipe: type[BaseModel]) -> Callable[..., Any]:
    kind = recipe.model_fields["kind"].default
    found: Callable[..., Any] = getattr(importlib.import_module(f"workers.transfer.{package}.{kind}"), kind)
    return found


@pytest.mark.parametrize("recipe", METHODS)
def test_a_methods_recipe_has_its_keywords_defaults_and_words(recipe: type[BaseModel]) -> None:
    method = function("methods", recipe)
    parameters = inspect.signature(method).parameters.values()
    keywords = {item.name: item.default for item in parameters if item.kind == item.KEYWORD_ONLY}
    assert recipe().model_dump(exclude={"kind"}) == keywords
    hints = get_type_hints(method)
    assert options(recipe, {"kind"}) == {name: get_args(hints[name]) or hints[name] for name in keywords}


@pytest.mark.parametrize("recipe", NETWORKS)
def test_a_networks_options_are_its_backbones_keywords_and_its_inputs(recipe: type[NetworkRecipe]) -> None:
    _form, _seed, *keywords = inspect.signature(function("networks.backbones", recipe)).parameters
    inputs = [
        importlib.import_module(f"workers.transfer.networks.inputs.{kind}").OPTIONS for kind in recipe.reads
    ]
    of_inputs = {name for names in inputs for name in names}
    if recipe.model_fields["kind"].default == "pretrained":
        of_inputs -= {"split", "max_tokens"}  # the preset brings its tokens
    assert set(options(recipe, {"kind"})) == (set(keywords) | of_inputs) - OF_THIS_MACHINE


def test_every_augmentation_a_job_may_ask_for_is_made() -> None:
    made = {of: {*changes} for of, changes in augmentation.OF_TYPE.items()}
    assert {of: {*asked} - {"safe"} for of, asked in AUGMENTATIONS.items()} == made
    assert set(augmentation.SAFE) <= made["image"]


def test_the_training_options_are_those_of_the_loop() -> None:
    of_each_arm, of_the_method = {"learning_rates"}, {"regulariser_strength"}
    assert (
        set(Training.model_fields) - of_each_arm
        == {field.name for field in dataclasses.fields(training_options.Training)} - of_the_method
    )


def test_a_budgets_limits_are_those_of_the_loop() -> None:
    taken = {field.name: field.default for field in dataclasses.fields(training_options.Budget)}
    filled_in = {"max_updates": 3000, "short_epochs": 0, "chosen_by": "loss"}
    assert Budget().model_dump() | filled_in == taken


def test_ties_go_to_the_rate_that_a_training_has_where_nobody_gave_one() -> None:
    assert rates.DEFAULT_LEARNING_RATE == DEFAULT_LEARNING_RATE


@pytest.mark.parametrize("name", get_args(regularisers.Regulariser))
def test_an_arm_without_a_regulariser_tries_as_many_further_rates_as_there_are_further_strengths(
    name: regularisers.Regulariser,
) -> None:
    default, *further = regularisers.strengths_to_try(name)
    assert default == regularisers.STRENGTHS[name]
    assert sorted(further) == pytest.approx([default / 10, default * 10])
    assert len(further) == len(FURTHER_RATES)
    assert not {*FURTHER_RATES} & {*LEARNING_RATES}


def test_the_memory_of_a_head_is_estimated_from_the_rows_that_it_is_fitted_on() -> None:
    assert (memory._HEAD_ROWS, memory._HEAD_VALUES) == (strengths.CHOICE_ROWS, strengths.MOST_VALUES)


def test_a_head_takes_at_least_the_memory_that_is_estimated_and_little_more() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.normal(size=(3000, 200)).astype(np.float32), draw.normal(size=3000)
    weights = np.ones(3000)
    content = strengths.Content.of(x, y, weights)
    tracemalloc.start()
    strengths.fit_linear(x, y, "regression", 0, weights, content)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert memory._HEAD_BYTES * x.size <= most < 1.5 * memory._HEAD_BYTES * x.size


def test_what_the_control_may_be_has_words_in_the_sentence_and_on_the_page() -> None:
    assert set(get_args(ControlName)) == set(CONTROLS) == set(words.CONTROLS)


def test_every_metric_a_job_may_ask_for_is_measured() -> None:
    for task, metrics in METRICS_OF_TASK.items():
        assert metrics <= set(tasks.METRICS[task])  # type: ignore[index]
        assert tasks.DEFAULT_METRIC[task] in metrics  # type: ignore[index]
