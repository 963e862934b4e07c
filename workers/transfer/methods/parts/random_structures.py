"""A structure of the source's size that nobody looked for: a found or reused one has to be better."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import keras_tuner
import numpy as np

from workers.transfer.networks import structures
from workers.transfer.networks.input_spec import input_spec_of
from workers.transfer.networks.network import Network, new_backbone

DRAWS = 50
"""Structures that are built to find one of the size."""

NEAR = 0.1


def has_random_structure(options: Mapping[str, Any]) -> bool:
    """Whether networks of this kind come in structures that can be drawn."""
    return hasattr(_module(options), "space")


def random_structure(source: Network, seed: int) -> dict[str, Any]:
    """Options of a network of the source's kind, drawn from a search's space.

    Its backbone has about as many parameters as the source's: it is the first of `DRAWS` whose number is
    right to a tenth, or the nearest. Of an `mlp` see `structures.random_structure`.
    """
    options, parameters = source.options, source.backbone.count_params()
    if options["kind"] == "mlp":
        width = int(source.backbone.input_shape[-1])
        return structures.random_structure(options, width, parameters, seed)
    rng = np.random.Generator(np.random.Philox(seed))
    input_spec = input_spec_of(source.backbone)
    drawn: list[tuple[float, dict[str, Any]]] = []
    while len(drawn) < DRAWS and (not drawn or drawn[-1][0] > NEAR):
        chosen = {**options, **_draw(_module(options), rng)}
        size = new_backbone(chosen, input_spec, seed).count_params()
        drawn.append((abs(size / parameters - 1), chosen))
    return min(drawn, key=lambda one: one[0])[1]


def _draw(module: Any, rng: np.random.Generator) -> dict[str, Any]:
    hp = keras_tuner.HyperParameters()
    module.space(hp)
    for one in hp.space:
        if hp.is_active(one):
            hp.values[one.name] = one.random_sample(int(rng.integers(2**31)))
    options: dict[str, Any] = module.space(hp)
    return options


def _module(options: Mapping[str, Any]) -> Any:
    return import_module(f"workers.transfer.networks.backbones.{options['kind']}")
