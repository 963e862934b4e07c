"""What comes out of `/v1/methods` and `/v1/networks`."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, Field


class OptionsView(BaseModel):
    """The options of a method or of a kind of network."""

    kind: str = Field(examples=["parameter"])
    summary: str
    when_to_use: str | None = Field(description="One sentence.")
    reads: list[str] | None = Field(None, description="For networks: the kinds of data it is for.")
    defaults: dict[str, Any] = Field(description="The options of a job that gives only the kind.")
    required: list[str] = Field(description="Options that have no default.")
    options: dict[str, Any] = Field(description="JSON schema of the options.")


class OptionsList(BaseModel):
    """All kinds."""

    data: list[OptionsView]
