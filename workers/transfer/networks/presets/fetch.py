"""Brings presets from a hub into the presets' folder, where they are then used without any network.

    python -m workers.transfer.networks.presets.fetch FOLDER NAME…

which is what `model-transfer presets fetch NAME…` starts. A name is one of KerasHub's own, such as
bert_tiny_en_uncased, whose version KerasHub pins; kaggle://owner/model/keras/variant/version; or
hf://owner/model, of KerasHub or of the BERT family. The hubs' own libraries download into their own caches,
which lie in the presets' folder: what is there is not downloaded again, and a cache that was filled elsewhere
can be copied there.
"""

import contextlib
import difflib
import json
import os
import re
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets import loading, lookup, manifests
from workers.transfer.networks.presets.errors import as_preset_error
from workers.transfer.networks.presets.kerashub import image_option, keras_hub

KAGGLE, HUGGING_FACE = "kaggle://", "hf://"

_PIXELS = 224
"""Height and width at which a preset for images that takes any is tried."""
_TOKENS = 8


@dataclass(frozen=True)
class _HubPreset:
    name: str
    handle: str
    summary: str | None


def caches(folder: Path) -> dict[str, str]:
    """The environment that keeps the hubs' caches in the presets' folder; credentials stay where they are."""
    return {
        "KAGGLEHUB_CACHE": str(folder / "kagglehub"),
        "HF_HUB_CACHE": str(folder / "huggingface"),
        "HF_XET_CACHE": str(folder / "huggingface" / "xet"),
    }


def fetch(name: str, folder: Path) -> dict[str, Any]:
    """Download a preset and try it; returns its manifest.

    What cannot be used is refused by its small files, before its weights are downloaded. The manifest is
    written last, so a preset is there completely or not at all.

    Raises:
        ValueError: no hub has this name, it cannot be made of Keras' own layers, or it is neither in the
            cache nor can a hub be reached.
    """
    found = _find_hub_preset(name, folder)
    try:
        path = _file(found.handle, "config.json").parent
        layout = lookup.layout_of(path)
        _download(found.handle, path, layout)
    except _failures() as error:
        reason = f"{type(error).__name__}: {next(iter(str(error).splitlines()), '')}"[:300]
        raise ValueError(
            f"Expected {name} in {folder}, or a network and access to download it from {found.handle}. "
            f"Received: {reason} Run `model-transfer presets fetch {name}` where there is a network, and "
            f"copy the folder that MODEL_TRANSFER_PRESET_DIR names there to {folder}."
        ) from error
    preset = lookup.Preset(name, layout, path)
    backbone = loading.backbone(_input_spec(preset), 0, preset, with_weights=True)
    if preset.kind == "text":
        loading.vocabulary(preset)
    manifest = {
        "name": name,
        "path": str(path.resolve().relative_to(folder.resolve())),
        "summary": found.summary,
        "origin": _origin(found.handle, path),
        "parameters": int(backbone.count_params()),
        "units": int(backbone.output_shape[-1]),
    }
    manifests.write(manifests.path_of(folder, name), manifest)
    return manifest


def _failures() -> tuple[type[Exception], ...]:
    """What the hubs' libraries raise where a network, a hub or a file fails; most are OSErrors."""
    from kagglehub.exceptions import BackendError, DataCorruptionError

    return OSError, BackendError, DataCorruptionError


def _find_hub_preset(name: str, folder: Path) -> _HubPreset:
    """The handle of a name; writes down which names KerasHub knows."""
    known = keras_hub().models.Backbone.presets
    manifests.write(folder / manifests.LIBRARY, {"version": version("keras-hub"), "names": sorted(known)})
    if name in known:
        about = known[name]
        return _HubPreset(name, about["kaggle_handle"], about.get("metadata", {}).get("description"))
    if name.startswith((KAGGLE, HUGGING_FACE)):
        return _HubPreset(name, name, None)
    near = difflib.get_close_matches(name, known, n=3)
    raise ValueError(
        f"Expected one of the {len(known)} names of KerasHub {version('keras-hub')}, a handle such as "
        f"{KAGGLE}keras/bert/keras/bert_tiny_en_uncased/3, or {HUGGING_FACE}owner/model. Received: {name}. "
        + (f"Did you mean: {', '.join(near)}?" if near else "See keras.io/keras_hub/presets for the names.")
    )


def _download(handle: str, path: Path, layout: lookup.Layout) -> None:
    """All that a preset needs, the small files that may refuse it first."""
    if layout == "hugging_face":
        from workers.transfer.networks.presets import bert, sentences

        bert.shape_of(path)
        with as_preset_error(handle):
            for _ in range(2):  # what the first turn brings names further ones
                _optional(handle, *sentences.optional_files(path))
            sentences.recipe_of(path)
        for file in bert.FILES:
            _file(handle, file)
        _optional(handle, "README.md")
        return
    library = keras_hub()
    if layout == "kerashub_text":
        from workers.transfer.networks.presets import kerashub_texts

        _file(handle, kerashub_texts.TOKENIZER_FILE)
        kerashub_texts.shape_of(path)
        library.tokenizers.Tokenizer.from_preset(handle)
        kerashub_texts.vocabulary(path)
    else:
        from workers.transfer.networks.presets.kerashub_images import CONVERTER_FILE, kerashub_image

        _file(handle, CONVERTER_FILE)
        preset = lookup.Preset(handle, layout, path)
        kerashub_image(_input_spec(preset), 0, path, with_weights=False)
    library.models.Backbone.from_preset(handle)
    _optional(handle, "metadata.json", "README.md")


def _file(handle: str, path: str) -> Path:
    """One file of a preset in the hub's cache, downloaded unless it is there."""
    if handle.startswith(HUGGING_FACE):
        import huggingface_hub

        return Path(huggingface_hub.hf_hub_download(handle.removeprefix(HUGGING_FACE), path))
    import kagglehub

    return Path(kagglehub.model_download(handle.removeprefix(KAGGLE), path))


def _optional(handle: str, *paths: str) -> None:
    for path in paths:
        # Not every preset has it. Without a network the weights, which come after it, are missing, too.
        with contextlib.suppress(OSError):
            _file(handle, path)


def _origin(handle: str, path: Path) -> str:
    """The handle with the version that was found, where it names none."""
    if handle.startswith(HUGGING_FACE):
        return f"{handle}@{path.name}"
    return handle if re.search(r"/\d+$", handle) else f"{handle}/{path.name}"


def _input_spec(preset: lookup.Preset) -> InputSpec:
    if preset.kind == "text":
        return InputSpec((_TOKENS,))
    config = json.loads((preset.path / "config.json").read_text(encoding="utf-8"))
    height, width = (side or _PIXELS for side in config["config"][image_option(config)][:2])
    return InputSpec((height, width, 3))


def main(arguments: list[str]) -> int:
    """Fetch each; 1 where one could not be brought."""
    folder, names = Path(arguments[0]), arguments[1:]
    # Before the hubs' libraries are imported: one of them reads it then.
    os.environ.update(caches(folder))
    failed = 0
    for name in names:
        try:
            manifest = fetch(name, folder)
        except ValueError as error:
            sys.stderr.write(f"{error}\n")
            failed = 1
        else:
            place = folder / manifest["path"]
            sys.stdout.write(
                f"{name}: {manifest['parameters']:,} parameters, {lookup.size(place):,} bytes in {place}\n"
            )
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
