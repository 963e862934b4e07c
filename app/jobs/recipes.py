"""What a job may ask for: one class for each method, how it is trained, and how it is evaluated.

A recipe's fields are its method's keyword names: a test holds each against the function in `workers/transfer`
that takes them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from app.jobs.recipe import Positive, Recipe, of_usual_kind


class ParameterTransfer(Recipe):
    """Parameter transfer: the source's trained parameters start the target's network.

    Use it when source and target have mostly the same columns and the target has few labelled rows.
    """

    kind: Literal["parameter"] = "parameter"
    strategy: Literal["full", "linear_probe", "lp_ft", "gradual", "lora"] = Field(
        "lp_ft",
        description="`full` trains every layer. `linear_probe` fits only the head, on a frozen backbone. "
        "`lp_ft` fits the head, then trains all layers at a tenth of the learning rate, and is the head "
        "alone where that does not validate better. Both fit the head in closed form; with "
        "`training.epochs` it is trained by steps, and `lp_ft` keeps what it trained. `gradual` unfreezes "
        "one block of layers at a time, from the top, each after about 300 updates. `lora` adds trained "
        "low-rank matrices to the backbone's kernels.",
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
        description="With `full`, `lp_ft` and `gradual`: how many of the backbone's first layers "
        "stay frozen.",
    )
    probe_share: float = Field(
        0.5,
        gt=0,
        lt=1,
        description="With `lp_ft` and `training.epochs`: the share of the epochs that train only the head. "
        "Without `training.epochs` the head takes none, and this is not used.",
    )
    rank: int = Field(4, gt=0, le=1024, description="With `lora`: the rank of the matrices.")
    regulariser: Literal["l2_sp", "bss", "co_tuning"] | None = Field(
        None,
        description="Preserves knowledge of the source: `l2_sp` its weights, `co_tuning` its classes; `bss` "
        "suppresses the smallest singular values of the features. Not with a frozen backbone.",
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


Augmentation = Literal["safe", "shift", "rotate", "zoom", "brightness", "mirror", "reverse_complement"]


AUGMENTATIONS: dict[str, tuple[str, ...]] = {
    "image": ("safe", "shift", "rotate", "zoom", "brightness", "mirror"),
    "nucleotide": ("reverse_complement",),
}
"""By the type of the input."""


ClassWeights = dict[Annotated[str, Field(max_length=1000)], Annotated[float, Field(ge=0, le=1e6)]]


Rate = Annotated[float, Field(gt=0, le=10)]

DEFAULT_LEARNING_RATE = 0.001
"""Of a training whose rate is neither given nor chosen, and of equally good rates the one that is taken."""

LEARNING_RATES = [0.001, 0.003, 0.01]
"""The rates that each arm chooses from, where nobody gave one."""

FURTHER_RATES = [0.0003, 0.03]
"""Rates beside these for an arm without a regulariser, where others choose as many strengths of theirs."""


class Budget(Recipe):
    """The limits of a training without a number of epochs, the same for every arm.

    An update is one step of the optimizer on one batch. A round is what is validated once.
    """

    round_updates: int = Field(
        32,
        gt=0,
        le=100_000,
        description="Updates of a round, at most `max_updates`; one epoch if that has more.",
    )
    min_updates: int = Field(300, gt=0, le=1_000_000, description="Train at least so many updates.")
    patience_updates: int | None = Field(
        150,
        gt=0,
        le=1_000_000,
        description="Then stop after so many updates without a lower validation loss, and keep the best "
        "weights. Null: train `max_updates` and keep the last weights.",
    )
    patience_rounds: int = Field(3, gt=0, le=1000, description="But not before so many rounds without one.")
    max_updates: int | None = Field(
        None,
        gt=0,
        le=100_000_000,
        description="Train at most so many updates. Default: 3,000, or three epochs if that is more.",
    )
    epochs_without_validation: int = Field(
        20,
        gt=0,
        le=100_000,
        description="With fewer validation rows than `least_validation_rows`: train so many epochs, but at "
        "least `min_updates` and at most `max_updates`, and keep the last weights.",
    )
    few_validation_rows: int = Field(
        100,
        ge=0,
        le=1_000_000,
        description="With fewer validation rows than this, the best weights are not taken from before "
        "`min_updates`.",
    )
    short_epochs: int | None = Field(
        None,
        ge=0,
        le=100_000,
        description="The weights after so many epochs are taken if they are better. Default: 20 for tables, "
        "where a short training is often better, otherwise 0 for none.",
    )
    chosen_by: Literal["accuracy", "loss"] | None = Field(
        None,
        description="What short or long training and the learning rate are chosen by on held-out rows; of "
        "equal accuracies the lower loss is the better one. Default: accuracy, but loss for numbers and "
        "where `evaluation.metric` is `auc` or `log_loss`.",
    )
    least_validation_rows: int = Field(
        30,
        ge=0,
        le=1_000_000,
        description="Fewer validation rows than this choose nothing; learning rates are then chosen by "
        "cross-validation of the train rows.",
    )
    search_folds: int = Field(3, ge=2, le=20, description="Its folds.")

    @model_validator(mode="after")
    def _in_order(self) -> Budget:
        if self.max_updates is not None and self.max_updates < self.min_updates:
            raise ValueError(
                f"expected `max_updates` of at least `min_updates`, {self.min_updates}, "
                f"received {self.max_updates}; lower `min_updates` too"
            )
        return self


class Training(Recipe):
    """The budget of one training, the same for source, transfer and control."""

    epochs: int | None = Field(
        None,
        gt=0,
        le=100_000,
        description="Train exactly so many epochs. Default: until the validation loss has stopped falling, "
        "within the limits of `budget`.",
    )
    budget: Budget | None = Field(
        None, description="Limits of a training without `epochs`, counted in updates."
    )
    batch_size: int = Field(32, gt=0, le=1_000_000)
    learning_rate: Rate | None = Field(
        None,
        description="Adam's learning rate. Default: with `epochs` 0.001, otherwise each arm chooses from "
        "`learning_rates`. A source has 0.001.",
    )
    learning_rates: list[Rate] | None = Field(
        None,
        min_length=1,
        max_length=10,
        description="Learning rates to choose from, each arm for itself, on the validation rows with the "
        "first seed. Without `epochs`. Default: 0.001, 0.003 and 0.01.",
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of initial weights, shuffling and dropout.")
    shuffle: bool = Field(True, description="Shuffle the training rows before each epoch.")
    schedule: Literal["constant", "cosine", "exponential", "slanted_triangular"] = Field(
        "constant",
        description="How the learning rate changes over the training: over its epochs, or over "
        "`budget.max_updates`.",
    )
    patience: int | None = Field(
        None,
        gt=0,
        le=100_000,
        description="With `epochs`: stop after this many epochs without a lower validation loss, and keep "
        "the best weights. Without, see `budget.patience_updates`.",
    )
    class_weights: Annotated[ClassWeights, Field(max_length=1000)] | Literal["balanced"] | None = Field(
        None,
        description="Weight of each class's rows in the loss; `balanced` gives every class the same total.",
    )
    augment: list[Augmentation] | None = Field(
        None,
        max_length=8,
        description="Change the train examples a little in each step. For images: `shift`, `rotate`, `zoom` "
        "and `brightness`, each by at most a tenth or 10 degrees, `safe` for these four, and `mirror`. For "
        "DNA: `reverse_complement`. Features of a frozen backbone are computed without augmentation.",
    )

    @model_validator(mode="after")
    def _one_way(self) -> Training:
        if self.epochs is None and self.patience is not None:
            raise ValueError(
                "expected `epochs` with `patience`, which counts epochs; "
                "send `epochs` too, or `budget` with `patience_updates`"
            )
        if self.epochs is not None and self.budget is not None:
            raise ValueError("expected one of `epochs` and `budget`; leave one of them out")
        if self.epochs is not None and self.learning_rates is not None:
            raise ValueError(
                "expected `learning_rate` with `epochs`, since `learning_rates` are chosen from without "
                "`epochs`; leave one of them out"
            )
        if self.learning_rate is not None and self.learning_rates is not None:
            raise ValueError("expected one of `learning_rate` and `learning_rates`; leave one of them out")
        return self


Metric = Literal[
    "accuracy",
    "balanced_accuracy",
    "exact_match",
    "auc",
    "f1",
    "micro_f1",
    "macro_f1",
    "log_loss",
    "rmse",
    "mae",
    "r2",
]

METRICS_OF_TASK: dict[str, frozenset[str]] = {
    "binary": frozenset({"accuracy", "balanced_accuracy", "auc", "f1", "log_loss"}),
    "multiclass": frozenset({"accuracy", "balanced_accuracy", "macro_f1", "log_loss"}),
    "multilabel": frozenset({"accuracy", "exact_match", "micro_f1", "macro_f1", "auc", "log_loss"}),
    "regression": frozenset({"rmse", "mae", "r2"}),
}


Arm = Literal[
    "random_frozen",
    "source_frozen",
    "usual_network",
    "random_structure",
    "structure_with_parameters",
    "random_weights",
]


SEEDS = 3
"""Trainings of each arm where nobody said how many."""


class Evaluation(Recipe):
    """How the transfer is evaluated."""

    control: bool = Field(
        True,
        description="Also train networks without the source's knowledge on the target, and compare the "
        "transfer with the better one by validation: the network from scratch, and the same procedure from "
        "random weights, with a random structure of the same size, or from an untrained teacher.",
    )
    baseline: bool = Field(
        True,
        description="Also fit what a practitioner would use for such data in scikit-learn, the best of a few "
        "on held-out rows, and one answer for all rows; tell the transfer's gain over it, and what to use.",
    )
    arms: list[Arm] = Field(
        default=[],
        max_length=6,
        description="Ablations, each trained with the same budget and compared with the transfer. "
        "`random_frozen`: a head on random features. `source_frozen`: a head on the source's features. "
        "`usual_network`: the default network for such data from scratch, if the job uses another one. "
        "`random_structure`: random structures of the same size as the found one, a new one for each seed. "
        "`structure_with_parameters`: the found structure with the parameters it learns on the source. These "
        "two need structure transfer. `random_weights`: a preset's architecture from random weights, if the "
        "source is a preset.",
    )
    seeds: int | None = Field(
        None,
        gt=0,
        le=20,
        description="Trainings of each arm, with consecutive seeds from `training.seed`; the first "
        "makes the model. Default: 3. With 1 there is no verdict, since another seed may turn it round; an "
        "arm that no seed enters is trained once.",
    )
    margin: float = Field(
        0.02,
        ge=0,
        le=1,
        description="Arms whose difference lies within this margin are told to be equivalent; of rmse, mae "
        "and log_loss it is a share of the control's value.",
    )
    few_shot: list[Positive] = Field(
        default=[],
        max_length=10,
        description="Also train transfer and control on this many labelled rows of each class or label (for "
        "regression: rows in total), and report how many labels the transfer saves.",
    )
    metric: Metric | None = Field(
        None,
        description="Metric of the gain. Default: accuracy for classes, micro_f1 for several labels per row, "
        "r2 for numbers.",
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Confidence level of the gain's interval.")
    draws: int = Field(
        10_000,
        ge=100,
        le=100_000,
        description="Bootstrap draws of the test rows, for their part of the interval; fewer, but at least "
        "1,000, of more than 2,000 rows.",
    )

    @property
    def seed_count(self) -> int:
        """How many trainings an arm has."""
        return SEEDS if self.seeds is None else self.seeds
