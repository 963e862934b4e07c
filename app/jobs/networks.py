"""The networks a job may ask for: one class a kind; fields are keywords of its backbone and inputs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, get_args

from pydantic import Field, Strict, TypeAdapter

from app.datasets.schema import Kind
from app.jobs.recipe import Positive, Recipe, of_usual_kind
from app.texts import Line

# JSON has lists alone, so a tuple takes one; its items stay strict.
ImageSize = Annotated[tuple[Positive, Positive], Strict(False)] | None
ImageSizeField = Field(
    None, description="Of images: height and width they are scaled to; by default their own, at most 96."
)
Channels = Literal[1, 3] | None
ChannelsField = Field(
    None, description="Of images: 1 grey, 3 in colour; by default what the train images have."
)


class NetworkRecipe(Recipe):
    """What every network says of itself."""

    reads: ClassVar[tuple[Kind, ...]] = ()
    """The kinds of data it is for."""
    in_sequence: ClassVar[bool] = True
    """Whether its layers, or blocks of them, follow one another."""

    @property
    def count_blocks(self) -> int:
        """The backbone's layers, or blocks of them, with weights: as many as can be copied."""
        return self.count_layers

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights: as many as can be frozen."""
        return 10_000


class HasTokens(NetworkRecipe):
    """Options of what a text's tokens are."""

    split: Literal["words", "characters"] | None = Field(
        None, description="What a token of a text is; by default words, unless the writing has no blanks."
    )
    max_tokens: int = Field(20_000, gt=0, le=1_000_000, description="Most frequent tokens of texts kept.")


class ReadsText(HasTokens):
    """Options of how a text becomes tokens."""

    reads: ClassVar[tuple[Kind, ...]] = ("text",)
    length: int | None = Field(
        None, gt=0, le=4096, description="Tokens read of a text; by default what 95 % of the texts have."
    )


class Mlp(NetworkRecipe):
    """Multilayer perceptron for tabular data, its preprocessing inside."""

    reads: ClassVar[tuple[Kind, ...]] = ("tabular",)

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

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return len(self.hidden_units)


class Convnet(NetworkRecipe):
    """Small convolutional network for images, or for pixels in number columns, in rows from the top left."""

    reads: ClassVar[tuple[Kind, ...]] = ("image", "tabular")

    kind: Literal["convnet"] = "convnet"
    image_shape: Annotated[tuple[Positive, Positive, Positive], Strict(False)] | None = Field(
        None,
        description="Of pixels in columns: height, width, channels; their product is the number of columns.",
    )
    image_size: ImageSize = ImageSizeField
    channels: Channels = ChannelsField
    filters: Annotated[list[Positive], Field(min_length=1, max_length=8)] = Field(
        default=[32, 64], description="Filters of each convolution; each is followed by pooling."
    )
    kernel_size: int = Field(3, gt=0, le=15, description="Width and height of the convolutions.")
    dense_units: Annotated[list[Positive], Field(max_length=8)] = Field(
        default=[128], description="Units of each Dense layer after the convolutions."
    )
    dropout: float = Field(0.0, ge=0, lt=1, description="Share of outputs dropped before the Dense layers.")
    preprocessing: bool = Field(
        False, description="Normalise each pixel by itself; by default they go in as they are."
    )
    max_categories: int = Field(256, gt=0, le=100_000, description="As of `mlp`; pixels have none.")

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return len(self.filters) + len(self.dense_units)


class Application(NetworkRecipe):
    """An architecture of `keras.applications` for images, its weights drawn at random."""

    reads: ClassVar[tuple[Kind, ...]] = ("image",)
    in_sequence: ClassVar[bool] = False

    kind: Literal["application"] = "application"
    architecture: Literal[
        "MobileNetV3Small", "MobileNetV3Large", "MobileNetV2", "EfficientNetV2B0", "ResNet50V2", "DenseNet121"
    ] = "MobileNetV3Small"
    image_size: ImageSize = ImageSizeField
    channels: Channels = ChannelsField


class Averaged(ReadsText):
    """Averaged embeddings for texts: quick, and hard to beat where few words decide."""

    kind: Literal["averaged"] = "averaged"
    embedding_units: int = Field(64, gt=0, le=4096, description="Width of a token's vector.")
    hidden_units: Annotated[list[Positive], Field(max_length=8)] = Field(
        default=[64], description="Units of each Dense layer after the mean."
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of outputs dropped before the head.")

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return 1 + len(self.hidden_units)


class TextConvnet(ReadsText):
    """Convolutions of several widths over a text's words, and the largest answer of each (Kim 2014)."""

    kind: Literal["text_convnet"] = "text_convnet"
    embedding_units: int = Field(100, gt=0, le=4096, description="Width of a token's vector.")
    filters: int = Field(100, gt=0, le=4096, description="Filters of each width.")
    widths: Annotated[list[Positive], Field(min_length=1, max_length=8)] = Field(
        default=[3, 4, 5], description="Tokens that each convolution looks at together."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of outputs dropped before the head.")

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return 1 + len(self.widths)

    @property
    def count_blocks(self) -> int:
        """The embedding, and the convolutions side by side."""
        return 2


class Transformer(HasTokens):
    """Small transformer encoder for texts and biological sequences."""

    reads: ClassVar[tuple[Kind, ...]] = ("text", "sequence")

    kind: Literal["transformer"] = "transformer"
    units: int = Field(64, gt=0, le=4096, description="Width of the representation.")
    heads: int = Field(4, gt=0, le=64, description="Attention heads; they divide `units`.")
    blocks: int = Field(2, gt=0, le=48, description="Blocks of attention and dense layers.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of outputs dropped in each block.")
    length: int | None = Field(
        None,
        gt=0,
        le=4096,
        description="Tokens or letters read; by default as 95 % of the texts or the longest sequence has.",
    )


class SequenceConvnet(NetworkRecipe):
    """Convolutions over a biological sequence that keep where a motif stands."""

    reads: ClassVar[tuple[Kind, ...]] = ("sequence",)

    kind: Literal["sequence_convnet"] = "sequence_convnet"
    filters: Annotated[list[Positive], Field(min_length=1, max_length=8)] = Field(
        default=[32, 32], description="Filters of each convolution; each is followed by pooling."
    )
    kernel_size: int = Field(8, gt=0, le=101, description="Letters that a filter looks at together.")
    pool_size: int = Field(4, gt=0, le=64, description="Places that each pooling takes the maximum of.")
    dense_units: Annotated[list[Positive], Field(max_length=8)] = Field(
        default=[64], description="Units of each Dense layer after the convolutions."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of outputs dropped before the Dense layers.")
    length: int | None = Field(
        None,
        gt=0,
        le=16_384,
        description="Letters read of a sequence; by default the longest one's, up to 1024.",
    )

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return len(self.filters) + len(self.dense_units)


class Pretrained(NetworkRecipe):
    """A pretrained backbone by the name of its preset, for texts or images; `GET /v1/presets` lists them."""

    reads: ClassVar[tuple[Kind, ...]] = ("text", "image")
    in_sequence: ClassVar[bool] = False

    kind: Literal["pretrained"] = "pretrained"
    preset: Line = Field(description="Name of the preset.", examples=["minilm_l6_v2"])
    weights: Literal["pretrained", "random"] = Field(
        "pretrained", description="`random` takes the architecture alone: what the control does."
    )
    length: int | None = Field(
        None, gt=0, le=512, description="Of texts: tokens read; by default what 95 % of the texts have."
    )
    image_size: ImageSize = Field(
        None, description="Of images: height and width; by default the preset's own."
    )
    channels: Literal[3] = Field(3, description="Of images: red, green and blue.")


Network = Annotated[
    Mlp | Convnet | Application | Averaged | TextConvnet | Transformer | SequenceConvnet | Pretrained,
    Field(discriminator="kind"),
    of_usual_kind("mlp"),
]

NETWORKS: tuple[type[NetworkRecipe], ...] = get_args(get_args(Network)[0])
"""All of them, in the order of the union."""

USUAL_NETWORK: dict[Kind, str] = {
    "tabular": "mlp",
    "image": "convnet",
    "text": "text_convnet",
    "sequence": "sequence_convnet",
}
"""The kind of network for a kind of data where a job names none."""


def usual_network(kind: Kind) -> Network:
    """That network, with its defaults."""
    usual: Network = _NETWORK.validate_python({"kind": USUAL_NETWORK[kind]})
    return usual


_NETWORK: TypeAdapter[Network] = TypeAdapter(Network)
