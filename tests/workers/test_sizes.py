"""The sizes that the API estimates are those of the networks that the learning builds."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import keras
import keras_tuner
import pytest
from pydantic import TypeAdapter

from app.datasets.reading.table import read
from app.jobs import search_spaces, sizes
from app.jobs.input_specs import input_spec_of
from app.jobs.networks import NETWORKS, Network
from app.jobs.requirements import Examples
from tests.kinds import images, pixels, sequences, table, texts
from tests.stored import inspected
from workers.attempt import signature_of
from workers.transfer.data import from_table
from workers.transfer.methods.parts import branches
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.input_spec import input_spec_of as input_spec_of_backbone
from workers.transfer.networks.network import build, leaves, new_backbone

NETWORK: TypeAdapter[Any] = TypeAdapter(Network)
TEXT, DNA, PROTEIN = ((11,), 37), ((24, 4), 0), ((30, 20), 0)
CASES: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
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
    (((11,), 37, 29), {"kind": "encoder_decoder"}),
    (((11,), 37, 29), {"kind": "encoder_decoder", "units": 24, "heads": 3, "blocks": 1}),
    (((192,), 37), {"kind": "span_reader"}),
    (
        ((64,), 37),
        {"kind": "span_reader", "units": 24, "heads": 3, "blocks": 1, "window": 64},
    ),
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
IN_SEQUENCE = [
    case
    for case in CASES
    if case[1]["kind"] not in ("application", "encoder_decoder", "span_reader", "pretrained")
]


def _is_large(case: Any) -> bool:
    """Whether it takes seconds to build: smaller ones are estimated by the same table."""
    return case[1].get("architecture") in ("DenseNet121", "EfficientNetV2B0", "ResNet50V2")


def named(case: Any) -> str:
    return "-".join(str(value) for value in case[1].values()) if isinstance(case, tuple) else ""


def estimated(input_spec: tuple[Any, ...], asked: dict[str, Any]) -> list[sizes.Layer]:
    layers: list[sizes.Layer] = NETWORK.validate_python(asked).layers(sizes.InputSpec(*input_spec), PRESETS)
    return layers


def built(input_spec: tuple[Any, ...], asked: dict[str, Any]) -> keras.Model:
    return new_backbone(NETWORK.validate_python(asked).model_dump(mode="json"), InputSpec(*input_spec), 0)


def test_every_kind_of_network_has_a_case() -> None:
    assert {asked["kind"] for _, asked in CASES} == {one.model_fields["kind"].default for one in NETWORKS}


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] if _is_large(case) else []) for case in CASES],
    ids=named,
)
def test_a_network_has_as_many_weights_and_as_wide_an_answer_as_was_estimated(case: Any) -> None:
    layers, backbone = estimated(*case), built(*case)
    assert sizes.count_weights(layers) == backbone.count_params()
    # A convolutional network without dense layers ends flat.
    assert layers[-1].shape[-1] == backbone.output_shape[-1]


@pytest.mark.parametrize("case", IN_SEQUENCE, ids=named)
def test_adapters_have_as_many_weights_as_was_estimated(case: Any) -> None:
    layers, backbone = estimated(*case), built(*case)
    joined = branches.adapter(backbone, {}, 0, 6).backbone
    added = sizes.count_weights(sizes.adapters(layers, 6))
    assert joined.count_params() == sizes.count_weights(layers) + added


@pytest.mark.parametrize("case", IN_SEQUENCE, ids=named)
def test_a_progressive_column_has_as_many_weights_as_was_estimated(case: Any) -> None:
    layers, backbone = estimated(*case), built(*case)
    options = NETWORK.validate_python(case[1]).model_dump(mode="json")
    joined = branches.progressive(backbone, options, 0).backbone
    new = sizes.laterals(layers, layers, case[0][0])
    assert joined.count_params() == sizes.count_weights(layers) + sizes.count_weights(new)
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
    assert sizes.count_activations(layers) == made


FILES: list[tuple[str, Any, dict[str, Any]]] = [
    ("t.csv", table, {"kind": "mlp"}),
    ("t.csv", table, {"kind": "mlp", "max_categories": 3}),
    ("p.csv", pixels, {"kind": "mlp", "preprocessing": False}),
    ("p.csv", pixels, {"kind": "convnet", "image_shape": [8, 8, 1]}),
    ("i.zip", images, {"kind": "convnet"}),
    ("i.zip", images, {"kind": "convnet", "image_size": [20, 33], "channels": 1}),
    ("i.zip", images, {"kind": "application"}),
    ("i.zip", images, {"kind": "pretrained", "preset": "efficientnet_lite0"}),
    ("x.csv", texts, {"kind": "text_convnet"}),
    ("x.csv", texts, {"kind": "averaged", "max_tokens": 10, "length": 7}),
    ("x.csv", texts, {"kind": "transformer"}),
    ("s.fa", sequences, {"kind": "sequence_convnet"}),
    ("s.fa", sequences, {"kind": "transformer", "length": 9}),
]


@pytest.mark.parametrize(("name", "write", "asked"), FILES)
def test_a_network_of_a_data_set_reads_what_was_estimated_by_its_profile(
    tmp_path: Path, name: str, write: Any, asked: dict[str, Any]
) -> None:
    path = write(tmp_path / name)
    declared = {"x.csv": {"kind": "text"}, "t.csv": {"label": "y"}}.get(name, {})
    found = inspected(path, **declared)
    described = found.inspection.description
    data = from_table(read(path, described, tmp_path), signature_of(described), found.facts.parts)
    network = NETWORK.validate_python(asked)
    made = build(network.model_dump(mode="json"), data, 0)
    input_spec, of_backbone = (
        input_spec_of(network, Examples(described, found.inspection.profile)),
        input_spec_of_backbone(made.backbone),
    )
    # The split may leave a word out that the whole file has.
    assert of_backbone.shape == input_spec.shape
    assert input_spec.tokens * 0.9 <= of_backbone.tokens <= input_spec.tokens
    layers = network.layers(input_spec, PRESETS)
    head = sizes.dense(layers[-1].shape[-1:], 1, "").parameters
    built = made.backbone.count_params() + made.head.count_params()
    assert built == pytest.approx(
        sizes.count_weights(layers) + head, rel=0 if not of_backbone.tokens else 0.1
    )


@pytest.mark.parametrize(
    ("input_spec", "kind"), [(input_spec, asked["kind"]) for input_spec, asked in IN_SEQUENCE]
)
def test_no_structure_that_a_search_draws_by_itself_is_larger_than_was_estimated(
    input_spec: tuple[tuple[int, ...], int], kind: str
) -> None:
    network = NETWORK.validate_python(
        {"kind": kind, "image_shape": [4, 5, 3]} if input_spec[0] == (60,) else {"kind": kind}
    )
    of = sizes.InputSpec(*input_spec)
    most = max(
        sizes.count_weights(one.layers(of, {})) for one in search_spaces.largest_networks(network, None)
    )
    kept = max(
        sizes.count_activations(one.layers(of, {})) for one in search_spaces.largest_networks(network, None)
    )
    space = import_module(f"workers.transfer.networks.backbones.{kind}").space
    oracle = keras_tuner.oracles.RandomSearchOracle(max_trials=200, seed=1)
    hp = keras_tuner.HyperParameters()
    space(hp)
    oracle.hyperparameters = hp
    drawn = [values for _ in range(100) if (values := oracle._random_values()) is not None]
    assert len(drawn) > 5
    for values in drawn:
        chosen = keras_tuner.HyperParameters()
        space(chosen)
        chosen.values = values
        layers = network.model_copy(update=space(chosen)).layers(of, {})
        assert sizes.count_weights(layers) <= most
        assert sizes.count_activations(layers) <= kept
