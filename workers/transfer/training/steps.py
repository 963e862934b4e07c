"""Training steps, many at a time inside one TensorFlow graph."""

import json
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.transfer import tasks
from workers.transfer.data import Array, Task
from workers.transfer.networks.forwarding import inputs_of, rows_at_a_time
from workers.transfer.networks.network import Part, function_of, leaves
from workers.transfer.training.augmentation import Changes, augmented
from workers.transfer.training.feeding import Features, map_structure, taken
from workers.transfer.training.objective import Objective, Seen
from workers.transfer.training.optimizer import PartwiseAdam, Rates, of_path, rate_of, settings_of
from workers.transfer.training.replicas import replicas

EVALUATION_ROWS = 4096
SMALL_BYTES = 4 << 20

Parts = Mapping[Part, keras.Model]
DTypes = str | Mapping[str, str]
"""Of the features as they come, of several tensors by name."""


class Steps:
    """The traced training and evaluation of one architecture, on its own copy of the parts.

    Values are put in before a fit and taken out after it, so that networks of one architecture share the
    cost of tracing. The parts end in the unit of a regression's label, see `tasks.in_units`.
    """

    def __init__(
        self,
        parts: Parts,
        task: Task,
        rates: Rates,
        objective: Objective,
        dtypes: DTypes = "float32",
        changes: Changes = (),
        devices: int = 1,
    ) -> None:
        self._task, self._objective, self._changes = task, objective, changes
        self._replicas = replicas(devices)
        with self._replicas.scope() if self._replicas else nullcontext():
            self._make(parts, rates, objective)
        inputs = inputs_of(next(iter(self._parts.values())))
        self._read_as = map_structure(lambda one: one.dtype, inputs)  # features may come in a smaller type
        x = map_structure(lambda one, dtype: tf.TensorSpec([None, *one.shape[1:]], dtype), inputs, dtypes)
        y, w = _targets(task, list(self._parts.values())[-1].output_shape[-1])
        schedule = tf.TensorSpec([None])
        extras = {
            name: tf.TensorSpec([None, *values.shape[1:]], values.dtype)
            for name, values in objective.extras.items()
        }
        self._traced_train = tf.function(
            self._train,
            [x, y, w, extras, schedule, tf.TensorSpec([None, 2], tf.int32), tf.TensorSpec([], tf.int32)],
            autograph=False,
        )
        self._traced_evaluate = tf.function(self._evaluate, [x, y, w], autograph=False)

    def _make(self, parts: Parts, rates: Rates, objective: Objective) -> None:
        """The copies of the parts, and the optimizer of what is trained."""
        self._parts: Parts = {
            name: part.__class__.from_config(part.get_config()) for name, part in parts.items()
        }
        self._helpers = [part.__class__.from_config(part.get_config()) for part in objective.helpers]
        self._trained: list[tuple[str, keras.Variable]] = []
        for name, part in self._parts.items():
            self._trained += _freeze(name, part, rates)
        for number, helper in enumerate(self._helpers):
            self._trained += _freeze(f"helper {number}", helper, {})
        self._variables = [variable for _, variable in self._trained]
        pulls = [of_path(objective.pull, path, 0.0) or None for path, _ in self._trained]
        self._optimizer = PartwiseAdam(self._variables, pulls, **settings_of(self._task))
        self._tapped = {name: _tapped(name, part, objective.taps) for name, part in self._parts.items()}

    @property
    def is_small(self) -> bool:
        """Whether it has few weights and nothing of its data: what another job may find useful."""
        asked = self._objective
        size = sum(weight.numpy().nbytes for weight in self.weights)
        return size <= SMALL_BYTES and not (asked.extras or asked.helpers or asked.anchors)

    @property
    def weights(self) -> list[keras.Variable]:
        """The parts' variables: weights and states of random generators."""
        return [variable for owner in [*self._parts.values(), *self._helpers] for variable in owner.variables]

    @property
    def variables(self) -> list[keras.Variable]:
        """All that training changes: the weights and the optimizer's variables."""
        return [*self.weights, *self._optimizer.variables]

    def begin(self, parts: Parts, objective: Objective, learning_rate: float, rates: Rates) -> None:
        """Take the values, forget the last fit's optimizer, set the rates and what is pulled to."""
        for own, other in zip(
            [*self._parts.values(), *self._helpers], [*parts.values(), *objective.helpers], strict=True
        ):
            _copy(other, own)
        for variable in self._optimizer.variables:
            variable.assign(keras.ops.zeros_like(variable))
        self._optimizer.learning_rate = learning_rate
        for (path, variable), factor, anchor in zip(
            self._trained, self._optimizer.factors, self._optimizer.anchors, strict=True
        ):
            factor.assign(rate_of(rates, path))
            if anchor is not None:
                anchor.assign(objective.anchors.get(path, variable))

    def end(self, parts: Parts, helpers: Sequence[keras.Model]) -> None:
        """Give the values back."""
        for own, other in zip(
            [*self._parts.values(), *self._helpers], [*parts.values(), *helpers], strict=True
        ):
            _copy(own, other)

    def train(
        self,
        x: Features,
        y: Array,
        weight: Array,
        extras: Mapping[str, Array],
        scales: Array,
        seeds: Array,
        batch_size: int,
    ) -> tuple[float, float]:
        """One step a batch, in the given order; the rows' loss and, of classes, right answers, summed.

        Of sequences it is the tokens', by their weights.
        `scales` (steps,) are factors on the learning rate, and `seeds` (steps, 2) int32 what augmentation is
        drawn from, one a step.
        """
        loss, right = self._traced_train(x, y, weight, dict(extras), scales, seeds, batch_size)
        return float(loss), float(right)

    def evaluate(self, x: Features, y: Array, weight: Array) -> tuple[float, float]:
        """The labels' loss and right answers, summed, without training and in inference mode."""
        sums = np.zeros(2)
        at_a_time = rows_at_a_time(*self._parts.values(), most=EVALUATION_ROWS)
        if self._task in tasks.SEQUENCES:  # what is said of a row there is of one of its tokens, or windows
            at_a_time = max(1, at_a_time // (y.shape[1] if self._task == "seq2seq" else _windows_of(x)))
        for start in range(0, len(y), at_a_time):
            rows = slice(start, start + at_a_time)
            seen = self._traced_evaluate(taken(x, rows), y[rows], weight[rows])
            sums += [float(value) for value in seen]
        return float(sums[0]), float(sums[1])

    def _train(
        self, x: Any, y: Any, w: Any, extras: Any, schedule: Any, seeds: Any, batch_size: Any
    ) -> tuple[Any, Any]:
        rows = tf.shape(y)[0]

        def step(number: Any, loss: Any, right: Any) -> tuple[Any, Any, Any]:
            start = number * batch_size
            end = tf.minimum(start + batch_size, rows)
            self._optimizer.scale.assign(schedule[number])
            batch = self._as_read(map_structure(lambda one: one[start:end], x))
            batch = augmented(batch, self._changes, seeds[number]) if self._changes else batch

            def share(first: Any, last: Any, part: Any) -> tuple[Any, Any]:
                some = {name: values[first:last] for name, values in extras.items()}
                own_rows = map_structure(lambda one: one[first - start : last - start], batch)
                return self._step(own_rows, y[first:last], w[first:last], some, part)

            if self._replicas:
                batch_loss, batch_right = self._replicas.step(share, start, end)
            else:
                batch_loss, batch_right = share(start, end, None)
            return number + 1, loss + batch_loss * self._count(w[start:end]), right + batch_right

        start_values = (tf.constant(0), tf.constant(0.0), tf.constant(0.0))
        _, loss, right = tf.while_loop(
            lambda number, *_: number * batch_size < rows, step, start_values, parallel_iterations=1
        )
        return loss, right

    def _step(self, x: Any, y: Any, w: Any, extras: Mapping[str, Any], part: Any) -> tuple[Any, Any]:
        """One device's step on its rows, which are `part` of the batch; None if they are all of it."""
        if self._task == "seq2seq":
            x, y, w = _trimmed(x, y, w)
        elif self._task == "span":
            x = {**x, "context": _filled(x["context"])}
        with tf.GradientTape() as tape:
            p, taps = self._call(x, training=True)
            seen = Seen(self._task, y, w, p, taps, extras, tuple(self._helpers))
            loss = tf.add_n([tf.cast(term(seen), tf.float32) for term in self._objective.terms])
            loss = loss if part is None else loss * part
        self._optimizer.apply(tape.gradient(loss, self._variables), self._variables)
        right = self._right(y, p, w)
        return loss, right if part is None else tf.where(part > 0, right, 0.0)

    def _evaluate(self, x: Any, y: Any, w: Any) -> tuple[Any, Any]:
        x = self._as_read(x)
        for part in self._parts.values():
            x = part(x, training=False)
        losses = tasks.row_losses(self._task, y, x)
        losses = losses * w if self._task in tasks.SEQUENCES else losses
        return tf.reduce_sum(losses), self._right(y, x, w)

    def _as_read(self, x: Any) -> Any:
        return map_structure(tf.cast, x, self._read_as)

    def _count(self, w: Any) -> Any:
        """What a batch's mean loss is the mean of: rows, of sequences the tokens by their weights."""
        if self._task in tasks.SEQUENCES:
            return tf.reduce_sum(w)
        return tf.cast(tf.shape(w)[0], tf.float32)

    def _call(self, x: Any, training: bool) -> tuple[Any, dict[str, Any]]:
        taps: dict[str, Any] = {}
        for model, paths in self._tapped.values():
            outputs = model(x, training=training)
            x, *tapped = outputs if paths else [outputs]
            taps |= dict(zip(paths, tapped, strict=True))
        return x, taps

    def _right(self, y: Any, p: Any, w: Any) -> Any:
        if self._task == "regression":
            return tf.constant(0.0)
        if self._task in tasks.SEQUENCES:
            hits = tf.equal(tf.argmax(p, axis=2, output_type=y.dtype), y)
            return tf.reduce_sum(w * tf.cast(hits, tf.float32))
        if self._task == "multiclass":
            return tf.reduce_sum(tf.cast(tf.equal(tf.argmax(p, axis=1), y), tf.float32))
        right = tf.cast(tf.equal(p > 0.5, y > 0.5), tf.float32)  # (b, 1), or one a label
        return tf.reduce_sum(tf.reduce_mean(right, axis=1))


def architecture(parts: Parts, task: Task, rates: Rates, objective: Objective) -> str:
    """A text equal for equal graphs: layers, what is frozen, what is minimised; no values that are put in."""
    models = [*parts.values(), *objective.helpers]
    configs = [function_of(model) for model in models]
    frozen = [
        path
        for name, part in parts.items()
        for leaf, layer in leaves(part)
        for path in (f"{name}/{leaf}", *(f"{name}/{leaf}/{weight.name}" for weight in layer.weights))
        if rate_of(rates, path) == 0
    ]
    extras = {name: [values.shape[1:], str(values.dtype)] for name, values in objective.extras.items()}
    seen = [objective.name, objective.taps, extras, dict(objective.pull)]
    shapes = [map_structure(lambda one: list(one.shape), inputs_of(model)) for model in models]
    return json.dumps([task, shapes, configs, frozen, seen], sort_keys=True, default=str)


def _targets(task: Task, answers: int) -> tuple[tf.TensorSpec, tf.TensorSpec]:
    """What targets and weights are: one a row, of a sequence one a token."""
    if task in tasks.SEQUENCES:
        return tf.TensorSpec([None, None], tf.int32), tf.TensorSpec([None, None])
    y = tf.TensorSpec([None], tf.int64) if task == "multiclass" else tf.TensorSpec([None, answers])
    return y, tf.TensorSpec([None])


def _trimmed(x: Any, y: Any, w: Any) -> tuple[Any, Any, Any]:
    """Ids (b, length) without the places at their end that are padding in all of these rows."""

    def longest(ids: Any) -> Any:
        there = tf.reduce_any(tf.not_equal(ids, 0), axis=0)
        last = tf.reduce_max(tf.where(there, tf.range(1, tf.shape(ids)[1] + 1), 0))
        return tf.maximum(last, 1)

    def cut(one: Any) -> Any:
        return one[:, : longest(one)] if one.dtype.is_integer else one[:, : longest(y)]

    return map_structure(cut, x), y[:, : longest(y)], w[:, : longest(y)]


def _filled(context: Any) -> Any:
    """Ids (b, windows, step) without the windows at their end that no context of these rows fills."""
    there = tf.reduce_any(tf.not_equal(context, 0), axis=[0, 2])
    return context[:, : tf.reduce_max(tf.where(there, tf.range(1, tf.shape(context)[1] + 1), 1))]


def _windows_of(x: Any) -> int:
    return int(x["context"].shape[1])


def _freeze(name: str, part: keras.Model, rates: Rates) -> list[tuple[str, keras.Variable]]:
    """What is trained, by path; layers with a rate of 0 are no longer trainable, nor learn statistics."""
    trained = []
    for path, layer in leaves(part):
        where = f"{name}/{path}"
        if rate_of(rates, where) == 0:
            layer.trainable = False
        paths = [(f"{where}/{variable.name}", variable) for variable in layer.trainable_variables]
        trained += [(path, variable) for path, variable in paths if rate_of(rates, path) > 0]
    return trained


def _tapped(name: str, part: keras.Model, taps: Sequence[str]) -> tuple[keras.Model, list[str]]:
    """A model of the same layers that also answers the outputs of some, and their paths."""
    paths = [tap for tap in taps if tap.split("/")[0] == name]
    if not paths:
        return part, []
    tapped = [part.get_layer(path.split("/", 1)[1]).output for path in paths]
    return keras.Model(part.inputs, [part.outputs[0], *tapped]), paths


def _copy(source: keras.Model, target: keras.Model) -> None:
    for one, other in zip(source.variables, target.variables, strict=True):
        other.assign(one)
