"""What every network that a job may ask for says of itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from app.datasets.reading.words import Kind
from app.jobs.recipe import Recipe
from app.jobs.sizes import InputSpec, Layer, PresetSize


class NetworkRecipe(Recipe):
    """What every network says of itself."""

    reads: ClassVar[tuple[Kind, ...]] = ()
    """The kinds of data it is for."""
    in_sequence: ClassVar[bool] = True
    """Whether its layers, or blocks of them, follow one another."""
    dependent: ClassVar[tuple[str, ...]] = ()
    """Options of which not every value goes with every other's."""
    searched: ClassVar[Mapping[str, list[Any]]] = {}
    """The largest structures that a search without a `space` tries, by option."""

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """Its backbone's layers on what it reads, in order; `presets` are those that options name."""
        raise NotImplementedError  # each network that a job may ask for says its own: the union has no other

    @property
    def count_blocks(self) -> int:
        """The backbone's layers, or blocks of them, with weights: as many as can be copied."""
        return self.count_layers

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights: as many as can be frozen."""
        return 10_000
