"""Raw columns to one float32 matrix, by built-in Keras layers whose state is learnt from the train rows.

The part takes a list of tensors (n, 1), one for each column in the signature's order. Numbers and booleans
are standardised, a missing one becomes the mean. Categories are one-hot with a place for unknown values.
Dates must read `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`. A column with missing values in the train rows gets
a 0/1 indicator; for categories "" is an ordinary value.

A feature that has one value in all train rows, such as a constant column's or that of unknown categories
where there are none, is not read: it is 0 whatever comes later, since nothing was learnt of it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.data import LARGEST_NUMBER, Array, Column
from workers.transfer.networks.dates import PARTS, date_parts
from workers.transfer.networks.standardisation import Scales, layer_of, mask, scales

OPTIONS = ("preprocessing", "max_categories")
"""Those of a network's options that say how its inputs are read."""

_BLOCK = 1024
_GROUPS = ("number", "rare")
_MASK = "varying"

UNKNOWN = "(unknown)"
"""How the place of values that are in no vocabulary is called."""

NEVER_VARIED = " (never varied)"
"""What follows the name of a feature that is not read."""

Feature = tuple[str, str]
"""The column, and how the feature is called: `age`, `age missing`, `city=Paris`, …"""


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

    scales: of a number one, of a date those of its parts; gaps: columns with an indicator of missing values;
    tokens: a category's vocabulary, without the unknown; read: the features that are read.
    """

    scales: Mapping[str, Scales] = field(default_factory=dict)
    gaps: frozenset[str] = frozenset()
    tokens: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    read: frozenset[Feature] = frozenset()

    def of(self, columns: Sequence[Column]) -> "Known":
        """What is known of these columns alone."""
        names = {column.name for column in columns}
        return Known(
            {name: known for name, known in self.scales.items() if name in names},
            self.gaps & names,
            {name: tokens for name, tokens in self.tokens.items() if name in names},
            frozenset(feature for feature in self.read if feature[0] in names),
        )


def known(part: keras.Model, columns: Sequence[Column]) -> Known:
    """What a part that `learnt` made knows of its columns; nothing of one that `plain` made."""
    layer = {layer.name: layer for layer in part.layers}
    found: dict[str, Scales] = {}
    gaps: set[str] = set()
    tokens: dict[str, tuple[str, ...]] = {}
    for group in _GROUPS:
        for number, place in enumerate(_places(part, group)):
            magnified = layer.get(f"number_{place}_magnified")
            factor = 1.0 if magnified is None else float(magnified.scale)
            found[columns[place].name] = _scales(layer[f"{group}_scale"], [number], factor, group == "rare")
    if "numbers_with_gaps" in layer:
        watched = {tensor.name for tensor in keras.tree.flatten(layer["numbers_with_gaps"].input)}
        gaps = {c.name for c, x in zip(columns, part.inputs, strict=True) if x.name in watched}
    for number, column in enumerate(columns):
        if f"tokens_{number}" in layer:
            tokens[column.name] = tuple(layer[f"tokens_{number}"].get_vocabulary()[1:])
        if f"date_{number}_scale" in layer:
            found[column.name] = _scales(layer[f"date_{number}_scale"], range(len(PARTS)), 1.0, False)
        if f"date_{number}_missing" in layer:
            gaps.add(column.name)
    state = Known(found, frozenset(gaps), tokens)
    named = zip(_features(part, columns, state), _is_read(part), strict=True)
    return replace(state, read=frozenset(feature for feature, is_read in named if is_read))


def _places(part: keras.Model, group: str) -> list[int]:
    """The numbers of the columns in a group, in its order."""
    layer = {layer.name: layer for layer in part.layers}
    if f"{group}_scale" not in layer:
        return []
    tensors = [
        layer[f"number_{place}_magnified"].output if f"number_{place}_magnified" in layer else tensor
        for place, tensor in enumerate(part.inputs)
    ]
    watched = keras.tree.flatten(layer[f"{group}s"].input)
    return [next(place for place, tensor in enumerate(tensors) if tensor is one) for one in watched]


def _scales(layer: layers.Normalization, places: Sequence[int], factor: float, rare: bool) -> Scales:
    mean, variance, _count = (weight.reshape(-1).astype(np.float64) for weight in layer.get_weights())
    one = np.ones(len(mean))
    return Scales(mean, variance, factor * one, one > 0, (one > 0) & rare).at(places)


def _is_read(part: keras.Model) -> list[bool]:
    layer = {layer.name: layer for layer in part.layers}
    if _MASK not in layer:
        return [True] * part.output_shape[-1]
    return [bool(known) for known in np.isfinite(layer[_MASK].get_weights()[1].reshape(-1))]


def _features(part: keras.Model, columns: Sequence[Column], state: Known) -> list[Feature]:
    """Those of the part's output (n, d), in order."""
    if not (state.scales or state.tokens):
        return [(column.name, column.name) for column in columns]
    numeric = [columns[place].name for group in _GROUPS for place in _places(part, group)]
    names = [(name, name) for name in numeric]
    gaps = [column.name for column in columns if column.is_numeric and column.name in state.gaps]
    names += [(name, f"{name} missing") for name in gaps]
    for column in columns:
        if column.type == "category":
            found = [f"{column.name}={token}" for token in (UNKNOWN, *state.tokens[column.name])]
            names += [(column.name, name) for name in found]
        elif column.type == "date":
            found = [*PARTS, "missing"] if column.name in state.gaps else list(PARTS)
            names += [(column.name, f"{column.name} {name}") for name in found]
    return names


def feature_names(part: keras.Model, columns: Sequence[Column]) -> list[str]:
    """What each feature of the part's output (n, d) is, in order; of those not read, `fee (never varied)`."""
    features = _features(part, columns, known(part, columns))
    return [
        name if is_read else f"{name}{NEVER_VARIED}"
        for (_, name), is_read in zip(features, _is_read(part), strict=True)
    ]


def features_of_scales(part: keras.Model, columns: Sequence[Column]) -> dict[str, list[str]]:
    """The features whose means and deviations a layer holds, by the layer's name."""
    found = {f"{group}_scale": [columns[place].name for place in _places(part, group)] for group in _GROUPS}
    for number, column in enumerate(columns):
        if column.type == "date":
            found[f"date_{number}_scale"] = [f"{column.name} {name}" for name in PARTS]
    there = {layer.name for layer in part.layers}
    return {name: features for name, features in found.items() if name in there}


def learnt(
    columns: Sequence[Column],
    train: Mapping[str, Array],
    max_categories: int,
    before: Known | None = None,
) -> keras.Model:
    """The preprocessing part with means, variances and vocabularies of the train rows.

    What is known `before` is kept: its scales, its gaps, what it reads and, before new ones, its tokens. What
    it did not read is as new.
    """
    state = before or Known()
    inputs, built = _inputs(columns), _Built()
    _numbers(built, columns, inputs, train, state)
    for number, (column, tensor) in enumerate(zip(columns, inputs, strict=True)):
        if column.type == "category":
            _category(built, number, column.name, tensor, train[column.name], max_categories, state)
        elif column.type == "date":
            _date(built, number, column.name, tensor, train[column.name], state)
    return keras.Model(inputs, built.join(state), name="preprocessing")


def input_of(column: Column, name: str) -> keras.KerasTensor:
    """A Keras input of shape (n, 1), float32 or string."""
    return keras.Input((1,), name=name, dtype="float32" if column.is_numeric else "string")


def _inputs(columns: Sequence[Column]) -> list[keras.KerasTensor]:
    return [input_of(column, f"column_{number}") for number, column in enumerate(columns)]


@dataclass
class _Built:
    """Tensors of features, what each feature is, and whether it varies in the train rows."""

    tensors: list[keras.KerasTensor] = field(default_factory=list)
    features: list[Feature] = field(default_factory=list)
    varies: list[bool] = field(default_factory=list)

    def add(self, tensor: keras.KerasTensor, features: Sequence[Feature], varies: Iterable[bool]) -> None:
        self.tensors.append(tensor)
        self.features += features
        self.varies += [bool(one) for one in varies]

    def join(self, state: Known) -> keras.KerasTensor:
        """All features (n, d), 0 in place of those that never varied, neither before nor now."""
        whole = layers.Concatenate(name="columns")(self.tensors)
        pairs = zip(self.features, self.varies, strict=True)
        is_read = [varies or feature in state.read for feature, varies in pairs]
        return whole if all(is_read) else mask(_MASK, is_read)(whole)


def _numbers(
    built: _Built,
    columns: Sequence[Column],
    inputs: Sequence[keras.KerasTensor],
    train: Mapping[str, Array],
    state: Known,
) -> None:
    places = [place for place, column in enumerate(columns) if column.is_numeric]
    if not places:
        return
    names = [columns[place].name for place in places]
    matrix = np.stack([train[name] for name in names], axis=1)  # (n, d)
    found = scales(matrix)
    for number, name in enumerate(names):
        if (name, name) in state.read:
            found.take([number], state.scales[name], [0])
    tensors = [_magnified(place, inputs[place], found.factor[number]) for number, place in enumerate(places)]
    for group, is_in in (("number", ~found.rare), ("rare", found.rare)):
        chosen = np.flatnonzero(is_in).tolist()
        if chosen:
            raw = layers.Concatenate(name=f"{group}s")([tensors[number] for number in chosen])
            raw = ops.clip(raw, -LARGEST_NUMBER, LARGEST_NUMBER)
            scaled = layer_of(f"{group}_scale", found.at(chosen), len(matrix))(raw)
            most = 1.0 if group == "rare" else LARGEST_NUMBER
            scaled = ops.nan_to_num(ops.clip(scaled, -most, most), nan=0.0)
            built.add(scaled, [(names[number],) * 2 for number in chosen], found.varies[chosen])
    _gaps(built, names, [inputs[place] for place in places], np.isnan(matrix).mean(axis=0), state)


def _magnified(place: int, tensor: keras.KerasTensor, factor: float) -> keras.KerasTensor:
    if factor == 1:
        return tensor
    return layers.Rescaling(float(factor), name=f"number_{place}_magnified")(tensor)


def _gaps(
    built: _Built, names: Sequence[str], inputs: Sequence[keras.KerasTensor], missing: Array, state: Known
) -> None:
    gaps = [place for place, name in enumerate(names) if name in state.gaps or missing[place] > 0]
    if gaps:
        watched = layers.Concatenate(name="numbers_with_gaps")([inputs[place] for place in gaps])
        features = [(names[place], f"{names[place]} missing") for place in gaps]
        varies = [0 < missing[place] < 1 for place in gaps]
        built.add(ops.cast(ops.isnan(watched), "float32"), features, varies)


def _category(
    built: _Built,
    number: int,
    column: str,
    tensor: keras.KerasTensor,
    values: Array,
    max_categories: int,
    state: Known,
) -> None:
    before, counts = state.tokens.get(column, ()), Counter(values.tolist())
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    new = [token for token, _ in ordered if token not in before]
    vocabulary = [*before, *new[: max(0, max_categories - len(before))]]
    rows = [len(values) - sum(counts[token] for token in vocabulary), *(counts[one] for one in vocabulary)]
    layer = layers.StringLookup(vocabulary=vocabulary, output_mode="one_hot", name=f"tokens_{number}")
    features = [(column, f"{column}={token}") for token in (UNKNOWN, *vocabulary)]
    built.add(layer(tensor), features, [0 < count < len(values) for count in rows])


def _date(
    built: _Built, number: int, column: str, tensor: keras.KerasTensor, values: Array, state: Known
) -> None:
    name = f"date_{number}"
    parts, is_present, read = date_parts(name, tensor, values)
    found = scales(read, unit=1.0)
    features = [(column, f"{column} {part}") for part in PARTS]
    carried = [place for place, feature in enumerate(features) if feature in state.read]
    if carried:
        found.take(carried, state.scales[column], carried)
    scaled = layer_of(f"{name}_scale", found, len(values))(parts)
    built.add(layers.Multiply(name=f"{name}_values")([scaled, is_present]), features, found.varies)
    missing = float((values == "").mean())
    if column in state.gaps or missing > 0:
        flag = layers.Rescaling(-1.0, offset=1.0, name=f"{name}_missing")(is_present)
        built.add(flag, [(column, f"{column} missing")], [0 < missing < 1])
