"""The networks for texts that are answered with texts: translations, and questions about a context."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from app.datasets.reading.words import Kind
from app.jobs import sizes
from app.jobs.network_recipe import NetworkRecipe
from app.jobs.sizes import InputSpec, Layer, PresetSize


class EncoderDecoder(NetworkRecipe):
    """Small transformer that answers a text with a text: an encoder reads, a decoder writes.

    Both know their texts by pieces of words that are learnt from the train rows.
    """

    reads: ClassVar[tuple[Kind, ...]] = ("pairs",)
    in_sequence: ClassVar[bool] = False
    dependent: ClassVar[tuple[str, ...]] = ("units", "heads")

    kind: Literal["encoder_decoder"] = "encoder_decoder"
    units: int = Field(128, gt=0, le=4096, multiple_of=2, description="Width of the representation.")
    heads: int = Field(4, gt=0, le=64, description="Attention heads; `units` must be a multiple of it.")
    blocks: int = Field(2, gt=0, le=48, description="Blocks of the encoder, and as many of the decoder.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of outputs dropped in each block.")
    max_tokens: int = Field(
        2000,
        ge=64,
        le=60_000,
        description="Pieces of words of the sources at most, and as many of the targets.",
    )
    length: int | None = Field(
        None,
        ge=8,
        le=512,
        description="Pieces read of each source. Default: enough for 99 % of the train rows, at most 128. "
        "Answers have as many pieces as 99 % of the train rows' targets, at most 48.",
    )

    @model_validator(mode="after")
    def _heads_divide_units(self) -> Self:
        if self.units % self.heads:
            raise ValueError(f"expected `heads` that divide the {self.units} `units`, received {self.heads}")
        return self

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """Both sides' pieces as vectors, the blocks, those of the decoder with twice the attention."""
        shape = (input_spec.shape[0], self.units)
        block = sizes.attention_block(shape, self.heads, "units")
        second = [sizes.dense(shape, self.units, "units") for _ in range(4)]
        norms = Layer(shape, 2 * self.units, option="units")
        decoded = sizes.joined([block, *second, norms], shape)
        read = sizes.embedding(input_spec, self.units, "units")
        said = sizes.embedding(InputSpec(input_spec.shape, input_spec.answer_tokens), self.units, "units")
        return [read, *[block] * self.blocks, norms, said, *[decoded] * self.blocks, norms]


class SpanReader(NetworkRecipe):
    """Small transformer that answers a question by a span of its context, which it marks.

    It reads both together, a long context in windows that overlap, by pieces of words that are learnt from
    the train rows.
    """

    reads: ClassVar[tuple[Kind, ...]] = ("qa",)
    in_sequence: ClassVar[bool] = False
    dependent: ClassVar[tuple[str, ...]] = ("units", "heads")

    kind: Literal["span_reader"] = "span_reader"
    units: int = Field(128, gt=0, le=4096, multiple_of=2, description="Width of the representation.")
    heads: int = Field(4, gt=0, le=64, description="Attention heads; `units` must be a multiple of it.")
    blocks: int = Field(2, gt=0, le=48, description="Blocks of attention and dense layers.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of outputs dropped in each block.")
    max_tokens: int = Field(2000, ge=64, le=60_000, description="Pieces of words that are known at most.")
    window: int = Field(
        192,
        ge=32,
        le=1024,
        multiple_of=4,
        description="Pieces of a context that are read together, and answered for by the half in the middle; "
        "the next window begins half a window later. An answer has at most 20 pieces.",
    )
    length: int | None = Field(
        None,
        ge=8,
        le=4096,
        description="Pieces read of each context, rounded up to half windows. Default: enough for 99 % of "
        "the train rows, at most 1024. Of questions as many as 99 % of the train rows have, at most 64.",
    )

    @model_validator(mode="after")
    def _heads_divide_units(self) -> Self:
        if self.units % self.heads:
            raise ValueError(f"expected `heads` that divide the {self.units} `units`, received {self.heads}")
        return self

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """The pieces as vectors, of three sides, and the blocks, over one window at least."""
        window = InputSpec((min(self.window, input_spec.shape[0]),), input_spec.tokens)
        shape = (window.shape[0], self.units)
        read = sizes.embedding(window, self.units, "units")
        sides = sizes.embedding(InputSpec(window.shape, 3), self.units, "units")
        blocks = [sizes.attention_block(shape, self.heads, "units") for _ in range(self.blocks)]
        return [read, sides, *blocks, Layer(shape, 2 * self.units, option="units")]

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights: two embeddings, eight of each block, a normalisation."""
        return 3 + 8 * self.blocks
