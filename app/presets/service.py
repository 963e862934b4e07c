"""Which pretrained backbones there are, whether a job can use them, and how those that are not here come."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

from app.errors import ServiceError, did_you_mean
from app.presets import folders
from app.presets.files import BrokenFile
from app.presets.manifests import LONGEST_NAME, Manifests
from app.presets.packaged import packaged
from app.presets.schemas import PresetView
from app.texts import printable

_HANDLES = ("kaggle://", "hf://")


class PresetCatalogue:
    """The presets of a folder, looked up once: to list them takes a look into each."""

    def __init__(self, folder: Path) -> None:
        self._manifests = Manifests(folder)
        self.views = {view.name: view for view in _known(self._manifests)}
        """The packaged ones, then those in folders of their names, then those that were fetched."""

    def find(self, name: str) -> PresetView:
        """The one of this name.

        Raises:
            ServiceError: 404; it is not known here, and how to bring it.
        """
        if name in self.views:
            return self.views[name]
        message = f"Expected one of {_some(self.views)}. Received: {name}."
        hint = _how_to_bring(name, [*self.views], self._manifests)
        raise ServiceError(404, "preset_not_found", message, hint=hint)

    def require(self, name: str, kind: str, length: int | None) -> PresetView:
        """The preset, if it is here and reads such data, and so many tokens of it.

        Raises:
            ServiceError: 422.
        """
        try:
            view = self.find(name)
        except ServiceError as error:
            raise ServiceError(422, "preset_not_found", error.message, hint=error.hint) from error
        if not view.here:
            message = f"Expected a preset that is available. Received: {name}, which is not."
            raise ServiceError(422, "preset_not_here", message, hint=view.how_to_bring)
        if view.kind != kind:
            message = f"Expected a preset for {kind} data. Received: {name}, which is for {view.kind}s."
            others = [other.name for other in self.views.values() if other.kind == kind and other.here]
            hint = f"Presets for {kind} data: {', '.join(others) or 'none available'}."
            raise ServiceError(422, "preset_of_other_kind", message, hint=hint)
        if length is not None and view.length is not None and length > view.length:
            message = (
                f"Expected a length of at most {view.length} tokens, as {name} reads. Received: {length}."
            )
            raise ServiceError(
                422, "length_beyond_preset", message, hint="Leave out `length`, or lower it to {view.length}."
            )
        return view


def _some(names: Iterable[str]) -> str:
    """A list that stays readable, however many there are."""
    first = list(islice(names, 21))
    return ", ".join([*first[:20], "…"] if len(first) > 20 else first)


def _how_to_bring(name: str, others: list[str], manifests: Manifests) -> str:
    fetch = (
        f"Run `model-transfer presets fetch {name}` on a worker's machine with a network. If it has "
        "none, run "
        "it on another machine and copy the presets folder from there to MODEL_TRANSFER_PRESET_DIR."
    )
    if name in manifests.names_of_kerashub or name.startswith(_HANDLES):
        return fetch
    return did_you_mean(name, [*others, *manifests.names_of_kerashub]) or (
        f"If it is one of KerasHub's names: {fetch} Or put a Hugging Face folder of the BERT family "
        "(config.json, vocab.txt, model.safetensors), or a folder written by KerasHub's save_to_preset, into "
        "MODEL_TRANSFER_PRESET_DIR under the preset's name."
    )


def _known(manifests: Manifests) -> list[PresetView]:
    views = {view.name: view for view in packaged(manifests)}
    for view in (*_in_folders(manifests), *_fetched(manifests)):
        # What comes first has the name, as where the workers look for it.
        views.setdefault(view.name, view)
    return list(views.values())


def _in_folders(manifests: Manifests) -> Iterator[PresetView]:
    """Those in folders of their names."""
    try:
        names = sorted(os.listdir(manifests.folder))
    except OSError:  # there is none, or none that can be read
        return
    for name in names:
        folder, place = manifests.folder / name, f"folder {printable(name)}"
        problem = _problem(folder)
        if problem is not None:
            received = f"{problem} at the {place}, within the folder that MODEL_TRANSFER_PRESET_DIR names"
            problem = f"Expected a preset's folder that can be read. Received: {received}. Replace it."
            yield folders.broken(printable(name), place, problem)
        elif not os.path.lexists(folder / "config.json"):
            continue
        elif not _fits(name):
            problem = (
                "Expected a preset's folder with a name of printable characters, 200 at most. "
                f"Received: the {place}, within the one that MODEL_TRANSFER_PRESET_DIR names. Rename it."
            )
            yield folders.broken(printable(name), place, problem)
        else:
            yield folders.view(name, folder, place, None, has_kerashub=manifests.has_kerashub)


def _problem(folder: Path) -> str | None:
    """What keeps a folder from being looked at; nothing is wrong with a file, which is no preset."""
    try:
        if stat.S_ISDIR(folder.stat().st_mode):
            os.lstat(folder / "config.json")
    except FileNotFoundError:
        return "a link that leads nowhere" if folder.is_symlink() and not os.path.exists(folder) else None
    except OSError as error:
        return os.strerror(error.errno or 0)
    return None


def _fits(name: str) -> bool:
    return name.isprintable() and name == name.strip() and len(name) <= LONGEST_NAME


def _fetched(manifests: Manifests) -> Iterator[PresetView]:
    """Those that a worker fetched and wrote a manifest of."""
    for name, manifest in manifests.all():
        if isinstance(manifest, BrokenFile) or not _fits(name):
            place = f"known/{printable(name)}"
            why = f" {manifest}" if isinstance(manifest, BrokenFile) else ""
            problem = (
                f"Expected the description that a worker left of it. Received: a broken file, {place}, in "
                f"the folder that MODEL_TRANSFER_PRESET_DIR names. Delete it, or fetch the preset again.{why}"
            )
            yield folders.broken(printable(name), place, problem)
        elif manifest.path is not None and os.path.lexists(manifests.folder / manifest.path / "config.json"):
            folder, place = manifests.folder / manifest.path, f"folder {manifest.path}"
            yield folders.view(name, folder, place, manifest, has_kerashub=manifests.has_kerashub)
