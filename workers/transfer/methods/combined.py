"""Combined transfer: the source's structure and parameters with new ones, trained together on the target."""

from collections.abc import Mapping
from typing import Any, Literal

import keras
import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Data
from workers.transfer.methods.parts import branches
from workers.transfer.methods.parts.branches import JoinedBackbone
from workers.transfer.methods.parts.receipt import Origin, Transferred, weight_values, write_receipt
from workers.transfer.methods.parts.schema_map import start as start_from
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.network import Network, join
from workers.transfer.seeds import beside_source
from workers.transfer.training.features import outputs
from workers.transfer.training.fitting import Fit

PARTIAL_COPY_FACTOR = 0.1

ALPHA_FACTOR = 10.0
"""The learning rate of side-tuning's a over the others': Adam moves each weight by about the rate a step, so
that 300 steps at 0.001 would leave α = sigmoid(a) between .43 and .57."""


def combined(
    source: Network,
    options: Mapping[str, Any],
    data: Data,
    fit: Fit,
    *,
    strategy: Literal["partial_copy", "adapter", "side_tuning", "progressive"] = "adapter",
    copied_layers: int | None = None,
    bottleneck: int = 16,
    source_learning_rate_factor: float | None = None,
) -> Transferred:
    """Join the source's backbone with new layers, see `branches`, and train them on the target.

    The source's layers learn at the rate times `source_learning_rate_factor`, 0 freezes them; by default 0.1
    with partial_copy and 0 with the others, as in their papers. New layers and the head learn at the rate.
    `options` say what is new, except for adapters. Columns and classes are matched by name, see
    `schema_map.start`. `findings` tell how much of the backbone's answer comes from each branch: the share of
    the mean norms of what is joined, over the train rows.

    Raises:
        ValueError: an unknown strategy, or a source that branches where its layers must follow one another.
    """
    begun, carried = start_from(source, data, fit.training.seed)
    seed = beside_source(fit.training.seed)
    if strategy == "partial_copy":
        joined = branches.partial_copy(begun.backbone, options, seed, copied_layers)
    elif strategy == "adapter":
        joined = branches.adapter(begun.backbone, options, seed, bottleneck)
    elif strategy == "side_tuning":
        joined = branches.side_tuning(begun.backbone, options, seed)
    elif strategy == "progressive":
        joined = branches.progressive(begun.backbone, options, seed)
    else:
        raise ValueError(
            f"Expected partial_copy, adapter, side_tuning or progressive. Received: {strategy!r}."
        )
    head = begun.head
    of_head = {path: origin for path, origin in carried.items() if path.startswith("head")}
    if not joined.keeps_width:
        unit = tasks.label_unit(source.options, data)
        head = tasks.head(data.signature, joined.backbone.output_shape[-1], seed, unit)
        of_head = {"head": Origin("new", "its input has new parts")}
    network = join(begun.preprocessing, joined.backbone, head, data.signature, source.options)
    start = weight_values(network)
    factor = source_learning_rate_factor
    if factor is None:
        factor = PARTIAL_COPY_FACTOR if strategy == "partial_copy" else 0.0
    rates = {f"backbone/{path}": factor for path in joined.copied}
    if strategy == "side_tuning":
        rates[f"backbone/{branches.ALPHA}"] = ALPHA_FACTOR
    history = fit(network, data, rates=rates)
    origins = {
        **{path: origin for path, origin in carried.items() if path.startswith("preprocessing")},
        "backbone": Origin("new", "the target's own, beside the source's"),
        **of_head,
        **_of_source(joined, carried),
    }
    receipt = write_receipt(network, start, origins, rates)
    return Transferred(network, receipt, history, _shares(network, joined, data), start)


def _of_source(joined: JoinedBackbone, carried: Mapping[str, Origin]) -> dict[str, Origin]:
    """The origins of the source's layers under their new paths."""
    origins = {}
    for path, before in joined.copied.items():
        origins[f"backbone/{path}"] = carried["backbone"]
        for known, origin in carried.items():
            if before and f"{known}/".startswith(f"backbone/{before}/"):
                origins[known.replace(f"backbone/{before}", f"backbone/{path}", 1)] = origin
    return origins


def _shares(network: Network, joined: JoinedBackbone, data: Data) -> dict[str, Any]:
    findings: dict[str, Any] = {}
    names = [layer.name for layer in joined.backbone.layers]
    if branches.ALPHA in names:
        a = float(joined.backbone.get_layer(branches.ALPHA).get_weights()[0][0, 0])
        findings["alpha"] = 1 / (1 + float(np.exp(-a)))
    if joined.joints:
        of_source = float(np.mean([_share(network, joined.backbone, joint, data) for joint in joined.joints]))
        findings["branches"] = {"source": of_source, "new": 1 - of_source}
    return findings


def _share(network: Network, backbone: keras.Model, joint: str, data: Data) -> float:
    features = outputs(network, ["preprocessing"], data.train.inputs)
    norms = []
    for tensor in backbone.get_layer(joint).input:
        branch = keras.Model(backbone.inputs, keras.layers.Flatten()(tensor))
        norms.append(np.linalg.norm(forward(branch, features), axis=1).mean())
    return float(norms[0] / sum(norms)) if sum(norms) else 0.0
