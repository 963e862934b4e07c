"""Raw columns to one float32 matrix, by built-in Keras layers whose state is learnt from the train rows.

The part takes a list of tensors (n, 1), one for each column in the signature's order. Numbers and booleans
are standardised, a missing one becomes the mean. Categories are one-hot with a place for unknown values.
Dates must read `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`. A column with missing values in the train rows gets
a 0/1 indicator; for categories "" is an ordinary value.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.data import Array, Column

OPTIONS = ("preprocessing", "max_categories")
"""Those of a network's options that say how its inputs are read."""

_BLOCK = 1024

UNKNOWN = "(unknown)"
"""How the place of values that are in no vocabulary is called."""

_DATE_LENGTH = len("YYYY-MM-DDTHH:MM:SS")
_YEAR = {0: 1000.0, 1: 100.0, 2: 10.0, 3: 1.0}
_MONTH = {5: 10.0, 6: 1.0}
_DAY = {8: 10.0, 9: 1.0}
_HOUR = {11: 10.0, 12: 1.0, 14: 10 / 60, 15: 1 / 60, 17: 10 / 3600, 18: 1 / 3600}


def first(columns: Sequence[Column], train: Mapping[str, Array], options: Mapping[str, Any]) -> keras.Model:
    """The columns prepared as `learnt` does, or as they are where the options say so."""
    if options["preprocessing"]:
        return learnt(columns, train, options["max_categories"])
    return plain(columns)


def blocks(part: keras.Model, inputs: Sequence[Array]) -> Iterator[Array]:
    """Features (b, d)."""
    rows = len(inputs[0])
    for start in range(0, max(rows, 1), _BLOCK):
        some = [values[start : start + _BLOCK].reshape(-1, 1) for values in inputs]
        yield np.asarray(part([_tensor(values) for values in some]))


def settled(part: keras.Model) -> dict[str, Any]:
    """Nothing is left to the data that options name."""
    return {}


def unread(part: keras.Model, inputs: Mapping[str, Array]) -> dict[str, float]:
    """Nothing is left out."""
    return {}


def tokens(part: keras.Model) -> int:
    """Features are no ids."""
    return 0


def _tensor(values: Array) -> Any:
    if values.dtype.kind in "OU":
        return ops.convert_to_tensor(values.tolist(), dtype="string")
    return ops.convert_to_tensor(values)


def plain(columns: Sequence[Column]) -> keras.Model:
    """The columns side by side as they are: x (n, d), d = len(columns).

    Raises:
        ValueError: a column is neither number nor boolean.
    """
    others = [column.name for column in columns if not column.is_numeric]
    if others:
        raise ValueError(
            "Expected only number and boolean columns when preprocessing is off. "
            f"Received: {', '.join(others)}. Switch preprocessing on or leave these columns out."
        )
    inputs = _inputs(columns)
    return keras.Model(inputs, layers.Concatenate(name="columns")(inputs), name="preprocessing")


@dataclass(frozen=True)
class Known:
    """What a preprocessing part has learnt, by column name.

    moments: mean and variance, (1,) of a number and (4,) of a date's parts; gaps: columns with an indicator
    of missing values; tokens: a category's vocabulary, without the unknown.
    """

    moments: Mapping[str, tuple[Array, Array]] = field(default_factory=dict)
    gaps: frozenset[str] = frozenset()
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, columns: Sequence[Column]) -> "Known":
        """What is known of these columns alone."""
        names = {column.name for column in columns}
        return Known(
            {name: moments for name, moments in self.moments.items() if name in names},
            self.gaps & names,
            {name: tokens for name, tokens in self.tokens.items() if name in names},
        )


def known(part: keras.Model, columns: Sequence[Column]) -> Known:
    """What a part that `learnt` made knows of its columns; nothing of one that `plain` made."""
    layer = {layer.name: layer for layer in part.layers}
    moments: dict[str, tuple[Array, Array]] = {}
    gaps: set[str] = set()
    tokens: dict[str, tuple[str, ...]] = {}
    numeric = [column for column in columns if column.is_numeric]
    if "number_scale" in layer:
        mean, variance = _moments(layer["number_scale"])
        moments = {column.name: (mean[[place]], variance[[place]]) for place, column in enumerate(numeric)}
    if "numbers_with_gaps" in layer:
        watched = {tensor.name for tensor in keras.tree.flatten(layer["numbers_with_gaps"].input)}
        gaps = {c.name for c, x in zip(columns, part.inputs, strict=True) if x.name in watched}
    for number, column in enumerate(columns):
        if f"tokens_{number}" in layer:
            tokens[column.name] = tuple(layer[f"tokens_{number}"].get_vocabulary()[1:])
        if f"date_{number}_scale" in layer:
            moments[column.name] = _moments(layer[f"date_{number}_scale"])
        if f"date_{number}_missing" in layer:
            gaps.add(column.name)
    return Known(moments, frozenset(gaps), tokens)


def feature_names(part: keras.Model, columns: Sequence[Column]) -> list[str]:
    """What each feature of the part's output (n, d) is, in order: `age`, `age missing`, `city=Paris`, …"""
    state = known(part, columns)
    if not (state.moments or state.tokens):
        return [column.name for column in columns]
    numeric = [column.name for column in columns if column.is_numeric]
    names = [*numeric, *(f"{name} missing" for name in numeric if name in state.gaps)]
    for column in columns:
        if column.type == "category":
            names += [f"{column.name}={token}" for token in (UNKNOWN, *state.tokens[column.name])]
        elif column.type == "date":
            names += [f"{column.name} {part}" for part in ("year", "month", "day", "hour")]
            names += [f"{column.name} missing"] if column.name in state.gaps else []
    return names


def learnt(
    columns: Sequence[Column],
    train: Mapping[str, Array],
    max_categories: int,
    before: Known | None = None,
) -> keras.Model:
    """The preprocessing part with means, variances and vocabularies of the train rows.

    What is known `before` is kept: its moments, its gaps and, before new ones, its tokens.
    """
    state = before or Known()
    inputs = _inputs(columns)
    outputs = _numbers(columns, inputs, train, state)
    for number, (column, tensor) in enumerate(zip(columns, inputs, strict=True)):
        values, name = train[column.name], column.name
        if column.type == "category":
            tokens = state.tokens.get(name, ())
            outputs.append(_category(f"tokens_{number}", tensor, values, max_categories, tokens))
        elif column.type == "date":
            outputs += _date(f"date_{number}", tensor, values, state.moments.get(name), name in state.gaps)
    return keras.Model(inputs, layers.Concatenate(name="columns")(outputs), name="preprocessing")


def input_of(column: Column, name: str) -> keras.KerasTensor:
    """A Keras input of shape (n, 1), float32 or string."""
    return keras.Input((1,), name=name, dtype="float32" if column.is_numeric else "string")


def _inputs(columns: Sequence[Column]) -> list[keras.KerasTensor]:
    return [input_of(column, f"column_{number}") for number, column in enumerate(columns)]


def _numbers(
    columns: Sequence[Column],
    inputs: Sequence[keras.KerasTensor],
    train: Mapping[str, Array],
    state: Known,
) -> list[keras.KerasTensor]:
    numeric = [(column, tensor) for column, tensor in zip(columns, inputs, strict=True) if column.is_numeric]
    if not numeric:
        return []
    matrix = np.stack([train[column.name] for column, _ in numeric], axis=1)  # (n, d)
    raw = layers.Concatenate(name="numbers")([tensor for _, tensor in numeric])
    moments = [state.moments.get(column.name) for column, _ in numeric]
    scaled = _standardisation("number_scale", matrix, moments)(raw)
    outputs = [ops.nan_to_num(scaled, nan=0.0)]
    gaps = [
        tensor
        for column, tensor in numeric
        if column.name in state.gaps or np.isnan(train[column.name]).any()
    ]
    if gaps:
        watched = layers.Concatenate(name="numbers_with_gaps")(gaps)
        outputs.append(ops.cast(ops.isnan(watched), "float32"))
    return outputs


def _standardisation(
    name: str, matrix: Array, given: Sequence[tuple[Array, Array] | None]
) -> layers.Normalization:
    """A layer that standardises each column of a matrix (n, d); NaN left out, variance 0 taken as 1.

    `given` moments take the place of the matrix's, entry by entry.
    """
    present = ~np.isnan(matrix)
    values = np.where(present, matrix, 0).astype(np.float64)
    count = np.maximum(present.sum(axis=0), 1)
    mean = values.sum(axis=0) / count
    variance = (np.where(present, matrix - mean, 0) ** 2).sum(axis=0) / count
    variance = np.where(variance.astype(np.float32) > 0, variance, 1.0)
    for place, moments in enumerate(given):
        if moments is not None:
            mean[place], variance[place] = moments[0][0], moments[1][0]
    layer = layers.Normalization(name=name)
    layer.build((None, matrix.shape[1]))
    layer.set_weights([mean.astype(np.float32), variance.astype(np.float32), np.array(len(matrix))])
    layer.finalize_state()
    return layer


def _moments(layer: layers.Normalization) -> tuple[Array, Array]:
    mean, variance, _count = layer.get_weights()
    return mean.reshape(-1), variance.reshape(-1)


def _category(
    name: str, tensor: keras.KerasTensor, values: Array, max_categories: int, before: Sequence[str]
) -> keras.KerasTensor:
    counts = sorted(Counter(values.tolist()).items(), key=lambda item: (-item[1], item[0]))
    new = [token for token, _ in counts if token not in before]
    vocabulary = [*before, *new[: max(0, max_categories - len(before))]]
    return layers.StringLookup(vocabulary=vocabulary, output_mode="one_hot", name=name)(tensor)


def _date(
    name: str,
    tensor: keras.KerasTensor,
    values: Array,
    moments: tuple[Array, Array] | None,
    has_gaps: bool,
) -> list[keras.KerasTensor]:
    digits = keras.Sequential(_digit_layers(), name=f"{name}_digits")
    parts = _fixed_dense(f"{name}_parts", [_years(), (_MONTH, 0.0), (_DAY, 0.0), (_HOUR, 0.0)])
    month = _fixed_dense(f"{name}_month", [(_MONTH, 0.0)])
    present = layers.ReLU(max_value=1.0, name=f"{name}_present")  # month 0 happens only in ""
    matrix = np.asarray(parts(digits(ops.convert_to_tensor(values.reshape(-1, 1).tolist()))))
    read = np.where(values.reshape(-1, 1) == "", np.nan, matrix)
    x = digits(tensor)
    is_present = present(month(x))
    scaled = _standardisation(f"{name}_scale", read, _by_part(moments))(parts(x))
    scaled = layers.Multiply(name=f"{name}_values")([scaled, is_present])
    if not (has_gaps or (values == "").any()):
        return [scaled]
    return [scaled, layers.Rescaling(-1.0, offset=1.0, name=f"{name}_missing")(is_present)]


def _by_part(moments: tuple[Array, Array] | None) -> list[tuple[Array, Array] | None]:
    if moments is None:
        return []
    return [(moments[0][[part]], moments[1][[part]]) for part in range(len(moments[0]))]


def _digit_layers() -> list[keras.layers.Layer]:
    """Date string (n, 1) to the digits at its 19 places (n, 19), 0 where the string is shorter.

    Ids are 0 padding, 1 unknown, 2 the digit 0, …; the values at separators are weighted by 0 later.
    """
    characters = layers.TextVectorization(
        standardize=None,
        split="character",
        output_sequence_length=_DATE_LENGTH,
        vocabulary=list("0123456789-T:"),
        name="characters",
    )
    return [characters, layers.Rescaling(1.0, offset=-2.0, name="values"), layers.ReLU(name="digits")]


def _years() -> tuple[dict[int, float], float]:
    """Years since 2000 with their fraction: months of 1/12 year, days of 1/31 month."""
    month = {place: weight / 12 for place, weight in _MONTH.items()}
    day = {place: weight / (12 * 31) for place, weight in _DAY.items()}
    hour = {place: weight / (12 * 31 * 24) for place, weight in _HOUR.items()}
    return {**_YEAR, **month, **day, **hour}, -2000 - 1 / 12 - 1 / (12 * 31)


def _fixed_dense(name: str, units: Sequence[tuple[Mapping[int, float], float]]) -> layers.Dense:
    """A dense layer with given weights by place, and a given bias, for each unit; never trained."""
    layer = layers.Dense(len(units), trainable=False, kernel_initializer="zeros", name=name)
    layer.build((None, _DATE_LENGTH))
    kernel = np.zeros((_DATE_LENGTH, len(units)), np.float32)
    for unit, (weights, _) in enumerate(units):
        for place, weight in weights.items():
            kernel[place, unit] = weight
    layer.set_weights([kernel, np.array([bias for _, bias in units], np.float32)])
    return layer
