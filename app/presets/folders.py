"""What is in a preset's folder, and can the workers read it? Told by its small files alone.

The workers read the same files, and refuse what is refused here; a test holds both against each other.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from app.presets.files import BrokenFile, Count, FileModel, Size, Text, card, is_there, read, size
from app.presets.manifests import Manifest
from app.presets.schemas import PresetView
from app.presets.sentences import recipe_of

_MARK = "keras_hub>"
_TEXTS = ("BertBackbone", "DistilBertBackbone", "ElectraBackbone")
_TOKENIZERS = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
_CUTS = {"split": True, "suffix_indicator": "##", "oov_token": "[UNK]", "special_tokens": None}
"""How BERT cuts words; a tokenizer may leave out what is as usual."""
_IMAGES = (
    "CSPNetBackbone",
    "DenseNetBackbone",
    "EfficientNetBackbone",
    "MobileNetBackbone",
    "ResNetBackbone",
    "VGGBackbone",
    "XceptionBackbone",
)

_INSTALL = "pip install --no-deps -r locks/worker.txt, where the workers run: it has keras-hub."
_OF_A_HUB = re.compile(r"[\w-][\w.-]*(/[\w-][\w.-]*)?\Z")
"""The names that hubs give; a config may name a folder of the machine that it was made on instead."""


@dataclass(frozen=True)
class Content:
    """A preset's kind of data, what it is, and what keeps it from being used, if anything does."""

    kind: Literal["text", "image"]
    summary: str
    units: int | None = None
    origin: str | None = None
    length: int | None = None
    recipe: str | None = None
    parameters: int | None = None
    problem: str | None = None
    needs_kerashub: bool = False


class _Config(FileModel):
    """What tells whose config it is."""

    registered_name: Text = ""


class _Bert(FileModel):
    """`config.json` of Hugging Face, as far as its family needs no more."""

    model_type: Text | None = None
    hidden_act: Text | None = None
    position_embedding_type: Text = "absolute"
    name_or_path: Text | None = Field(None, alias="_name_or_path")


class _BertShape(_Bert):
    """The numbers that the workers build a BERT by."""

    num_hidden_layers: Annotated[int, Field(gt=0, le=1000)]
    hidden_size: Size
    num_attention_heads: Size
    intermediate_size: Size
    vocab_size: Size
    max_position_embeddings: Size
    layer_norm_eps: Annotated[float, Field(gt=0, lt=1)]

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> Self:
        _divides(self.num_attention_heads, self.hidden_size)
        return self


class _Inside(FileModel):
    """The options of a KerasHub backbone of any kind."""

    image_shape: Annotated[list[Size | None], Field(min_length=3, max_length=3)] | None = None
    input_shape: Annotated[list[Size | None], Field(min_length=3, max_length=3)] | None = None
    hidden_dim: Size | None = None


class _KerasHub(_Config):
    config: _Inside


class _EncoderShape(FileModel):
    """The numbers that the workers build an encoder by."""

    num_layers: Annotated[int, Field(gt=0, le=1000)]
    hidden_dim: Size
    num_heads: Size
    intermediate_dim: Size
    max_sequence_length: Size
    vocabulary_size: Size | None = None
    vocab_size: Size | None = None
    embedding_dim: Size | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        _divides(self.num_heads, self.hidden_dim)
        if self.vocabulary_size is None and self.vocab_size is None:
            raise ValueError("a config with the size of its vocabulary")
        return self


class _Encoder(_Config):
    config: _EncoderShape


class _Tokenizer(_Config):
    config: dict[str, Any] = Field(default_factory=dict)


class _Metadata(FileModel):
    keras_hub_version: Text = ""
    parameter_count: Count | None = None


def view(name: str, folder: Path, place: str, manifest: Manifest | None, *, has_kerashub: bool) -> PresetView:
    """The preset in this folder; `manifest` is of the worker that fetched it.

    `place` is how the folder is called to those who may not know where it lies.
    """
    content = _content(folder)
    problem = content.problem
    if problem is not None:
        problem = f"{problem} Where: {place}, within the one that MODEL_TRANSFER_PRESET_DIR names."
    elif content.needs_kerashub and not has_kerashub:
        problem = _INSTALL
    manifest = manifest or Manifest(name=name)
    return PresetView(
        name=name,
        kind=content.kind,
        summary=manifest.summary or content.summary,
        parameters=manifest.parameters or content.parameters,
        units=manifest.units or content.units,
        length=content.length,
        recipe=content.recipe,
        bytes=size(folder),
        licence=_licence(folder),
        origin=manifest.origin or content.origin,
        here=problem is None,
        place=place,
        how_to_bring=problem,
    )


def broken(name: str, place: str, problem: str) -> PresetView:
    """A preset of which nothing is known but that it cannot be used."""
    return PresetView(
        name=name,
        kind="text",
        summary="A preset that cannot be read.",
        parameters=None,
        units=None,
        length=None,
        recipe=None,
        bytes=None,
        licence=None,
        origin=None,
        here=False,
        place=place,
        how_to_bring=problem,
    )


def _content(folder: Path) -> Content:
    content = Content("text", "A folder whose files cannot be read.")
    try:
        registered = read(folder / "config.json", _Config).registered_name
        if not registered.startswith(_MARK):
            return _hugging_face(folder)
        return _kerashub(folder, registered.removeprefix(_MARK))
    except BrokenFile as error:
        return replace(content, problem=str(error))


def _hugging_face(folder: Path) -> Content:
    about = read(folder / "config.json", _Bert)
    content = Content(
        kind="text",
        summary=f"An encoder of the family {about.model_type}, from a folder.",
        origin=about.name_or_path if _OF_A_HUB.match(about.name_or_path or "") else None,
    )
    if (about.model_type, about.hidden_act, about.position_embedding_type) != ("bert", "gelu", "absolute"):
        problem = (
            "Expected a Hugging Face folder of the BERT family, with gelu and absolute positions. "
            f"Received: {about.model_type} with {about.hidden_act}. Take another encoder."
        )
        return replace(content, problem=problem)
    shape = read(folder / "config.json", _BertShape)
    recipe = recipe_of(folder)
    return replace(
        content,
        units=shape.hidden_size,
        length=shape.max_position_embeddings,
        recipe=recipe.told or None,
        problem=_lacking(folder, ("vocab.txt", "model.safetensors")) or recipe.problem,
    )


def _kerashub(folder: Path, family: str) -> Content:
    about = read(folder / "config.json", _KerasHub).config
    of_images = bool({"image_shape", "input_shape"} & about.model_fields_set)
    metadata = _Metadata()
    if os.path.lexists(folder / "metadata.json"):
        metadata = read(folder / "metadata.json", _Metadata)
    content = Content(
        kind="image" if of_images else "text",
        summary=f"{family} of KerasHub, from a folder.",
        units=about.hidden_dim,
        origin=f"keras_hub {metadata.keras_hub_version}".strip(),
        parameters=metadata.parameter_count,
        needs_kerashub=True,
    )
    if of_images:
        return replace(content, problem=_image_problem(folder, family))
    problem = _text_problem(folder, family)
    if problem is not None:
        return replace(content, problem=problem)
    return replace(content, length=read(folder / "config.json", _Encoder).config.max_sequence_length)


def _text_problem(folder: Path, family: str) -> str | None:
    path = folder / "tokenizer.json"
    tokenizer = (
        read(path, _Tokenizer) if os.path.lexists(path) else _Tokenizer(registered_name="no tokenizer")
    )
    reads = tokenizer.registered_name.removeprefix(_MARK)
    if family not in _TEXTS or reads not in _TOKENIZERS:
        return (
            f"Expected a KerasHub preset for texts of {', '.join(_TEXTS)} with its WordPiece tokenizer, "
            f"which can be made of Keras' own layers. Received: {family} with {reads}. Take one of these "
            "families, or a Hugging Face folder of the BERT family."
        )
    other = [name for name, value in _CUTS.items() if tokenizer.config.get(name, value) != value]
    if other:
        return (
            f"Expected a tokenizer that cuts as BERT does. Received: one of another {', '.join(other)}. "
            "Take another preset."
        )
    return _lacking(folder, ("assets/tokenizer/vocabulary.txt", *_weights(folder)))


def _image_problem(folder: Path, family: str) -> str | None:
    if family not in _IMAGES:
        return (
            f"Expected a KerasHub preset for images of {', '.join(_IMAGES)}, which can be made of Keras' own "
            f"layers. Received: {family}. Take one of these families."
        )
    return _lacking(folder, _weights(folder))


def _weights(folder: Path) -> tuple[str, ...]:
    """The file of the weights; large ones are in several, and one that lists them."""
    listing = "model.weights.json"
    return (listing if is_there(folder / listing) else "model.weights.h5",)


def _lacking(folder: Path, files: Sequence[str]) -> str | None:
    lacking = [file for file in files if not is_there(folder / file)]
    return f"Put its {', '.join(lacking)} there." if lacking else None


def _divides(heads: int, width: int) -> None:
    if width % heads:
        raise ValueError(f"a config whose heads share its width of {width} evenly, not {heads} of them")


def _licence(folder: Path) -> str | None:
    """The one that the card beside the weights names, in the lines before its text."""
    head = re.match(r"---\n(.*?\n)---\n", card(folder), re.DOTALL)
    named = re.search(r"^license:\s*(\S{1,100})\s*$", head[1], re.MULTILINE) if head else None
    return named[1] if named and named[1].isprintable() else None
