from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from tests.workers.transfer.parts import parts_of
from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Column, Data, Rows, Signature, from_table
from workers.transfer.methods.combined import combined
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.schema_map import start
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.inputs.tabular import feature_names
from workers.transfer.networks.network import build
from workers.transfer.training.features import predict
from workers.transfer.training.options import Training

FIT = shared_fit(Training(epochs=3, batch_size=16, learning_rate=0.01, seed=0))


def _with_column(data: Data, column: Column, values) -> Data:
    """The data with one more column, put first."""

    def extended(rows: Rows | None) -> Rows | None:
        return rows and replace(rows, inputs={column.name: values(len(rows)), **rows.inputs})

    signature = replace(data.signature, columns=(column, *data.signature.columns))
    return Data(signature, extended(data.train), extended(data.validation), extended(data.test))


def test_the_same_columns_and_classes_give_an_equal_copy(options, mixed):
    source = scratch(options, mixed, FIT.named("")).network
    network, origins = start(source, mixed, 1)
    assert np.array_equal(predict(network, mixed.test.inputs), predict(source, mixed.test.inputs))
    assert {origin.origin for origin in origins.values()} == {"copied"}
    assert network.backbone is not source.backbone


def test_scales_of_carried_columns_are_copied_though_the_source_has_others_besides(options, mixed):
    source = scratch(options, mixed, FIT.named("")).network
    fewer = tuple(column for column in mixed.signature.columns if column.type in ("number", "date"))
    _, origins = start(source, replace(mixed, signature=replace(mixed.signature, columns=fewer)), 1)
    told = {path: origin.origin for path, origin in origins.items() if path.startswith("preprocessing")}
    assert set(told.values()) == {"copied"}
    assert "are not in the target" in origins["preprocessing"].why


def test_each_scale_of_the_preprocessing_tells_of_its_own_columns(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    rng = np.random.default_rng(0)
    days = np.array(["2024-01-02", "2024-03-04", "2023-05-06"], object)
    wider = _with_column(numbers(), Column("size", "number"), lambda n: rng.normal(size=n).astype(np.float32))
    wider = _with_column(wider, Column("day", "date"), lambda n: rng.choice(days, n))
    _, origins = start(source, wider, 1)
    scale, of_day = origins["preprocessing/number_scale"], origins["preprocessing/date_0_scale"]
    assert (scale.origin, scale.new, scale.share) == ("partly copied", ("size",), 0.8)
    assert of_day.origin == "new"


@pytest.mark.parametrize("preprocessing", [True, False])
def test_a_new_column_leaves_the_function_unchanged_at_step_0(preprocessing, options, numbers):
    options = {**options, "preprocessing": preprocessing}
    data = numbers()
    source = scratch(options, data, FIT.named("")).network
    rng = np.random.default_rng(0)
    wider = _with_column(data, Column("new", "number"), lambda n: rng.normal(size=n).astype(np.float32))
    network, origins = start(source, wider, 1)
    np.testing.assert_allclose(
        predict(network, wider.test.inputs), predict(source, data.test.inputs), atol=1e-6
    )
    first = origins["backbone/dense_1"]
    assert (first.origin, first.new) == ("partly copied", ("new",))
    assert sorted(first.copied) == ["x0", "x1", "x2", "x3"]
    assert first.share == 0.8


def test_a_new_category_and_a_new_gap_leave_known_rows_unchanged(options, mixed, mixed_table):
    source = scratch(options, mixed, FIT.named("")).network
    city = [
        f"new{row}" if row % 10 == 0 else name for row, name in enumerate(mixed_table["city"].to_pylist())
    ]
    table = mixed_table.set_column(2, "city", pa.array(city, pa.string()))
    target = from_table(table, mixed.signature, parts_of(table.num_rows, seed=3))
    network, origins = start(source, target, 1)
    np.testing.assert_allclose(
        predict(network, mixed.test.inputs), predict(source, mixed.test.inputs), atol=1e-6
    )
    assert any(name.startswith("city=new") for name in origins["backbone/dense_1"].new)
    assert feature_names(network.preprocessing, target.signature.columns)[:2] == ["age", "member"]


def test_a_column_that_the_target_lacks_is_named(options, mixed):
    source = scratch(options, mixed, FIT.named("")).network
    signature = replace(mixed.signature, columns=mixed.signature.columns[:2])
    target = Data(signature, mixed.train, mixed.validation, mixed.test)
    network, origins = start(source, target, 1)
    assert "the source's columns city, joined are not in the target" in origins["preprocessing"].why
    assert predict(network, target.test.inputs).shape == (len(target.test), 1)


def test_columns_in_another_order_are_found_by_name(options, mixed):
    source = scratch(options, mixed, FIT.named("")).network
    signature = replace(mixed.signature, columns=mixed.signature.columns[::-1])
    network, _ = start(source, Data(signature, mixed.train, mixed.validation, mixed.test), 1)
    np.testing.assert_allclose(
        predict(network, mixed.test.inputs), predict(source, mixed.test.inputs), atol=1e-6
    )


def test_no_column_in_common_is_refused(options, numbers, mixed):
    source = scratch(options, mixed, FIT.named("")).network
    with pytest.raises(ValueError, match=r"Expected a column of the source: age \(number\)"):
        start(source, numbers(), 1)


def test_a_column_of_the_same_name_and_another_type_is_new(options, mixed):
    source = scratch(options, mixed, FIT.named("")).network
    columns = (Column("age", "category"), *mixed.signature.columns[1:])
    rows = [
        replace(
            part,
            inputs={**part.inputs, "age": np.array(["old", "new"] * len(part))[: len(part)].astype(object)},
        )
        for part in (mixed.train, mixed.validation, mixed.test)
    ]
    _, origins = start(source, Data(replace(mixed.signature, columns=columns), *rows), 1)
    assert {"age=new", "age=old"} <= set(origins["backbone/dense_1"].new)


def test_classes_are_carried_by_name(options, numbers):
    data = numbers(task="multiclass", classes=("a", "b", "c"))
    source = scratch(options, data, FIT.named("")).network
    target = numbers(task="multiclass", classes=("b", "c", "d"))
    network, origins = start(source, target, 1)
    p_source, p = predict(source, data.test.inputs), predict(network, target.test.inputs)
    ratio = (p_source[:, 1] / p_source[:, 2], p[:, 0] / p[:, 1])  # b over c: the logits' difference
    np.testing.assert_allclose(*ratio, rtol=1e-3)
    assert (origins["head"].origin, origins["head"].copied, origins["head"].new) == (
        "partly copied",
        ("b", "c"),
        ("d",),
    )


def test_a_binary_head_and_the_softmax_over_its_classes_answer_alike(options, numbers):
    binary, several = numbers(classes=("a", "b")), numbers(task="multiclass", classes=("a", "b", "c"))
    source = scratch(options, binary, FIT.named("")).network
    wider, _ = start(source, several, 1)
    p, q = predict(source, binary.test.inputs)[:, 0], predict(wider, binary.test.inputs)
    np.testing.assert_allclose(q[:, 1] / (q[:, 0] + q[:, 1]), p, atol=1e-5)
    narrower, _ = start(wider, binary, 1)
    np.testing.assert_allclose(predict(narrower, binary.test.inputs)[:, 0], p, atol=1e-5)


def test_other_tasks_get_a_new_head(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    _, origins = start(source, numbers(task="regression"), 1)
    assert origins["head"].origin in ("new", "reinitialised")
    assert "source binary, target regression" in origins["head"].why


def test_the_signature_of_the_start_is_the_targets(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    target = numbers(task="multiclass", classes=("x", "y", "z"))
    network, _ = start(source, target, 1)
    assert isinstance(network.signature, Signature)
    assert network.signature == target.signature


def test_a_backbone_that_branches_reads_new_columns_too_and_answers_the_same_at_step_0(options, numbers):
    data = numbers()
    plain = scratch(options, data, FIT.named("")).network
    source = combined(plain, options, data, FIT.named(""), strategy="side_tuning").network
    rng = np.random.default_rng(0)
    wider = _with_column(data, Column("new", "number"), lambda n: rng.normal(size=n).astype(np.float32))
    network, origins = start(source, wider, 1)
    np.testing.assert_allclose(
        predict(network, wider.test.inputs), predict(source, data.test.inputs), atol=1e-6
    )
    assert origins["backbone"].origin == "copied"
    assert "new ones start at 0" in origins["backbone/matched"].why
    receipt = parameter(source, options, wider, FIT.named(""), strategy="full").receipt
    moved = {layer["layer"]: layer["weights"][0]["moved"] for layer in receipt["layers"] if layer["weights"]}
    assert moved["matched"] > 0


def test_a_new_head_does_not_start_as_the_sources_own_did(options, numbers):
    data = numbers(task="multiclass")
    source = scratch(options, data, FIT.named("")).network
    other = replace(data, signature=replace(data.signature, classes=("x", "y", "z")))
    made, _ = start(source, other, FIT.training.seed)
    begun = build(options, data, FIT.training.seed).head.get_weights()[0]
    assert made.head.get_weights()[0].shape == begun.shape
    assert abs(np.corrcoef(made.head.get_weights()[0].ravel(), begun.ravel())[0, 1]) < 0.9
