"""What a receipt tells of each layer and weight: copied or new, trained or frozen, how far it moved, why."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

Origin = Literal["copied", "partly copied", "new", "reinitialised"]
Trained = Literal["trained", "frozen", "adapted"]


def _only_if_partly(default: Any, description: str) -> Any:
    return Field(
        default, description=f"{description} Only of `partly copied`.", exclude_if=lambda value: value is None
    )


class ReceiptWeight(BaseModel):
    """One weight of a layer."""

    name: str = Field(examples=["kernel"])
    shape: list[int]
    parameters: int
    origin: Origin
    training: Trained
    moved: float | None = Field(
        None, description="The distance relative to the start's length; null where that is nearly 0."
    )
    distance: float | None = Field(None, description="From its start; null where the start is not known.")
    copied: list[str] | None = _only_if_partly(None, "Rows or columns that are the source's.")
    new: list[str] | None = _only_if_partly(None, "Rows or columns that the source has none of.")
    share: float | None = _only_if_partly(None, "The copied part of its parameters.")


class ReceiptLayer(BaseModel):
    """One layer: where its weights come from, and whether they were trained."""

    part: Literal["preprocessing", "backbone", "head"]
    layer: str = Field(description="Its path in the part.", examples=["dense_1"])
    kind: str = Field(description="Its class in Keras.", examples=["Dense"])
    origin: Origin
    training: Trained
    why: str
    weights: list[ReceiptWeight]


class ReceiptTotals(BaseModel):
    """Numbers of parameters by origin and training."""

    model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)

    parameters: int
    copied: int
    partly_copied: int = Field(alias="partly copied")
    new: int
    reinitialised: int
    trained: int
    frozen: int
    adapted: int = 0
    coverage: float = Field(description="The copied share of all parameters.")


class Receipt(BaseModel):
    """For each layer and weight: copied or new, trained or frozen, how far it moved, why."""

    layers: list[ReceiptLayer] = Field(default=[])
    totals: ReceiptTotals | None = None
