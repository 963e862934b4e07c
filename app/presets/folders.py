"""What is in a preset's folder, and can the workers read it? Told by its small files alone.

The workers read the same files, and refuse what is refused here; a test holds both against each other.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from app.presets.schemas import PresetView

_MARK = "keras_hub>"
_TEXTS = ("BertBackbone", "DistilBertBackbone", "ElectraBackbone")
_TOKENIZERS = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
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


@dataclass(frozen=True)
class Content:
    """A preset's kind of data, what it is, and what keeps it from being used, if anything does."""

    kind: Literal["text", "image"]
    summary: str
    units: int | None
    origin: str | None
    length: int | None = None
    parameters: int | None = None
    problem: str | None = None
    needs_kerashub: bool = False


def view(name: str, folder: Path, told: Mapping[str, Any], *, has_kerashub: bool) -> PresetView:
    """The preset in this folder; `told` is what the worker that fetched it says of it."""
    content = _content(folder)
    problem = content.problem
    if problem is None and content.needs_kerashub and not has_kerashub:
        problem = _INSTALL
    return PresetView(
        name=name,
        kind=content.kind,
        summary=told.get("summary") or content.summary,
        parameters=told.get("parameters") or content.parameters,
        units=told.get("units") or content.units,
        length=content.length,
        bytes=size(folder),
        licence=_licence(folder),
        origin=told.get("origin") or content.origin,
        here=problem is None,
        place=str(folder),
        how_to_bring=problem,
    )


def size(place: Path) -> int:
    """Bytes of all files in a folder."""
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())


def _content(folder: Path) -> Content:
    try:
        about = _json(folder / "config.json")
        registered = str(about.get("registered_name", ""))
        if not registered.startswith(_MARK):
            return _hugging_face(folder, about)
        return _kerashub(folder, registered.removeprefix(_MARK), about["config"])
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        problem = f"Expected the config of a preset in {folder}. Received: {error!r}. Put it there again."
        return Content("text", "A folder whose config cannot be read.", None, None, problem=problem)


def _hugging_face(folder: Path, about: dict[str, Any]) -> Content:
    family, activation = about.get("model_type"), about.get("hidden_act")
    problem = _lacking(folder, ("vocab.txt", "model.safetensors"))
    if (family, activation, about.get("position_embedding_type", "absolute")) != ("bert", "gelu", "absolute"):
        problem = (
            "Expected a Hugging Face folder of the BERT family, with gelu and absolute positions. "
            f"Received: {family} with {activation}. Take another encoder."
        )
    return Content(
        kind="text",
        summary=f"An encoder of the family {family}, from a folder.",
        units=about.get("hidden_size"),
        origin=about.get("_name_or_path") or None,
        length=about.get("max_position_embeddings"),
        problem=problem,
    )


def _kerashub(folder: Path, family: str, config: dict[str, Any]) -> Content:
    of_images = "image_shape" in config or "input_shape" in config
    metadata = _json(folder / "metadata.json") if (folder / "metadata.json").is_file() else {}
    return Content(
        kind="image" if of_images else "text",
        summary=f"{family} of KerasHub, from a folder.",
        units=config.get("hidden_dim"),
        origin=f"keras_hub {metadata.get('keras_hub_version', '')}".strip(),
        length=None if of_images else config.get("max_sequence_length"),
        parameters=metadata.get("parameter_count"),
        problem=_image_problem(folder, family) if of_images else _text_problem(folder, family),
        needs_kerashub=True,
    )


def _text_problem(folder: Path, family: str) -> str | None:
    told = folder / "tokenizer.json"
    reads = str(_json(told)["registered_name"]).removeprefix(_MARK) if told.is_file() else "no tokenizer"
    if family not in _TEXTS or reads not in _TOKENIZERS:
        return (
            f"Expected a KerasHub preset for texts of {', '.join(_TEXTS)} with its WordPiece tokenizer, "
            f"which can be made of Keras' own layers. Received: {family} with {reads}. Take one of these "
            "families, or a Hugging Face folder of the BERT family."
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
    return (listing if (folder / listing).is_file() else "model.weights.h5",)


def _lacking(folder: Path, files: Sequence[str]) -> str | None:
    lacking = [file for file in files if not (folder / file).is_file()]
    return f"Put its {', '.join(lacking)} into {folder}." if lacking else None


def _licence(folder: Path) -> str | None:
    """The one that the card beside the weights names, in the lines before its text."""
    card = folder / "README.md"
    if not card.is_file():
        return None
    head = re.match(r"---\n(.*?\n)---\n", card.read_text(encoding="utf-8", errors="replace"), re.DOTALL)
    named = re.search(r"^license:\s*(\S+)\s*$", head[1], re.MULTILINE) if head else None
    return named[1] if named else None


def _json(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return told
