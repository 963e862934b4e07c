"""Gradual unfreezing (Howard & Ruder 2018): block by block from the top, each slower than the one above."""

import math
import re
from collections.abc import Sequence
from typing import Any, Literal

import keras

from workers.transfer.data import Data
from workers.transfer.networks.network import Network, leaves
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Objective
from workers.transfer.training.optimizer import Rates
from workers.transfer.training.options import History

FACTOR = 2.6
"""How many times slower each block learns than the one above it."""

UPDATES_A_PHASE = 300
"""Updates before the next block joins, where the training has so many: the paper's epoch is a few hundred."""

_BLOCK = re.compile(r".*(?:block|layer|stage)_?\d+[a-z]?(?![a-z0-9])")
_NORMALISATIONS = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)


def gradual(
    network: Network, data: Data, fit: Fit, objective: Objective, frozen: Rates
) -> tuple[History, Rates, dict[str, Any]]:
    """The head alone for a phase, then one more block for each, then all for the rest of the epochs.

    A phase is as many whole epochs as make `UPDATES_A_PHASE`, or an equal share of the training where that is
    less; each has a slanted triangular schedule of its own, so that none ends early, and the last weights are
    kept. With a budget every phase has so many updates, the last one too. Layers in `frozen` stay so.
    """
    blocks = blocks_of(network.backbone, frozen)
    unit, phases = _phases(fit, len(data.train), len(blocks))
    history, rates = History([]), _rates(blocks, len(blocks))
    for unfrozen, part in enumerate(phases):
        is_last = unfrozen == len(phases) - 1
        rates = _rates(blocks, len(blocks) if is_last else unfrozen)
        # Without a trained backbone its outputs are computed once, and no term can look into it.
        of_phase = objective if unfrozen or is_last else None
        length = {unit: part}
        history += fit(
            network, data, rates=rates, schedule="slanted_triangular", objective=of_phase, **length
        )
    return history, rates, {"blocks": len(blocks), f"{unit}_a_phase": phases[0]}


def _phases(fit: Fit, rows: int, blocks: int) -> tuple[Literal["epochs", "updates"], list[int]]:
    """The length of each phase, and what it is counted in."""
    epochs, budget = fit.training.epochs, fit.training.budget
    if budget is not None:
        return "updates", [max(1, min(UPDATES_A_PHASE, budget.max_updates // (blocks + 1)))] * (blocks + 1)
    assert epochs is not None
    steps = math.ceil(rows / fit.training.batch_size)
    length = max(1, min(math.ceil(UPDATES_A_PHASE / steps), epochs // (blocks + 1)))
    phases = [length] * min(blocks, (epochs - 1) // length)
    return "epochs", [*phases, epochs - sum(phases)]


def blocks_of(backbone: keras.Model, frozen: Rates) -> list[list[str]]:
    """The paths of the backbone's layers with weights by block, from the first block to the last.

    Layers are of one block where their paths name one (`layer_3_query`, `block_1_expand`); a normalisation,
    or an embedding after an embedding, belongs to what is before it; others are blocks of their own.
    """
    blocks: list[list[str]] = []
    before, was_embedding = "", False
    for path, layer in leaves(backbone):
        where = f"backbone/{path}"
        if not layer.weights or where in frozen:
            continue
        named = _BLOCK.match(path)
        name = named.group() if named else ""
        is_embedding = isinstance(layer, keras.layers.Embedding)
        follows = isinstance(layer, _NORMALISATIONS) or (is_embedding and was_embedding)
        joins = name == before if name else follows
        if blocks and joins:
            blocks[-1].append(where)
        else:
            blocks.append([where])
            before = name
        was_embedding = is_embedding
    return blocks


def _rates(blocks: Sequence[Sequence[str]], unfrozen: int) -> Rates:
    """Factors of the top `unfrozen` blocks' layers; all others have 0."""
    top = [*blocks][::-1][:unfrozen]
    rates = {path: FACTOR ** -(place + 1) for place, block in enumerate(top) for path in block}
    return {"backbone": 0.0, **rates}
