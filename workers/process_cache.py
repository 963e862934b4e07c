"""What a worker's process keeps from job to job, since making it takes longer than a small job."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import keras

from workers.transfer.data import Data
from workers.transfer.delivery.export import Loaded
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.network import Network, build_after, new_backbone, new_preprocessing
from workers.transfer.networks.presets.lookup import find_preset
from workers.transfer.training.features import mark_unchanging
from workers.transfer.training.steps import Steps

MOST_BYTES = 256 << 20
"""A larger part is made anew for each job: a process that idles must not hold much."""

MOST_GRAPHS = 4


class ProcessCache:
    """The parts of the last pretrained network that a job began with, the network of the last file that was
    loaded again, and a few small trainings' graphs.

    Nobody may change a part: several networks have it.
    """

    def __init__(self) -> None:
        self.graphs: dict[str, Steps] = {}
        self.loaded = Loaded(MOST_BYTES // 2)
        self._parts: dict[str, tuple[str, keras.Model]] = {}

    def network(self, options: Mapping[str, Any], data: Data, of: str, seed: int) -> Network:
        """As `network.build`, of a pretrained network; `of` tells one data set's rows from another's."""
        key = _key(options)
        first = self._part("preprocessing", f"{key} {of}", lambda: new_preprocessing(options, data))

        def backbone(options: Mapping[str, Any], input_spec: InputSpec, seed: int) -> keras.Model:
            about = f"{key} {input_spec} {seed}"
            return self._part("backbone", about, lambda: new_backbone(options, input_spec, seed))

        return build_after(first, options, data, seed, backbone)

    def _part(self, name: str, key: str, make: Callable[[], keras.Model]) -> keras.Model:
        known = self._parts.pop(name, None)
        if known is not None and known[0] == key:
            self._parts[name] = known
            return known[1]
        known = None  # goes before the next is made
        made = make()
        if sum(weight.numpy().nbytes for weight in made.weights) <= MOST_BYTES:
            mark_unchanging(made)
            self._parts[name] = (key, made)
        return made

    def keep(self, graphs: Mapping[str, Steps]) -> None:
        """Of what a job traced, the newest light ones, such as that of a head on frozen features."""
        light = [name for name, steps in graphs.items() if steps.is_small]
        self.graphs = {name: graphs[name] for name in light[-MOST_GRAPHS:]}


def _key(options: Mapping[str, Any]) -> str:
    """The options, and the preset's files as they are now."""
    place = find_preset(str(options["preset"]), Path(options["folder"]) if options.get("folder") else None)
    files = [place.path] if place.path.is_file() else sorted(place.path.rglob("*"))
    about = [(str(file), file.stat().st_size, file.stat().st_mtime_ns) for file in files]
    return json.dumps([dict(options), about], sort_keys=True)
