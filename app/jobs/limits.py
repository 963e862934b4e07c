"""Is a job too large to run, or too long? Told before it is accepted."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from app.errors import ServiceError
from app.jobs import folds
from app.jobs.baseline_memory import baseline_bytes
from app.jobs.budgets import chooses_strength, epoch_updates, most_updates
from app.jobs.input_specs import input_spec_of
from app.jobs.memory import MemoryNeed, Presets, memory_needs
from app.jobs.memory_advice import field_to_lower
from app.jobs.networks import Application
from app.jobs.recipes import Method, StructureTransfer
from app.jobs.requirements import Examples
from app.jobs.schemas import Estimate, JobSpec
from app.jobs.training import FURTHER_RATES, Budget, Training
from app.settings import Settings

_STEPS_AN_EPOCH = 10
"""An epoch of fewer steps counts as so many: it is validated and recorded besides."""

_SMALLEST_IMAGE = 32
"""Pixels a side that the architectures of `keras.applications` need."""


@dataclass(frozen=True)
class _Part:
    """Trainings of a job that take so many steps, and the field that says how many."""

    what: str
    field: str
    steps: int


def check(
    spec: JobSpec,
    source: Examples | None,
    target: Examples,
    presets: Presets,
    settings: Settings,
    *,
    is_preset: bool = False,
) -> Estimate:
    """What the job needs at least.

    Raises:
        ServiceError: 422; more than the settings allow, with the estimate, the limit and the field to lower.
    """
    _large_enough(spec, source, target)
    needs = list(memory_needs(spec, source, target, presets, is_preset=is_preset))
    most = max(needs, key=lambda need: need.bytes)
    if most.bytes > settings.max_job_memory_bytes:
        head = max(needs, key=lambda need: need.head_bytes)  # which no other batch makes less
        refused = head if head.head_bytes > settings.max_job_memory_bytes else most
        raise _too_large(spec, refused, settings.max_job_memory_bytes)
    of_baseline = baseline_bytes(spec, source, target)
    if of_baseline > settings.max_job_memory_bytes:
        raise _baseline_too_large(of_baseline, settings.max_job_memory_bytes)
    parts = list(_parts(spec, source, target))
    steps = sum(part.steps for part in parts)
    if steps > settings.max_job_steps:
        raise _too_long(parts, steps, settings.max_job_steps)
    return Estimate(
        parameters=most.trained + most.frozen, memory_bytes=max(most.bytes, of_baseline), steps=steps
    )


def _too_large(spec: JobSpec, need: MemoryNeed, limit: int) -> ServiceError:
    rows = f"{need.batch:,} row{'s' if need.batch > 1 else ''}"
    what = f"a step of {rows}" if need.step_bytes >= need.head_bytes else "a head in closed form"
    received = f"{need.trained + need.frozen:,} weights, and at least {_gib(need.bytes)} for {what}"
    of_batch = need.batch * need.row_bytes
    is_of_rows = of_batch > need.weights_bytes + need.table and need.head_bytes <= limit
    if is_of_rows and need.step_bytes - of_batch + need.row_bytes <= limit:
        fits = (limit - need.weights_bytes - need.table) // need.row_bytes
        field = f"{need.training}.batch_size"
        hint = f"Lower `{field}` to {fits:,} or less"
    else:
        field = field_to_lower(spec, need)
        hint = f"Lower `{field}`"
    message = (
        f"{field}: expected a training that needs at most {_gib(limit)} of memory. Received: {received}."
    )
    hint += "; if workers have more memory, the operator can raise MODEL_TRANSFER_MAX_JOB_MEMORY_BYTES."
    return ServiceError(422, "network_too_large", message, hint=hint)


def _baseline_too_large(needed: int, limit: int) -> ServiceError:
    message = (
        f"evaluation.baseline: expected what needs at most {_gib(limit)} of memory. Received: at least "
        f"{_gib(needed)} for the features of its rows."
    )
    hint = (
        "Send `evaluation.baseline: false`; if workers have more memory, the operator can raise "
        "MODEL_TRANSFER_MAX_JOB_MEMORY_BYTES."
    )
    return ServiceError(422, "network_too_large", message, hint=hint)


def _too_long(parts: Sequence[_Part], steps: int, limit: int) -> ServiceError:
    longest = max(parts, key=lambda part: part.steps)
    message = (
        f"{longest.field}: expected a job of at most {limit:,} training steps. "
        f"Received: about {steps:,}, of which {longest.steps:,} in {longest.what}."
    )
    hint = (
        f"Lower `{longest.field}`, or raise `training.batch_size`; the operator can raise "
        "MODEL_TRANSFER_MAX_JOB_STEPS."
    )
    return ServiceError(422, "training_too_long", message, hint=hint)


def _gib(size: int) -> str:
    for power, unit in ((4, "TiB"), (3, "GiB"), (2, "MiB")):
        if size >= 1024**power or unit == "MiB":
            # Whole numbers, since what is beyond any machine is beyond a float as well.
            tenths = size * 10 // 1024**power
            return f"{tenths // 10:,}.{tenths % 10} {unit}"
    raise AssertionError


def _large_enough(spec: JobSpec, source: Examples | None, target: Examples) -> None:
    """Whether images are as large as an architecture needs them."""
    asked = [("network", spec.network, target)]
    asked += [("source.network", spec.source_network, source)] if source is not None else []
    for place, network, examples in asked:
        if not isinstance(network, Application):
            continue
        height, width = input_spec_of(network, examples).shape[:2]
        if min(height, width) < _SMALLEST_IMAGE:
            message = (
                f"{place}.image_size: expected at least {_SMALLEST_IMAGE} pixels a side, as "
                f"{network.architecture} needs. Received: {height} x {width}."
            )
            hint = (
                f"Send `{place}.image_size`, such as [{_SMALLEST_IMAGE}, {_SMALLEST_IMAGE}], or use "
                "a `convnet`."
            )
            raise ServiceError(422, "image_too_small", message, hint=hint)


def _parts(spec: JobSpec, source: Examples | None, target: Examples) -> Iterator[_Part]:
    """The job's trainings by the field that makes them many."""
    asked, method, training = spec.evaluation, spec.method, spec.training
    rows = target.description.split.rows["train"]
    one = _of_an_arm(spec, target)
    searches = isinstance(method, StructureTransfer) and method.strategy == "search"
    if source is not None and spec.source_training is not None:
        learnt = spec.source_training
        if isinstance(method, StructureTransfer) and searches:
            yield _search(method, learnt, source, "the source")
        elif not isinstance(method, StructureTransfer):
            times = asked.seed_count if asked.retrain_source else 1
            what = "the source's training" if times == 1 else f"{times} trainings of the source"
            yield _Part(what, f"source.{_field(learnt)}", times * _steps(learnt, source))
    arms = 1 + asked.control + len(asked.arms)
    what = (
        f"{asked.seed_count} seed{'s' if asked.seed_count > 1 else ''} of {arms} arm{'s' if arms > 1 else ''}"
    )
    # The control has two candidates, of which the first seed chooses one.
    first = _with_the_first_seed(method, training, target, one)
    of_arms = (arms + asked.control) * first + arms * (asked.seed_count - 1) * one
    many = training.epochs is not None and asked.seed_count * arms > training.epochs
    yield _Part(what, "evaluation.seeds" if many else _field(training), of_arms)
    if isinstance(method, StructureTransfer) and searches and asked.control:
        yield _search(method, training, target, "the target")
    if asked.fold_count:
        yield _in_folds(spec, target)
    classes = max(1, len(target.description.classes))
    few = sum(_steps(training, target, min(rows, count * classes)) for count in asked.few_shot)
    if few:
        yield _Part("few-shot points", "evaluation.few_shot", few * asked.seed_count * (1 + asked.control))


def _in_folds(spec: JobSpec, target: Examples) -> _Part:
    """The arms once more in each fold, all with a first seed; the control has two candidates."""
    asked = spec.evaluation
    validation = folds.validation_rows(target.description, asked.folds or 1)
    of_an_arm = _of_an_arm(spec, target)
    one = _with_the_first_seed(spec.method, spec.training, target, of_an_arm, validation)
    steps = (1 + 2 * asked.control) * one
    if isinstance(spec.method, StructureTransfer) and spec.method.strategy == "search" and asked.control:
        steps += _search(spec.method, spec.training, target, "the target").steps
    what = f"{asked.fold_count} folds"
    return _Part(what, "evaluation.folds", asked.fold_count * steps)


def _of_an_arm(spec: JobSpec, target: Examples) -> int:
    """Steps of one training on the target; rows without a label are read by all arms, or made up for."""
    description, training = target.description, spec.training
    rows = description.split.rows["train"]
    everything = rows + description.rows - description.labelled_rows
    steps = _steps(training, target, everything if spec.method.kind == "distillation" else rows)
    return steps + (_steps(training, target, everything) if spec.pseudo_labels is not None else 0)


def _with_the_first_seed(
    method: Method, training: Training, target: Examples, one: int, validation: int | None = None
) -> int:
    """Steps of an arm with the seed that chooses its learning rate, and strength, from those there are."""
    trials, budget = len(training.learning_rates or [None]), training.budget
    if chooses_strength(method, training):
        trials += len(FURTHER_RATES)
    if budget is None or trials == 1:
        return one
    validation = target.description.split.rows["validation"] if validation is None else validation
    if validation >= budget.least_validation_rows:
        return trials * one
    return one + trials * budget.search_folds * min(one, _tried(budget, training, target))


def _search(method: StructureTransfer, training: Training, examples: Examples, of: str) -> _Part:
    epochs = method.epochs_per_trial or training.epochs
    if epochs is None:
        assert training.budget is not None  # settled before
        what = f"a search on {of}, {method.trials:,} trials of {training.budget.min_updates:,} updates"
        return _Part(what, "method.trials", method.trials * _tried(training.budget, training, examples))
    what = f"a search on {of}, {method.trials:,} trials of {epochs:,} epochs"
    field = "method.epochs_per_trial" if epochs >= method.trials else "method.trials"
    of_trial = training.model_copy(update={"epochs": epochs, "budget": None})
    return _Part(what, field, method.trials * _steps(of_trial, examples))


def _tried(budget: Budget, training: Training, examples: Examples) -> int:
    return max(budget.min_updates, epoch_updates(training, examples.description.split.rows["train"]))


def _field(training: Training) -> str:
    """What to lower where one training is too long."""
    return "training.epochs" if training.epochs is not None else "training.budget.max_updates"


def _steps(training: Training, examples: Examples, rows: int | None = None) -> int:
    """Of one training, at most; an epoch of few steps counts as more."""
    rows = examples.description.split.rows["train"] if rows is None else rows
    if training.epochs is not None:
        return training.epochs * max(_STEPS_AN_EPOCH, epoch_updates(training, rows))
    return most_updates(training, rows)
