"""What a job may ask of its proof: which arms are compared, by which metric, over how many seeds."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator

from app.jobs.recipe import Positive, Recipe

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
    "chrf",
    "bleu",
]

METRICS_OF_TASK: dict[str, frozenset[str]] = {
    "binary": frozenset({"accuracy", "balanced_accuracy", "auc", "f1", "log_loss"}),
    "multiclass": frozenset({"accuracy", "balanced_accuracy", "macro_f1", "log_loss"}),
    "multilabel": frozenset({"accuracy", "exact_match", "micro_f1", "macro_f1", "auc", "log_loss"}),
    "regression": frozenset({"rmse", "mae", "r2"}),
    "seq2seq": frozenset({"chrf", "bleu", "exact_match", "log_loss"}),
    "span": frozenset({"f1", "exact_match"}),
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


FOLDS, REPEATS = 5, 2
"""Of a cross-validation, where nobody said how many."""

LEAST_ROWS, MOST_ROWS = 20, 2000
"""Labelled rows of a target that is cross-validated: of fewer nothing can be told."""


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
        "makes the model. Default: 3, but 1 with `folds`, which have a seed each. With 1, and without folds, "
        "there is no verdict, since another seed may turn it round; an arm that no seed enters is trained "
        "once.",
    )
    folds: int | None = Field(
        None,
        ge=0,
        le=20,
        description="Judge by cross-validation: every labelled row is held out once in so many stratified "
        "folds, rows of a group together, and transfer, control and baseline are trained and chosen anew on "
        "the rest, with a seed a fold. 0: by the test rows. Default: 5 for a target of 20 to 199 labelled "
        "rows whose test rows were not declared, else 0. Not with a split by time, nor with more than 2,000 "
        "labelled rows.",
    )
    repeats: int | None = Field(
        None, gt=0, le=10, description="How often the rows are dealt out to `folds`. Default: 2."
    )
    retrain_source: bool = Field(
        False,
        description="Train the source anew for each seed of the transfer, so that the interval holds for "
        "such sources and not for this one alone. For a source data set whose parameters are transferred; "
        "there are no folds then.",
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
        "regression: rows in total), drawn anew for each seed, and report how many labels it saves.",
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

    @field_validator("folds")
    @classmethod
    def _several(cls, folds: int | None) -> int | None:
        if folds == 1:
            raise ValueError("expected 0, or at least 2 folds")
        return folds

    @property
    def fold_count(self) -> int:
        """How often transfer, control and baseline are trained in folds."""
        return (self.folds or 0) * (self.repeats or REPEATS)

    @property
    def seed_count(self) -> int:
        """How many trainings an arm has."""
        return SEEDS if self.seeds is None else self.seeds
