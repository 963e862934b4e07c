"""Whether a job can be run at all: asked before it is accepted, so that none fails for its data's shape."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from app.datasets.reading.description import Description
from app.errors import ServiceError
from app.jobs import requirements, search_spaces
from app.jobs.evaluation import METRICS_OF_TASK
from app.jobs.networks import NETWORKS, Convnet, Mlp, Network
from app.jobs.recipes import StructureTransfer
from app.jobs.requirements import Examples, needs_validation
from app.jobs.schemas import JobSpec
from app.jobs.training import AUGMENTATIONS, Training
from app.models.signature import Backbone, Signature, features, signature


def check(
    spec: JobSpec,
    learnt: Sequence[Signature],
    backbone: Backbone,
    source: Examples | None,
    target: Examples,
    *,
    is_preset: bool = False,
) -> None:
    """Raise a ServiceError (422) that names what does not fit.

    `learnt` is what each source's network reads, `backbone` the first one's; `source` the data, where the
    job trains it; `is_preset` if the source is a preset.
    """
    target_signature = signature(target.description)
    if source is not None:
        _same_kind(source.description, target.description)
    for place, examples in (("source", source), ("target", target)):
        network = spec.source_network if place == "source" else spec.network
        if examples is not None:
            _reads(place, network, examples.description.kind)
    for source_signature in learnt:
        carries = {"source_frozen", "structure_with_parameters"} & set(spec.evaluation.arms)
        if spec.method.kind in ("parameter", "combined") or carries:
            _share_columns(source_signature, target_signature)
        if spec.method.kind == "distillation":
            _same_columns(source_signature, target_signature)
            _teaches_the_classes(source_signature, target_signature)
    for place, examples in (("source", source), ("target", target)):
        network = spec.source_network if place == "source" else spec.network
        if examples is not None and examples.description.kind == "tabular":
            for candidate in (network, *_candidates(spec, network)):
                _network_fits(place, candidate, examples)
    _training_fits("training", spec.training, target.description)
    if source is not None and spec.source_training is not None:
        _training_fits("source.training", spec.source_training, source.description)
    _has_test_rows(target.description)
    _metric_fits(spec.evaluation.metric, target.description)
    requirements.check(spec, learnt, backbone, source, target, is_preset=is_preset)


def _candidates(spec: JobSpec, network: Network) -> Iterator[Network]:
    """What a search puts in the network's place, one option at a time."""
    if isinstance(spec.method, StructureTransfer) and spec.method.space:
        yield from search_spaces.candidate_networks(network, spec.method.space)


def _columns_by_name(described: Signature) -> dict[str, str]:
    return {column.name: column.type for column in described.columns}


def _share_columns(source: Signature, target: Signature) -> None:
    """Parameters are bound to columns by name and type; at least one must be found again."""
    if not _columns_by_name(source).items() & _columns_by_name(target).items():
        message = (
            "Expected source and target to have a feature column of the same name and type. "
            f"Received: {_listed(source)} in the source, {_listed(target)} in the target."
        )
        hint = "Upload one of them again with the other's column names, or use structure transfer."
        raise ServiceError(422, "no_shared_columns", message, hint=hint)


def _listed(described: Signature) -> str:
    shown = [f"{column.name} ({column.type})" for column in described.columns[:20]]
    more = len(described.columns) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")


def _same_columns(source: Signature, target: Signature) -> None:
    """A teacher must be able to read the target's rows."""
    source_columns, target_columns = _columns_by_name(source), _columns_by_name(target)
    errors: list[dict[str, Any]] = [
        {
            "column": name,
            "expected": f"{source_columns.get(name, 'absent')}",
            "received": f"{target_columns.get(name, 'absent')}",
        }
        for name in sorted(source_columns.keys() | target_columns.keys())
        if source_columns.get(name) != target_columns.get(name)
    ]
    if errors:
        first = errors[0]
        message = (
            "Expected teacher and target with the same feature columns of the same types. "
            f"Received: column {first['column']} is {first['expected']} for the teacher "
            f"and {first['received']} in the target ({len(errors)} such columns)."
        )
        hint = "Upload the target again with the teacher's columns; `types` sets a column's type."
        raise ServiceError(422, "columns_differ", message, hint=hint, errors=errors)


def _teaches_the_classes(teacher: Signature, target: Signature) -> None:
    unknown = [name for name in target.classes if name not in teacher.classes]
    several = "multilabel" in (teacher.task, target.task) and teacher.task != target.task
    if unknown or several or bool(teacher.classes) != bool(target.classes):
        message = (
            f"Expected a teacher of the target's task and classes, {_named(target)}. "
            f"Received: one of {_named(teacher)}."
        )
        hint = "Train a teacher on data with these labels, or use parameter transfer, which may change them."
        raise ServiceError(422, "classes_differ", message, hint=hint)


def _named(described: Signature) -> str:
    several = " (multilabel)" if described.task == "multilabel" else ""
    return (", ".join(described.classes[:20]) or "numbers") + several


def _same_kind(source: Description, target: Description) -> None:
    if source.kind != target.kind:
        message = (
            f"Expected source and target of one kind of data. Received: {source.kind} data as source, "
            f"{target.kind} data as target."
        )
        hint = "Choose another source. If a kind was guessed wrong, upload that file again with `kind`."
        raise ServiceError(422, "kind_of_data_differs", message, hint=hint)


def _reads(place: str, network: Network, kind: str) -> None:
    """A network is for some kinds of data."""
    if kind not in network.reads:
        received = f"{kind} data in the {place}"
        message = f"Expected {' or '.join(network.reads)} data for a network of kind {network.kind}. "
        fitting = ", ".join(one.model_fields["kind"].default for one in NETWORKS if kind in one.reads)
        hint = f"Networks for {kind} data: {fitting}. Leave `network` out to use the default."
        if kind == "tabular":
            hint += " If the rows are texts or sequences, upload them again with `kind`."
        raise ServiceError(422, "network_of_other_kind", f"{message}Received: {received}.", hint=hint)


def _network_fits(place: str, network: Network, examples: Examples) -> None:
    """Whether a network for tables fits the columns."""
    if isinstance(network, Mlp) and not network.preprocessing:
        _only_numbers(place, examples, "`network.preprocessing` is false")
    if not isinstance(network, Convnet):
        return
    _only_numbers(place, examples, "the columns are an image's pixels")
    if network.image_shape is None:
        message = "network.image_shape: expected height, width and channels of the columns' image. "
        hint = "Send `network.image_shape`, upload the images themselves, or use an `mlp`."
        raise ServiceError(422, "image_shape_differs", f"{message}Received: none.", hint=hint)
    height, width, channels = network.image_shape
    columns = len(features(examples.description))
    if height * width * channels != columns:
        message = (
            f"Expected {height} · {width} · {channels} = {height * width * channels} feature columns in the "
            f"{place}, as network.image_shape says. Received: {columns}."
        )
        raise ServiceError(
            422, "image_shape_differs", message, hint="Correct `network.image_shape`, or use an `mlp`."
        )


def _training_fits(place: str, training: Training, description: Description) -> None:
    weights = training.class_weights
    unknown = (
        [name for name in weights if name not in description.classes] if isinstance(weights, dict) else []
    )
    one_of_them = description.task in ("binary", "multiclass")
    if unknown or (weights is not None and not one_of_them):
        known = ", ".join(description.classes[:20]) if one_of_them else f"a {description.task} task has none"
        message = f"{place}.class_weights: expected classes of the data set: {known}. Received: " + (
            ", ".join(unknown) or str(weights)
        )
        raise ServiceError(
            422,
            "class_unknown",
            f"{message}.",
            hint=f"Correct the names, or leave `{place}.class_weights` out.",
        )
    if training.patience is not None:
        needs_validation(f"{place}.patience", description)
    changes = AUGMENTATIONS.get(next(column.type for column in features(description)), ())
    wrong = [name for name in training.augment or [] if name not in changes]
    if wrong:
        message = (
            f"{place}.augment: expected changes of {description.kind} data: {', '.join(changes) or 'none'}. "
            f"Received: {wrong[0]}."
        )
        raise ServiceError(422, "augmentation_does_not_fit", message, hint=f"Remove `{wrong[0]}`.")


def _only_numbers(place: str, examples: Examples, why: str) -> None:
    for column in (column for column in examples.profile.columns if column.role == "feature"):
        if column.type not in ("number", "boolean") or column.missing:
            hint = "Use an `mlp` with `preprocessing: true`."
            found = f"a {column.type} with {column.missing} missing values"
            message = (
                f"Expected only numbers without missing values, since {why}. "
                f"Received: column {column.name} of the {place}, {found}."
            )
            raise ServiceError(422, "needs_preprocessing", message, hint=hint)


def _has_test_rows(target: Description) -> None:
    rows = target.split.rows["test"]
    if rows < 2:
        message = f"Expected a target with at least 2 labelled test rows to measure on. Received: {rows}."
        hint = (
            "Mark test rows in the split column, or upload it without `split`, so that test rows are drawn."
        )
        raise ServiceError(422, "no_test_rows", message, hint=hint)


def _metric_fits(metric: str | None, target: Description) -> None:
    if metric is not None and metric not in METRICS_OF_TASK[target.task]:
        known = ", ".join(sorted(METRICS_OF_TASK[target.task]))
        message = f"evaluation.metric: expected one of a {target.task} task: {known}. Received: {metric}."
        raise ServiceError(
            422, "metric_of_other_task", message, hint="Leave `evaluation.metric` out to use the default."
        )
