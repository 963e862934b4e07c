"""What all recipes are: options that are complete and closed."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

Positive = Annotated[int, Field(gt=0, le=1_000_000_000)]
"""Beyond it nothing can be run; what is below may still be too much, see `limits.py`."""


class Recipe(BaseModel):
    """Options are complete and closed: an unknown field is an error, and so is `true` or "1" for 1."""

    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


def of_usual_kind(kind: str) -> BeforeValidator:
    """Options without a kind are those of the usual one."""
    return BeforeValidator(lambda given: {"kind": kind, **given} if isinstance(given, dict) else given)
