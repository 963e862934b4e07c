"""The networks a job may ask for: one class a kind; fields are keywords of its backbone and inputs.

Each says which layers it has, so that its size is known before it is built: a test holds that against what
`workers/transfer/networks/backbones` builds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, Self, get_args

from pydantic import Field, Strict, TypeAdapter, model_validator

from app.datasets.reading.words import Kind
from app.jobs import sizes
from app.jobs.language_networks import EncoderDecoder, SpanReader
from app.jobs.network_recipe import NetworkRecipe
from app.jobs.recipe import Positive, of_usual_kind
from app.jobs.sizes import InputSpec, Layer, PresetSize
from app.texts import Line

# JSON has lists alone, so a tuple takes one; its items stay strict.
ImageSize = Annotated[tuple[Positive, Positive], Strict(False)] | None
ImageSizeField = Field(
    None, description="For images: height and width to scale them to. Default: their own size, at most 96."
)
Channels = Literal[1, 3] | None
ChannelsField = Field(
    None, description="For images: 1 for grey, 3 for colour. Default: as in the train images."
)


class HasTokens(NetworkRecipe):
    """Options of what a text's tokens are."""

    split: Literal["words", "characters"] | None = Field(
        None, description="What a token is. Default: words, or characters if the script has no spaces."
    )
    max_tokens: int = Field(
        20_000, gt=0, le=1_000_000, description="How many of the most frequent tokens to keep."
    )


class ReadsText(HasTokens):
    """Options of how a text becomes tokens."""

    reads: ClassVar[tuple[Kind, ...]] = ("text",)
    length: int | None = Field(
        None,
        gt=0,
        le=16_384,
        description="Tokens read of each text. Default: enough for 95 % of the texts, at most 2048, or 4096 "
        "in `averaged`.",
    )


class Mlp(NetworkRecipe):
    """Multilayer perceptron for tabular data, with its preprocessing inside."""

    reads: ClassVar[tuple[Kind, ...]] = ("tabular",)
    searched: ClassVar[Mapping[str, list[Any]]] = {"hidden_units": [[512] * 4]}

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
        description="Normalise numbers, mark missing values, look up categories. If false, numbers "
        "go in as is.",
    )
    max_categories: int = Field(
        256, gt=0, le=100_000, description="Most frequent categories kept of a column; the others share one."
    )

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """Dense layers, one after the other."""
        return _dense_layers(input_spec.shape, self.hidden_units, "hidden_units")

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return len(self.hidden_units)


class Convnet(NetworkRecipe):
    """Small convolutional network for images, or for pixels in columns, row by row from the top left."""

    reads: ClassVar[tuple[Kind, ...]] = ("image", "tabular")
    searched: ClassVar[Mapping[str, list[Any]]] = {
        "filters": [[64], [64, 128], [64, 128, 256]],
        "kernel_size": [5],
        "dense_units": [[256]],
    }

    kind: Literal["convnet"] = "convnet"
    image_shape: Annotated[tuple[Positive, Positive, Positive], Strict(False)] | None = Field(
        None,
        description="For pixels in columns: height, width, channels; their product is the number of columns.",
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
        False, description="Normalise each pixel. By default, pixels go in as they are."
    )
    max_categories: int = Field(256, gt=0, le=100_000, description="As for `mlp`; pixels have no categories.")

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """Convolutions and pooling, then dense layers on all that is left."""
        shape = (
            input_spec.shape if len(input_spec.shape) == 3 else self.image_shape or (1, 1, *input_spec.shape)
        )
        made = [Layer(shape)]
        for filters in self.filters:
            made.append(sizes.convolution(made[-1].shape, filters, self.kernel_size, "filters"))
            made.append(sizes.pooling(made[-1].shape, 2))
        made.append(sizes.flat(made[-1].shape))
        return made + _dense_layers(made[-1].shape, self.dense_units, "dense_units")

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return len(self.filters) + len(self.dense_units)


class Application(NetworkRecipe):
    """An architecture of `keras.applications` for images, with random weights."""

    reads: ClassVar[tuple[Kind, ...]] = ("image",)
    in_sequence: ClassVar[bool] = False

    kind: Literal["application"] = "application"
    architecture: Literal[
        "MobileNetV3Small", "MobileNetV3Large", "MobileNetV2", "EfficientNetV2B0", "ResNet50V2", "DenseNet121"
    ] = "MobileNetV3Small"
    image_size: ImageSize = ImageSizeField
    channels: Channels = ChannelsField

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """The whole architecture as one: its weights do not depend on the images' size."""
        parameters, units, activations = _ARCHITECTURES[self.architecture]
        return [
            sizes.image_backbone(input_spec, PresetSize(parameters, units), activations / _REFERENCE_PIXELS)
        ]


class Averaged(ReadsText):
    """Averaged embeddings for texts: fast, and hard to beat if a few words decide."""

    searched: ClassVar[Mapping[str, list[Any]]] = {
        "embedding_units": [128],
        "hidden_units": [[], [128], [128, 128]],
    }

    kind: Literal["averaged"] = "averaged"
    embedding_units: int = Field(64, gt=0, le=4096, description="Width of a token's vector.")
    hidden_units: Annotated[list[Positive], Field(max_length=8)] = Field(
        default=[64], description="Units of each Dense layer after the mean."
    )
    dropout: float = Field(0.2, ge=0, lt=1, description="Share of outputs dropped before the head.")

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """The embedding and its mean, then dense layers."""
        vectors = sizes.embedding(input_spec, self.embedding_units, "embedding_units")
        mean = sizes.joined([vectors], (self.embedding_units,))
        return [mean, *_dense_layers(mean.shape, self.hidden_units, "hidden_units")]

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return 1 + len(self.hidden_units)


class TextConvnet(ReadsText):
    """Convolutions of several widths over a text's words, with maximum pooling (Kim 2014)."""

    searched: ClassVar[Mapping[str, list[Any]]] = {
        "embedding_units": [100],
        "filters": [100],
        "widths": [[3, 4, 5]],
    }

    kind: Literal["text_convnet"] = "text_convnet"
    embedding_units: int = Field(100, gt=0, le=4096, description="Width of a token's vector.")
    filters: int = Field(100, gt=0, le=4096, description="Filters of each width.")
    widths: Annotated[list[Positive], Field(min_length=1, max_length=8)] = Field(
        default=[3, 4, 5], description="How many tokens each convolution covers."
    )
    dropout: float = Field(0.5, ge=0, lt=1, description="Share of outputs dropped before the head.")

    @model_validator(mode="after")
    def _each_width_once(self) -> Self:
        if len(set(self.widths)) < len(self.widths):
            raise ValueError("expected each of `widths` once")
        return self

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """The embedding, and the convolutions side by side."""
        vectors = sizes.embedding(input_spec, self.embedding_units, "embedding_units")
        beside = [sizes.convolution(vectors.shape, self.filters, width, "filters") for width in self.widths]
        return [vectors, sizes.joined(beside, (self.filters * len(self.widths),))]

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
    searched: ClassVar[Mapping[str, list[Any]]] = {"units": [128], "heads": [4], "blocks": [3]}
    dependent: ClassVar[tuple[str, ...]] = ("units", "heads")

    kind: Literal["transformer"] = "transformer"
    units: int = Field(64, gt=0, le=4096, description="Width of the representation.")
    heads: int = Field(4, gt=0, le=64, description="Attention heads; `units` must be a multiple of it.")
    blocks: int = Field(2, gt=0, le=48, description="Blocks of attention and dense layers.")
    dropout: float = Field(0.1, ge=0, lt=1, description="Share of outputs dropped in each block.")
    length: int | None = Field(
        None,
        gt=0,
        le=4096,
        description="Tokens or letters read. Default: enough for 95 % of the texts, at most 512, or the "
        "longest sequence, at most 1024.",
    )

    @model_validator(mode="after")
    def _heads_divide_units(self) -> Self:
        if self.units % self.heads:
            raise ValueError(f"expected `heads` that divide the {self.units} `units`, received {self.heads}")
        return self

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """What a place is as a vector, the blocks, the normalised mean."""
        shape = (input_spec.shape[0], self.units)
        tokens = (
            sizes.embedding(input_spec, self.units, "units")
            if input_spec.tokens
            else sizes.dense(input_spec.shape, self.units, "units")
        )
        places = sizes.embedding(InputSpec(input_spec.shape[:1], input_spec.shape[0]), self.units, "units")
        blocks = [sizes.attention_block(shape, self.heads, "units") for _ in range(self.blocks)]
        mean = Layer((self.units,), 2 * self.units, option="units")
        return [sizes.joined([tokens, places], shape), *blocks, mean]


class SequenceConvnet(NetworkRecipe):
    """Convolutions over a biological sequence that preserve the positions of motifs."""

    reads: ClassVar[tuple[Kind, ...]] = ("sequence",)
    searched: ClassVar[Mapping[str, list[Any]]] = {
        "filters": [[64], [64, 64], [64, 64, 64]],
        "kernel_size": [12],
        "pool_size": [2],
        "dense_units": [[128]],
    }

    kind: Literal["sequence_convnet"] = "sequence_convnet"
    filters: Annotated[list[Positive], Field(min_length=1, max_length=8)] = Field(
        default=[32, 32], description="Filters of each convolution; each is followed by pooling."
    )
    kernel_size: int = Field(8, gt=0, le=101, description="How many letters a filter covers.")
    pool_size: int = Field(4, gt=0, le=64, description="How many positions each maximum pooling covers.")
    dense_units: Annotated[list[Positive], Field(max_length=8)] = Field(
        default=[64], description="Units of each Dense layer after the convolutions."
    )
    dropout: float = Field(0.3, ge=0, lt=1, description="Share of outputs dropped before the Dense layers.")
    length: int | None = Field(
        None,
        gt=0,
        le=16_384,
        description="Letters read of each sequence. Default: as many as the longest has, up to 1024; beyond "
        "that enough for 95 % of the sequences, up to 4096.",
    )

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """Convolutions and pooling, then dense layers on all that is left."""
        made = [Layer(input_spec.shape)]
        for filters in self.filters:
            made.append(sizes.convolution(made[-1].shape, filters, self.kernel_size, "filters"))
            made.append(sizes.pooling(made[-1].shape, self.pool_size))
        made.append(sizes.flat(made[-1].shape))
        return made + _dense_layers(made[-1].shape, self.dense_units, "dense_units")

    @property
    def count_layers(self) -> int:
        """The backbone's layers with weights."""
        return len(self.filters) + len(self.dense_units)


class Pretrained(NetworkRecipe):
    """A pretrained backbone for texts or images, by its preset's name; `GET /v1/presets` lists them."""

    reads: ClassVar[tuple[Kind, ...]] = ("text", "image")
    in_sequence: ClassVar[bool] = False

    kind: Literal["pretrained"] = "pretrained"
    preset: Line = Field(description="Name of the preset.", examples=["minilm_l6_v2"])
    weights: Literal["pretrained", "random"] = Field(
        "pretrained", description="`random`: only the architecture, with random weights."
    )
    length: int | None = Field(
        None,
        gt=0,
        le=512,
        description="For texts: tokens read. Default: enough for 95 % of the texts, at most 128 "
        "or what the preset was made for.",
    )
    image_size: ImageSize = Field(
        None, description="For images: height and width. Default: the preset's own."
    )
    channels: Literal[3] = Field(3, description="For images: red, green and blue.")

    def layers(self, input_spec: InputSpec, presets: Mapping[str, PresetSize]) -> list[Layer]:
        """The whole preset as one; nothing where nobody knows how large it is."""
        known = presets.get(self.preset)
        if known is None:
            return [Layer((1,))]
        if len(input_spec.shape) == 3:
            return [sizes.image_backbone(input_spec, known, _LEAST_PER_PIXEL)]
        return [sizes.text_encoder(input_spec, known)]


def _dense_layers(shape: tuple[int, ...], units: list[int], option: str) -> list[Layer]:
    made: list[Layer] = []
    for count in units:
        made.append(sizes.dense(made[-1].shape if made else shape, count, option))
    return made


_ARCHITECTURES = {
    "MobileNetV3Small": (939_120, 576, 2_828_424),
    "MobileNetV3Large": (2_996_352, 960, 8_804_696),
    "MobileNetV2": (2_257_984, 1280, 13_356_224),
    "EfficientNetV2B0": (5_919_312, 1280, 9_681_808),
    "ResNet50V2": (23_564_800, 2048, 16_432_640),
    "DenseNet121": (7_037_504, 1024, 22_566_656),
}
"""Weights, width of the answer, and the outputs of convolutions and normalisations on 224 x 224 pixels."""

_REFERENCE_PIXELS = 224 * 224
_LEAST_PER_PIXEL = 50.0
"""Numbers that a preset for images keeps of a pixel: about what MobileNetV3Small does, the least of all."""


Network = Annotated[
    Mlp
    | Convnet
    | Application
    | Averaged
    | TextConvnet
    | Transformer
    | EncoderDecoder
    | SpanReader
    | SequenceConvnet
    | Pretrained,
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
    "pairs": "encoder_decoder",
    "qa": "span_reader",
}
"""The kind of network for a kind of data where a job names none."""


def usual_network(kind: Kind) -> Network:
    """That network, with its defaults."""
    usual: Network = _NETWORK.validate_python({"kind": USUAL_NETWORK[kind]})
    return usual


_NETWORK: TypeAdapter[Network] = TypeAdapter(Network)
