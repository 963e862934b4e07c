"""What a job may ask for: one class a method, one a network, and their options.

A recipe's fields are its method's keyword names, a network's fields its backbone's: a test holds each
against the function in `workers/transfer` that takes them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[int, Field(gt=0)]


class Recipe(BaseModel):
    """Options are complete and closed: an unknown field is an error."""

    model_config = ConfigDict(extra="forbid")


class ParameterTransfer(Recipe):
    """Parameter transfer: the source's trained parameters start the target's network.

    Use it when source and target have the same columns and the target has few labelled rows.
    """

    kind: Literal["parameter"] = "parameter"
    strategy: Literal["full", "linear_probe"] = Field(
        "full",
        description="`full` trains every layer, `linear_probe` the head alone, the backbone frozen.",
    )
    backbone_learning_rate_factor: float = Field(
        0.1,
        gt=0,
        le=10,
        description="With `full`: the backbone's learning rate over the head's; 1 trains all alike.",
    )


Method = ParameterTransfer


class Mlp(Recipe):
    """Multilayer perceptron for tabular data, its preprocessing inside."""

    kind: Literal["mlp"] = "mlp"
    hidden_units: Annotated[list[Positive], Field(min_length=1, max_length=16)] = Field(
        default=[64, 64], description="Units of each hidden Dense layer."
    )
    activation: Literal["relu", "gelu", "selu", "silu", "tanh"] = "relu"
    dropout: float = Field(
        0.0, ge=0, lt=1, description="Share of each hidden layer's outputs dropped in training."
    )
    preprocessing: bool = Field(
        True,
        description="Normalise numbers, mark missing values, look categories up; else numbers go in as is.",
    )
    max_categories: int = Field(
        256, gt=0, le=100_000, description="Most frequent categories of a column kept; others share a bucket."
    )


Network = Mlp


class Training(Recipe):
    """The budget of one training, the same for source, transfer and control."""

    epochs: int = Field(20, gt=0, le=100_000)
    batch_size: int = Field(32, gt=0, le=1_000_000)
    learning_rate: float = Field(0.001, gt=0, le=10, description="Adam's learning rate.")
    seed: int = Field(0, ge=0, lt=2**31, description="Decides initial weights, shuffling and dropout.")
    shuffle: bool = Field(True, description="Shuffle the training rows before each epoch.")


Metric = Literal["accuracy", "balanced_accuracy", "auc", "f1", "macro_f1", "log_loss", "rmse", "mae", "r2"]

METRICS_OF_TASK: dict[str, frozenset[str]] = {
    "binary": frozenset({"accuracy", "balanced_accuracy", "auc", "f1", "log_loss"}),
    "multiclass": frozenset({"accuracy", "balanced_accuracy", "macro_f1", "log_loss"}),
    "regression": frozenset({"rmse", "mae", "r2"}),
}


class Evaluation(Recipe):
    """How the transfer is proved."""

    control: bool = Field(
        True, description="Also train the same network from scratch on the target, and compare."
    )
    metric: Metric | None = Field(
        None, description="Metric of the gain; by default accuracy for classes, r2 for numbers."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Level of the gain's interval.")
    draws: int = Field(10_000, ge=100, le=100_000, description="Bootstrap draws over the test rows.")
