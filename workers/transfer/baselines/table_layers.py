"""A table's features as `tables` makes them, by built-in layers."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.baselines.as_network import fixed, scores
from workers.transfer.baselines.bundled_model import table
from workers.transfer.data import Array, Column
from workers.transfer.networks.inputs.tabular import input_of

_SIGNS = "0123456789-T:"
_LONGEST = len("YYYY-MM-DDTHH:MM:SS")
_MONTH, _DAY = {5: 10.0, 6: 1.0}, {8: 10.0, 9: 1.0}
_HOUR = {11: 10.0, 12: 1.0, 14: 10 / 60, 15: 1 / 60, 17: 10 / 3600, 18: 1 / 3600}
_YEAR = {0: 1000.0, 1: 100.0, 2: 10.0, 3: 1.0}


def parts(features: Any, kernel: Array, bias: Array) -> tuple[keras.Model, keras.Model]:
    """Columns to all features (n, d), and these to scores; features that never varied count for nothing."""
    known = {column["input"]: column for column in features.about["columns"]}
    real = [column for name, column in known.items() if name not in features.about["constants"]]
    inputs = [
        input_of(Column(column["input"], column["type"]), f"column_{number}")
        for number, column in enumerate(real)
    ]
    tensors, order = _tensors(real, inputs)
    whole = layers.Concatenate(dtype="float64", name="columns")(tensors)
    kernel, bias = _spread(features, kernel, bias, real, order)
    first = keras.Model(inputs, whole, name="preprocessing")
    return first, scores((len(kernel),), kernel, bias, dtype="float64")


def _width(column: Mapping[str, Any]) -> int:
    return len(column["values" if column["type"] == "category" else "mean"]) + 1


def _spread(
    features: Any, kernel: Array, bias: Array, real: Sequence[Mapping[str, Any]], order: Sequence[int]
) -> tuple[Array, Array]:
    """Weights of all features in the layers' order; a constant column's are part of the bias."""
    columns, kept = features.about["columns"], features.about["kept"]
    widths = [_width(column) for column in columns]
    whole = np.zeros((sum(widths), kernel.shape[1]))
    if kept:
        whole[kept] = kernel
    starts = np.cumsum([0, *widths])
    places = {
        column["input"]: start + np.arange(width)
        for column, start, width in zip(columns, starts[:-1], widths, strict=True)
    }
    for name, value in features.about["constants"].items():
        column = next(column for column in columns if column["input"] == name)
        alone = {**features.about, "columns": [column], "kept": slice(None), "constants": {}}
        bias = (
            bias
            + table(alone, {name: np.full(1, value, np.float32)})[0].astype(np.float64) @ whole[places[name]]
        )
    mine = np.concatenate([places[column["input"]] for column in real])
    return whole[mine[list(order)]], bias


def _tensors(
    columns: Sequence[Mapping[str, Any]], inputs: Sequence[keras.KerasTensor]
) -> tuple[list[keras.KerasTensor], list[int]]:
    """Features by groups, and the place of each among those of the columns one by one."""
    starts = np.cumsum([0, *(_width(column) for column in columns)])
    numbers = [place for place, column in enumerate(columns) if column["type"] in ("number", "boolean")]
    tensors: list[keras.KerasTensor] = []
    order: list[int] = []
    if numbers:
        raw = layers.Concatenate(name="numbers")([inputs[place] for place in numbers])
        merged = {
            name: [columns[place][name][0] for place in numbers]
            for name in ("mean", "variance", "factor", "varies", "most")
        }
        tensors += [_scaled("number", raw, merged), ops.cast(ops.isnan(raw), "float64")]
        order += [starts[place] for place in numbers] + [starts[place] + 1 for place in numbers]
    for number, (column, tensor) in enumerate(zip(columns, inputs, strict=True)):
        places = list(range(starts[number], starts[number + 1]))
        if column["type"] == "category":
            # The layer's first place is that of what is not known; here it is the last.
            lookup = layers.StringLookup(
                vocabulary=column["values"] or ["(nothing)"], output_mode="one_hot", name=f"tokens_{number}"
            )
            tensors.append(lookup(tensor) if column["values"] else ops.ones_like(lookup(tensor))[:, :1])
            order += [places[-1], *places[:-1]]
        elif column["type"] == "date":
            tensors += _date(number, tensor, column)
            order += places
    return tensors, order


def _scaled(name: str, x: keras.KerasTensor, known: Mapping[str, Any]) -> keras.KerasTensor:
    """(x · factor - mean) / √variance in double precision, then as single numbers; 0 for missing."""
    factor, most = np.array(known["factor"]), np.array(known["most"])
    wide = ops.cast(x, "float64")
    wide = wide if (factor == 1).all() else ops.multiply(wide, factor)
    mean, variance = np.array(known["mean"]), np.array(known["variance"])
    scale = 1 / np.sqrt(variance)
    layer = layers.Normalization(dtype="float64", name=f"{name}_mean")
    layer.build((None, len(mean)))
    layer.set_weights([mean, np.ones(len(mean)), np.array(0)])
    layer.finalize_state()
    centred = ops.multiply(layer(wide), np.where(known["varies"], scale, 0.0))
    held = ops.maximum(ops.minimum(centred, most), -most)
    return ops.cast(ops.cast(ops.nan_to_num(held, nan=0.0), "float32"), "float64")


def _date(number: int, x: keras.KerasTensor, known: Mapping[str, Any]) -> list[keras.KerasTensor]:
    name = f"date_{number}"
    ids = layers.TextVectorization(
        standardize=None, split="character", output_sequence_length=_LONGEST, vocabulary=list(_SIGNS),
        name=f"{name}_characters",
    )(x)  # fmt: skip
    digits = ops.maximum(ops.cast(ids, "float64") - 2.0, 0.0)  # 0 padding, 1 unknown, 2 the digit 0
    month = {place: weight / 12 for place, weight in _MONTH.items()}
    day = {place: weight / 372 for place, weight in _DAY.items()}
    hour = {place: weight / (372 * 24) for place, weight in _HOUR.items()}
    wanted = [({**_YEAR, **month, **day, **hour}, -2000 - 1 / 12 - 1 / 372)]
    wanted += [(_MONTH, 0.0), (_DAY, 0.0), (_HOUR, 0.0)]
    kernel = np.zeros((_LONGEST, len(wanted)))
    for unit, (weights, _) in enumerate(wanted):
        kernel[list(weights), unit] = list(weights.values())
    read = fixed(f"{name}_parts", kernel, np.array([bias for _, bias in wanted]))(digits)
    read = ops.cast(read, "float32")
    missing = ops.cast(ops.equal(read[:, 1:2], 0.0), "float64")  # month 0 happens only in ""
    return [ops.multiply(_scaled(name, read, known), 1.0 - missing), missing]
