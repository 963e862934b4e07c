"""The sizes that the API estimates are those of the networks that the learning builds."""

from __future__ import annotations

from typing import Any

import keras
import pytest
from pydantic import TypeAdapter

from app.jobs import sizes
from app.jobs.networks import NETWORKS, Network
from workers.transfer import branches
from workers.transfer.form import Form
from workers.transfer.network import leaves, new_backbone

NETWORK: TypeAdapter[Any] = TypeAdapter(Network)
TEXT, DNA, PROTEIN = ((11,), 37), ((24, 4), 0), ((30, 20), 0)
CASES: list[tuple[tuple[tuple[int, ...], int], dict[str, Any]]] = [
    (((7,), 0), {"kind": "mlp"}),
    (((300,), 0), {"kind": "mlp", "hidden_units": [5]}),
    (((1,), 0), {"kind": "mlp", "hidden_units": [512, 3, 64, 128], "dropout": 0.5}),
    (((12, 12, 1), 0), {"kind": "convnet"}),
    (((13, 9, 3), 0), {"kind": "convnet", "filters": [4, 5, 6], "kernel_size": 5, "dense_units": []}),
    (((60,), 0), {"kind": "convnet", "image_shape": [4, 5, 3], "dense_units": [16, 8], "dropout": 0.1}),
    (TEXT, {"kind": "averaged"}),
    (TEXT, {"kind": "averaged", "embedding_units": 9, "hidden_units": []}),
    (TEXT, {"kind": "averaged", "embedding_units": 128, "hidden_units": [7, 8]}),
    (TEXT, {"kind": "text_convnet"}),
    (TEXT, {"kind": "text_convnet", "embedding_units": 6, "filters": 5, "widths": [2]}),
    (TEXT, {"kind": "text_convnet", "widths": [20, 1]}),
    (TEXT, {"kind": "transformer"}),
    (TEXT, {"kind": "transformer", "units": 24, "heads": 3, "blocks": 1}),
    (DNA, {"kind": "transformer", "units": 8, "heads": 8, "blocks": 4}),
    (DNA, {"kind": "sequence_convnet"}),
    (DNA, {"kind": "sequence_convnet", "filters": [5], "pool_size": 7, "dense_units": []}),
    (PROTEIN, {"kind": "sequence_convnet", "filters": [4, 5, 6], "kernel_size": 3, "pool_size": 2}),
    (((32, 32, 1), 0), {"kind": "application"}),
    (((40, 32, 3), 0), {"kind": "application", "architecture": "MobileNetV3Large"}),
    (((32, 32, 3), 0), {"kind": "application", "architecture": "MobileNetV2"}),
    (((32, 32, 3), 0), {"kind": "application", "architecture": "EfficientNetV2B0"}),
    (((32, 32, 3), 0), {"kind": "application", "architecture": "ResNet50V2"}),
    (((32, 32, 3), 0), {"kind": "application", "architecture": "DenseNet121"}),
    (((16,), 30_522), {"kind": "pretrained", "preset": "minilm_l6_v2"}),
    (((32, 32, 3), 0), {"kind": "pretrained", "preset": "efficientnet_lite0"}),
]
PRESETS = {
    "minilm_l6_v2": sizes.PresetSize(22_564_608, 384),
    "efficientnet_lite0": sizes.PresetSize(3_413_024, 1280),
}
IN_SEQUENCE = [case for case in CASES if case[1]["kind"] not in ("application", "pretrained")]


def named(case: Any) -> str:
    return "-".join(str(value) for value in case[1].values()) if isinstance(case, tuple) else ""


def estimated(form: tuple[tuple[int, ...], int], asked: dict[str, Any]) -> list[sizes.Layer]:
    layers: list[sizes.Layer] = NETWORK.validate_python(asked).layers(sizes.Form(*form), PRESETS)
    return layers


def built(form: tuple[tuple[int, ...], int], asked: dict[str, Any]) -> keras.Model:
    return new_backbone(NETWORK.validate_python(asked).model_dump(mode="json"), Form(*form), 0)


def test_every_kind_of_network_has_a_case() -> None:
    assert {asked["kind"] for _, asked in CASES} == {one.model_fields["kind"].default for one in NETWORKS}


@pytest.mark.parametrize("case", CASES, ids=named)
def test_a_network_has_as_many_weights_and_as_wide_an_answer_as_was_estimated(case: Any) -> None:
    layers, backbone = estimated(*case), built(*case)
    assert sizes.weights_of(layers) == backbone.count_params()
    # A convolutional network without dense layers ends flat.
    assert layers[-1].shape[-1] == backbone.output_shape[-1]


@pytest.mark.parametrize("case", IN_SEQUENCE, ids=named)
def test_adapters_have_as_many_weights_as_was_estimated(case: Any) -> None:
    layers, backbone = estimated(*case), built(*case)
    joined = branches.adapter(backbone, {}, 0, 6).backbone
    added = sizes.weights_of(sizes.adapters(layers, 6))
    assert joined.count_params() == sizes.weights_of(layers) + added


@pytest.mark.parametrize("case", IN_SEQUENCE, ids=named)
def test_a_progressive_column_has_as_many_weights_as_was_estimated(case: Any) -> None:
    layers, backbone = estimated(*case), built(*case)
    options = NETWORK.validate_python(case[1]).model_dump(mode="json")
    joined = branches.progressive(backbone, options, 0).backbone
    new = sizes.laterals(layers, layers, case[0][0])
    assert joined.count_params() == sizes.weights_of(layers) + sizes.weights_of(new)
    assert joined.output_shape[-1] == new[-1].shape[-1]


@pytest.mark.parametrize("case", IN_SEQUENCE, ids=named)
def test_low_rank_products_have_as_many_weights_as_was_estimated(case: Any) -> None:
    layers, backbone = estimated(*case), built(*case)
    before = backbone.count_params()
    for _, layer in leaves(backbone):
        if layer.weights and hasattr(layer, "enable_lora"):
            layer.enable_lora(2)
    assert backbone.count_params() - before == sizes.low_rank(layers, 2)


def test_a_network_keeps_at_least_what_its_layers_make_of_a_row() -> None:
    layers = estimated(((12, 12, 1), 0), {"kind": "convnet"})
    made = 12 * 12 * 32 + 6 * 6 * 32 + 6 * 6 * 64 + 3 * 3 * 64 + 128
    assert sizes.kept_of(layers) == made
