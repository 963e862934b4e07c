"""Which pretrained backbones there are, whether a job can use them, and how those that are not here come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from app.errors import ServiceError, did_you_mean
from app.presets import folders
from app.presets.packaged import packaged
from app.presets.schemas import PresetView
from app.presets.words import Words

_HANDLES = ("kaggle://", "hf://")


def known(folder: Path) -> list[PresetView]:
    """The packaged ones, then those in folders of their names, then those that were fetched."""
    return _known(Words(folder))


def find(folder: Path, name: str) -> PresetView:
    """The one of this name.

    Raises:
        ServiceError: 404; it is not known here, and how to bring it.
    """
    words = Words(folder)
    views = {view.name: view for view in _known(words)}
    if name in views:
        return views[name]
    message = f"Expected one of {', '.join(views)}. Received: {name}."
    raise ServiceError(404, "preset_not_found", message, hint=_how_to_bring(name, [*views], words))


def require(folder: Path, name: str, kind: str, length: int | None) -> None:
    """Raise a ServiceError (422) unless the preset is here and reads such data, and so many tokens of it."""
    try:
        view = find(folder, name)
    except ServiceError as error:
        raise ServiceError(422, "preset_not_found", error.message, hint=error.hint) from error
    if not view.here:
        message = f"Expected a preset that is here. Received: {name}, which is not."
        raise ServiceError(422, "preset_not_here", message, hint=view.how_to_bring)
    if view.kind != kind:
        message = f"Expected a preset for {kind} data. Received: {name}, which is for {view.kind}s."
        others = [other.name for other in known(folder) if other.kind == kind and other.here]
        hint = f"Presets for {kind} data: {', '.join(others) or 'none here'}."
        raise ServiceError(422, "preset_of_other_kind", message, hint=hint)
    if length is not None and view.length is not None and length > view.length:
        message = f"Expected a length of at most {view.length} tokens, as {name} reads. Received: {length}."
        raise ServiceError(422, "length_beyond_preset", message, hint="Leave out length, or lower it.")


def _how_to_bring(name: str, others: list[str], words: Words) -> str:
    fetch = (
        f"Run `model-transfer presets fetch {name}` where workers can run and there is a network; "
        f"without one, where there is, and copy its presets' folder to {words.folder}."
    )
    if name in words.names_of_kerashub or name.startswith(_HANDLES):
        return fetch
    return did_you_mean(name, [*others, *words.names_of_kerashub]) or (
        f"If it is one of KerasHub's names: {fetch} Or put a Hugging Face folder of the BERT family "
        "(config.json, vocab.txt, model.safetensors), or what KerasHub's save_to_preset wrote, into that "
        "folder, which MODEL_TRANSFER_PRESET_DIR names, under the name it shall have."
    )


def _known(words: Words) -> list[PresetView]:
    views = {view.name: view for view in packaged(words)}
    for name, folder, told in _places(words):
        # What comes first has the name, as where the workers look for it.
        if name not in views:
            views[name] = folders.view(name, folder, told, has_kerashub=words.has_kerashub)
    return list(views.values())


def _places(words: Words) -> Iterator[tuple[str, Path, dict[str, Any]]]:
    """Name, folder, and what is told of it."""
    for path in sorted(words.folder.glob("*/config.json")):
        yield path.parent.name, path.parent, {}
    for told in words.all:
        if "path" in told and (words.folder / told["path"] / "config.json").is_file():
            yield told["name"], words.folder / told["path"], told
