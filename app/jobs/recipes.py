"""What a job may ask of a method: one class for each.

A recipe's fields are its method's keyword names: a test holds each against the function in `workers/transfer`
that takes them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from app.jobs.recipe import Recipe, of_usual_kind


class ParameterTransfer(Recipe):
    """Parameter transfer: the source's trained parameters start the target's network.

    Use it when source and target have mostly the same columns and the target has few labelled rows.
    """

    kind: Literal["parameter"] = "parameter"
    strategy: Literal["full", "linear_probe", "lp_ft", "gradual", "lora", "contrastive"] = Field(
        "lp_ft",
        description="`full` trains every layer. `linear_probe` fits only the head, on a frozen backbone. "
        "`lp_ft` fits the head, then trains all layers at a tenth of the learning rate, and is the head "
        "alone where that does not validate better. Both fit the head in closed form; with "
        "`training.epochs` it is trained by steps, and `lp_ft` keeps what it trained. `gradual` unfreezes "
        "one block of layers at a time, from the top, each after about 300 updates. `lora` adds trained "
        "low-rank matrices to the backbone's kernels. `contrastive`, for few rows per "
        "class, first draws the backbone's features of one class together and of different classes apart, at "
        "0.03 of the learning rate, then fits the head on them; for tasks with one class per row.",
    )
    backbone_learning_rate_factor: float = Field(
        0.1,
        gt=0,
        le=10,
        description="With `full`: the backbone's learning rate divided by the head's; 1 trains both alike.",
    )
    frozen_layers: int = Field(
        0,
        ge=0,
        le=1000,
        description="With `full`, `lp_ft`, `gradual` and `contrastive`: how many of the backbone's first "
        "layers stay frozen.",
    )
    frozen_side: Literal["encoder", "decoder"] | None = Field(
        None,
        description="Of `pairs`, with `full`: the side that stays frozen. `decoder` where source and target "
        "answer in the same language, so that it is shared; `encoder` where they read the same one.",
    )
    probe_share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="With `lp_ft`, `contrastive` and `training.epochs`: the share of the epochs that train "
        "only the head. Without `training.epochs` the head takes none, and this is not used.",
    )
    rank: int = Field(4, gt=0, le=1024, description="With `lora`: the rank of the matrices.")
    contrastive_updates: int = Field(
        32,
        gt=0,
        le=1_000_000,
        description="With `contrastive` and without `training.epochs`: updates on pairs of rows, rounded up "
        "to whole rounds, at most `training.budget.max_updates`.",
    )
    regulariser: Literal["l2_sp", "bss", "co_tuning"] | None = Field(
        None,
        description="Preserves knowledge of the source: `l2_sp` its weights, `co_tuning` its classes; `bss` "
        "suppresses the smallest singular values of the features. Not with a frozen backbone "
        "or `contrastive`.",
    )
    regulariser_strength: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Default: `l2_sp` 3, `bss` 0.03, `co_tuning` 0.5. Where the learning rate is chosen from "
        "the default ones, a tenth and ten times of it are tried, too, at the rate chosen, and arms without "
        "a regulariser try two further rates, 0.0003 and 0.03.",
    )
    wise_ft: bool = Field(
        False,
        description="After training, mix the weights with the initial ones; the validation loss "
        "decides how much.",
    )


OptionName = Annotated[str, Field(max_length=100)]


class StructureTransfer(Recipe):
    """Structure transfer: the network's structure comes from the source, its parameters do not.

    Use it when the source shows which network suits such data, but its knowledge does not apply.
    """

    kind: Literal["structure"] = "structure"
    strategy: Literal["search", "reuse"] = Field(
        "search",
        description="`search` tries structures on the source data set; `reuse` takes the structure "
        "of the source.",
    )
    tuner: Literal["bayesian", "hyperband", "random"] = Field(
        "bayesian", description="With `search`: how the next structure is chosen."
    )
    trials: int = Field(
        10, gt=0, le=1000, description="With `search`: structures to try; with hyperband, its budget."
    )
    epochs_per_trial: int | None = Field(
        None,
        gt=0,
        le=100_000,
        description="With `search`: epochs of each trial. Default: the training's, or without `epochs` "
        "as many as make `budget.min_updates`.",
    )
    space: dict[OptionName, Annotated[list[Any], Field(max_length=1000)]] | None = Field(
        None,
        max_length=16,
        description="With `search`: the values to try, by the name of the network's option, such as "
        '{"hidden_units": [[32], [64, 64]]}. Default: the search space of the kind of network.',
    )


class CombinedTransfer(Recipe):
    """Combined transfer: the source's structure and parameters are joined with new ones for the target.

    Use it when the source's knowledge should stay as it is while the target needs more than it offers.
    """

    kind: Literal["combined"] = "combined"
    strategy: Literal["partial_copy", "adapter", "side_tuning", "progressive"] = Field(
        "adapter",
        description="`partial_copy` takes the source's first layers and adds new ones after them. `adapter` "
        "puts small new layers between the source's. `side_tuning` blends the source with a new network "
        "beside it. `progressive` feeds the outputs of the source's layers into a new network.",
    )
    copied_layers: int | None = Field(
        None,
        gt=0,
        le=1000,
        description="With `partial_copy`: how many layers to copy. Default: all but the last.",
    )
    bottleneck: int = Field(16, gt=0, le=4096, description="With `adapter`: the width of the new layers.")
    source_learning_rate_factor: float | None = Field(
        None,
        ge=0,
        le=10,
        description="The learning rate of the source's layers divided by that of the new ones; 0 freezes "
        "them. Default: 0.1 with `partial_copy`, otherwise 0.",
    )


class Distillation(Recipe):
    """Distillation: a new network learns from the labels and from the predictions of one or more teachers.

    Use it when a large model should become a small one, or when many target rows have no label.
    """

    kind: Literal["distillation"] = "distillation"
    strategy: Literal["logits", "decoupled", "hints"] = Field(
        "logits",
        description="`logits` matches the teacher's softened predictions. `decoupled` weights the true class "
        "and the other classes separately. `hints` also matches the teacher's features.",
    )
    temperature: float = Field(4.0, ge=1, le=100, description="How much the predictions are softened.")
    alpha: float = Field(
        0.5, ge=0, le=1, description="Weight of the labels; the teacher's predictions have the rest."
    )
    beta: float = Field(
        8.0, ge=0, le=100, description="With `decoupled`: the weight of the classes other than the true one."
    )
    hint_weight: float = Field(1.0, ge=0, le=1000, description="With `hints`: the weight of the features.")


Method = Annotated[
    ParameterTransfer | StructureTransfer | CombinedTransfer | Distillation,
    Field(discriminator="kind"),
    of_usual_kind("parameter"),
]
