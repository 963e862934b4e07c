"""What each method needs of the data beyond what every job needs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.datasets.reading.description import Description
from app.datasets.reading.profile import Profile
from app.datasets.reading.words import Kind
from app.errors import ServiceError
from app.jobs import sequences
from app.jobs.networks import usual_network
from app.jobs.recipes import CombinedTransfer, Distillation, ParameterTransfer, StructureTransfer
from app.jobs.schemas import JobSpec
from app.models.signature import Backbone, Signature


@dataclass(frozen=True)
class Examples:
    """A data set that a job is to train on."""

    description: Description
    profile: Profile


def check(
    spec: JobSpec,
    learnt: Sequence[Signature],
    backbone: Backbone,
    source: Examples | None,
    target: Examples,
    *,
    is_preset: bool = False,
) -> None:
    """Raise a ServiceError (422) that names what the method or an arm misses."""
    method, task = spec.method, target.description.task
    if task in ("seq2seq", "span"):
        sequences.check(spec, task)
    elif isinstance(method, ParameterTransfer) and method.frozen_side is not None:
        message = f"method.frozen_side: expected none for a {task} task. Received: `{method.frozen_side}`."
        hint = "Leave it out; `frozen_layers` freezes a backbone's first layers."
        raise ServiceError(422, "strategy_does_not_fit", message, hint=hint)
    if isinstance(method, ParameterTransfer):
        _contrastive(method, spec.training.epochs)
        _parameter(method, learnt[0], backbone, target.description, spec.training.batch_size)
    elif isinstance(method, StructureTransfer):
        _structure(spec, method, source, target)
    elif isinstance(method, CombinedTransfer):
        _combined(method, backbone)
    elif (
        isinstance(method, Distillation)
        and method.strategy == "decoupled"
        and (task == "multilabel" or len(learnt[0].classes) < 3)
    ):
        message = (
            "method.strategy: expected `logits` or `hints`, because `decoupled` needs one of at least 3 "
            f"classes per row. Received: `decoupled` for a {task} task."
        )
        raise ServiceError(422, "strategy_does_not_fit", message, hint="Use `logits`.")
    _arms(spec, source, target.description.kind, is_preset=is_preset)
    if spec.evaluation.retrain_source:
        _retrains(spec, source, is_preset=is_preset)
    if spec.pseudo_labels is not None:
        _pseudo_labels(target)


def needs_validation(what: str, description: Description) -> None:
    """Raise a ServiceError if the data set has no validation rows."""
    if not description.split.rows["validation"]:
        message = f"{what}: expected a data set with labelled validation rows. Received: none."
        hint = (
            "Mark validation rows in the split column, upload it without `split`, so that they are drawn, or "
            f"leave {what} out."
        )
        raise ServiceError(422, "no_validation_rows", message, hint=hint)


def _combined(method: CombinedTransfer, backbone: Backbone) -> None:
    if method.strategy in ("partial_copy", "progressive") and not backbone.in_sequence:
        message = (
            f"method.strategy: expected `adapter` or `side_tuning` for a source whose layers branch. "
            f"Received: `{method.strategy}`."
        )
        raise ServiceError(422, "strategy_does_not_fit", message, hint="Use `adapter` or `side_tuning`.")
    if method.strategy == "partial_copy" and (method.copied_layers or 0) > backbone.blocks:
        message = (
            f"method.copied_layers: expected at most {backbone.blocks}, the layers of the source's backbone. "
            f"Received: {method.copied_layers}."
        )
        raise ServiceError(422, "too_many_layers", message, hint="Lower `copied_layers`, or leave it out.")


def _parameter(
    method: ParameterTransfer, source: Signature, backbone: Backbone, target: Description, batch_size: int
) -> None:
    if method.frozen_layers and method.frozen_layers >= backbone.layers:
        message = (
            f"method.frozen_layers: expected fewer than the {backbone.layers} layers of the backbone. "
            f"Received: {method.frozen_layers}."
        )
        raise ServiceError(
            422, "too_many_layers", message, hint="Lower `frozen_layers`, or use `linear_probe`."
        )
    if method.regulariser is not None and method.strategy in ("linear_probe", "lora", "contrastive"):
        message = (
            f"method.regulariser: expected none with `{method.strategy}`, whose labels do not train the "
            f"backbone's weights. Received: `{method.regulariser}`."
        )
        hint = "Leave `regulariser` out, or use `full`, `lp_ft` or `gradual`."
        raise ServiceError(422, "regulariser_does_not_fit", message, hint=hint)
    one_class = {"binary", "multiclass"}
    if method.strategy == "contrastive" and target.task not in one_class:
        message = (
            "method.strategy: expected another one than `contrastive`, which needs one class per row. "
            f"Received: `contrastive` for a {target.task} task."
        )
        raise ServiceError(422, "strategy_does_not_fit", message, hint="Use `lp_ft`, which fits any task.")
    if method.strategy == "contrastive" and batch_size < 2:
        message = (
            "training.batch_size: expected at least 2 with `contrastive`, which learns from pairs of rows "
            f"within a batch. Received: {batch_size}."
        )
        raise ServiceError(422, "strategy_does_not_fit", message, hint="Raise `batch_size`, or use `lp_ft`.")
    if method.regulariser == "co_tuning" and not {source.task, target.task} <= one_class:
        message = (
            "method.regulariser: expected another one than `co_tuning`, which needs one class per row in "
            f"source and target. Received: a {source.task} source and a {target.task} target."
        )
        hint = "Use `l2_sp` or `bss`."
        raise ServiceError(422, "regulariser_does_not_fit", message, hint=hint)
    if method.wise_ft:
        needs_validation("method.wise_ft", target)


def _contrastive(method: ParameterTransfer, epochs: int | None) -> None:
    """With named epochs, pairs take a share of them, and a number of updates would say nothing."""
    if method.strategy == "contrastive" and epochs and "contrastive_updates" in method.model_fields_set:
        message = (
            "method.contrastive_updates: expected none with `training.epochs`, a share of which trains on "
            f"pairs. Received: {method.contrastive_updates}."
        )
        hint = "Leave `epochs` out, or set the share by `probe_share` in place of `contrastive_updates`."
        raise ServiceError(422, "strategy_does_not_fit", message, hint=hint)


def _structure(spec: JobSpec, method: StructureTransfer, source: Examples | None, target: Examples) -> None:
    if method.strategy != "search":
        return
    if source is None:
        message = "method.strategy: expected `reuse` for a source version, because its structure is fixed. "
        hint = "Use `reuse`, or send a data set as source (`source.dataset`) to search on."
        raise ServiceError(422, "nothing_to_search_on", f"{message}Received: `search`.", hint=hint)
    needs_validation("method.strategy `search` on the source", source.description)
    if spec.evaluation.control:
        needs_validation("method.strategy `search`, for the control's own search", target.description)
    if method.space is None and spec.network.kind in ("application", "pretrained"):
        message = f"method.space: expected the values to try for an `{spec.network.kind}`. Received: none."
        hint = 'Send `method.space`, such as {"architecture": ["MobileNetV2", "ResNet50V2"]}.'
        raise ServiceError(422, "option_unknown", message, hint=hint)


def _arms(spec: JobSpec, source: Examples | None, kind: Kind, *, is_preset: bool) -> None:
    """Whether each ablation takes something away that this job has."""
    is_usual = spec.network == usual_network(kind) or controls_are_usual(spec, is_preset=is_preset)
    arms, structural = spec.evaluation.arms, isinstance(spec.method, StructureTransfer)
    doubled = [arm for place, arm in enumerate(arms) if arm in arms[:place]]
    if doubled:
        raise _arm_does_not_fit(doubled[0], "each arm once", "twice", "Remove one of the two.")
    for arm in arms:
        if arm == "usual_network" and is_usual:
            hint = "Remove this arm: the control already uses that network."
            received = (
                spec.network.kind if spec.network == usual_network(kind) else "a control that is the one"
            )
            raise _arm_does_not_fit(arm, "another network than the default", received, hint)
        if arm == "random_weights" and not is_preset:
            hint = "Remove this arm: the control's second candidate starts from random weights."
            raise _arm_does_not_fit(arm, "a preset as source", "another source", hint)
        if arm in ("random_structure", "structure_with_parameters") and not structural:
            hint = "Remove this arm, or use structure transfer."
            raise _arm_does_not_fit(arm, "a structure transfer", spec.method.kind, hint)
        if arm == "random_structure" and spec.source_network.kind != "mlp":
            hint = "Remove this arm: random structures exist only for an `mlp`."
            raise _arm_does_not_fit(arm, "an `mlp`", spec.source_network.kind, hint)
        if arm == "structure_with_parameters" and source is None:
            hint = "Use `source_frozen`, which uses a version's parameters."
            raise _arm_does_not_fit(arm, "a data set as source", "a version", hint)
        if arm == "source_frozen" and structural and source is not None:
            hint = "Use `structure_with_parameters`."
            raise _arm_does_not_fit(arm, "a source that is trained", "a structure without parameters", hint)


def _retrains(spec: JobSpec, source: Examples | None, *, is_preset: bool) -> None:
    """Only a source that the job trains, and whose parameters it takes, can be trained anew."""
    if isinstance(spec.method, StructureTransfer):
        received = "structure transfer, which takes no parameters of the source"
    elif source is None:
        what = "a preset" if is_preset else "a version"
        received = f"{what} as source, which this job does not train"
    else:
        return
    message = "evaluation.retrain_source: expected a source data set, to train on once for each seed. "
    hint = (
        "Send `source.dataset` and another method, or leave `retrain_source` out: the result then speaks of "
    )
    hint += "this source alone."
    raise ServiceError(422, "source_not_trained", f"{message}Received: {received}.", hint=hint)


def controls_are_usual(spec: JobSpec, *, is_preset: bool) -> bool:
    """Whether the transfer is compared with the usual network for the kind of data, whatever its own is.

    A preset or a given structure, each with fresh weights, is nothing that one would take without a source.
    """
    reuses = isinstance(spec.method, StructureTransfer) and spec.method.strategy == "reuse"
    return reuses or (is_preset and spec.network.kind == "pretrained")


def _arm_does_not_fit(arm: str, expected: str, received: str, hint: str) -> ServiceError:
    message = f"evaluation.arms: expected {expected} for `{arm}`. Received: {received}."
    return ServiceError(422, "arm_does_not_fit", message, hint=hint)


def _pseudo_labels(target: Examples) -> None:
    task = target.description.task
    if task not in ("binary", "multiclass"):
        message = f"target.pseudo_labels: expected a task with one class per row. Received: a {task} task."
        hint = "Leave `pseudo_labels` out, or use distillation, which uses unlabelled rows for any task."
        raise ServiceError(422, "pseudo_labels_do_not_fit", message, hint=hint)
    label = next(column for column in target.profile.columns if column.name == target.description.label)
    if not label.missing:
        message = "target.pseudo_labels: expected a target with rows that have no label. Received: none."
        raise ServiceError(
            422,
            "no_unlabelled_rows",
            message,
            hint="Leave `pseudo_labels` out, or also upload rows without a label.",
        )
