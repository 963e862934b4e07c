"""What a job may ask of its trainings: epochs or a budget, learning rates, and what is done to the rows."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from app.jobs.recipe import Recipe

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
