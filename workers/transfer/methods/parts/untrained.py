"""A source that knows nothing: its structure with fresh weights and the target's own preprocessing."""

from dataclasses import replace

import keras

from workers.transfer import tasks
from workers.transfer.data import Data, Signature
from workers.transfer.networks import inputs
from workers.transfer.networks.input_spec import InputSpec, input_spec_of
from workers.transfer.networks.network import (
    Network,
    build,
    function_of,
    join,
    new_backbone,
    new_preprocessing,
)
from workers.transfer.networks.structures import reinitialised


def untrained(source: Network, data: Data, seed: int, signature: Signature | None = None) -> Network:
    """A source of the same structure that was never trained, as the control's second candidate starts from.

    It reads the target's columns and answers the source's classes, unless a `signature` says which, so that a
    method finds as much to carry by class as in the real source, and trains the same layers. What is random
    follows from the seed.

    A pretrained network that was trained on the source comes with its preset's weights: the source did not
    bring these.
    """
    if source.signature.task in tasks.SEQUENCES:
        return build(source.options, data, seed)
    signature = signature or replace(source.signature, columns=data.signature.columns)
    first, input_spec = _reading(source, data)
    backbone = _of_the_preset(source, input_spec, seed)
    if backbone is None:
        backbone = reinitialised(source.backbone, seed, input_spec)
    return _joined(source, first, backbone, signature, data, seed)


def started_afresh(source: Network, data: Data, seed: int) -> Network:
    """The source's structure for the target's columns and classes, all weights drawn from the seed."""
    if source.signature.task in tasks.SEQUENCES:
        return build(source.options, data, seed)
    first, input_spec = _reading(source, data)
    backbone = reinitialised(source.backbone, seed, input_spec)
    return _joined(source, first, backbone, data.signature, data, seed)


def is_a_preset_with_weights(source: Network) -> bool:
    """Whether an untrained source of this structure has a preset's weights: no layers were joined to it."""
    if source.signature.task in tasks.SEQUENCES:
        return False
    return _of_the_preset(source, input_spec_of(source.backbone), 0) is not None


def _reading(source: Network, data: Data) -> tuple[keras.Model, InputSpec]:
    """The preprocessing learnt on the target's train rows, and what the backbone reads then."""
    first = new_preprocessing(source.options, data)
    tokens = inputs.module_of(data.signature).tokens(first)
    return first, InputSpec(tuple(first.output_shape[1:]), tokens)


def _of_the_preset(source: Network, input_spec: InputSpec, seed: int) -> keras.Model | None:
    """The preset as it comes; None where there is none, or an earlier job joined it with other layers."""
    if source.options["kind"] != "pretrained" or source.options.get("weights") != "pretrained":
        return None
    backbone = new_backbone(source.options, input_spec, seed)
    return backbone if function_of(backbone) == function_of(source.backbone) else None


def _joined(
    source: Network, first: keras.Model, backbone: keras.Model, signature: Signature, data: Data, seed: int
) -> Network:
    unit = tasks.label_unit(source.options, data)
    head = tasks.head(signature, backbone.output_shape[-1], seed, unit if not signature.classes else None)
    return join(first, backbone, head, signature, source.options)
