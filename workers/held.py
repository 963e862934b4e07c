"""What a worker's process keeps from job to job, since making it takes longer than a small job."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from workers.transfer.features import never_changes
from workers.transfer.form import Form
from workers.transfer.network import new_backbone
from workers.transfer.presets.places import find_preset
from workers.transfer.steps import Steps

MOST_BYTES = 256 << 20
"""A larger backbone is made anew for each job: a process that idles must not hold much."""


MOST_GRAPHS = 4


class Held:
    """The last pretrained backbone that a job began with, and the traced graphs of a few small trainings."""

    def __init__(self) -> None:
        self.graphs: dict[str, Steps] = {}
        self._key = ""
        self._backbone: keras.Model | None = None

    def backbone(self, options: Mapping[str, Any], form: Form, seed: int) -> keras.Model:
        """As `network.new_backbone`, of a pretrained network; nobody may change what it answers."""
        key = _key(options, form, seed)
        if self._backbone is not None and key == self._key:
            return self._backbone
        self._backbone = None  # goes before the next is made
        made = new_backbone(options, form, seed)
        if sum(weight.numpy().nbytes for weight in made.weights) <= MOST_BYTES:
            self._key, self._backbone = key, made
            never_changes(made)
        return made

    def keep(self, graphs: Mapping[str, Steps]) -> None:
        """Of what a job traced, the newest light ones, such as that of a head on frozen features."""
        light = [name for name, steps in graphs.items() if steps.is_light]
        self.graphs = {name: graphs[name] for name in light[-MOST_GRAPHS:]}


def _key(options: Mapping[str, Any], form: Form, seed: int) -> str:
    """Options, form, seed, and the preset's files as they are now."""
    place = find_preset(str(options["preset"]), Path(options["folder"]) if options.get("folder") else None)
    files = [place.path] if place.path.is_file() else sorted(place.path.rglob("*"))
    about = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return json.dumps([dict(options), form.shape, form.tokens, seed, about], sort_keys=True)
