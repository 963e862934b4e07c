"""Which candidate is the baseline: that of most right answers on held-out rows, then of the lower loss."""

from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib import import_module
from typing import Any, Literal

import numpy as np
from threadpoolctl import threadpool_limits

from workers.transfer import tasks
from workers.transfer.baselines.learners import Answers, Problem, Solved
from workers.transfer.baselines.pooling import pooled_rows, without
from workers.transfer.baselines.readings import Inputs, Reading, join, spread, take
from workers.transfer.data import Array, Data, Rows
from workers.transfer.tasks import LabelUnit
from workers.transfer.training.features import stopwatch
from workers.transfer.training.options import Hooks, Stopped, Training
from workers.transfer.training.sampling import row_weights

KINDS = {"tabular": "tables", "text": "texts", "sequence": "sequences", "image": "images"}

_BLOCK = 4096

By = Literal["validation", "cross-validation", "default"]
JudgedBy = Literal["accuracy", "loss"]


@dataclass(frozen=True)
class Score:
    """What a candidate came to on held-out rows.

    accuracy: None for a regression, of several labels the share of single decisions. loss: log loss, of a
    regression the squared error in units of the train rows' label.
    """

    name: str
    accuracy: float | None
    loss: float

    def is_better_than(self, other: "Score", judged_by: JudgedBy = "accuracy") -> bool:
        """Whether it has more right answers, or as many and the lower loss; or by the loss alone."""
        if judged_by == "accuracy" and self.accuracy is not None and other.accuracy is not None:
            return (-self.accuracy, self.loss) < (-other.accuracy, other.loss)
        return self.loss < other.loss

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class Baseline:
    """The candidate that was chosen, by what, and what it answers for rows of raw inputs.

    answers: of a class probabilities (n, 1) or (n, k), of a number values (n, 1) in the label's unit.
    by: default where nothing could be held out; then the first is taken. earlier_seconds: CPU seconds of
    earlier runs, whose scores were remembered. reading, features, solved: what the answers are made by.
    """

    chosen: str
    by: By
    candidates: list[Score]
    earlier_seconds: float
    answers: Callable[[Mapping[str, Array]], Array]
    reading: Reading
    features: Callable[[Inputs], Any]
    solved: Solved


def readings_of(data: Data, source: Data | None = None) -> list[Reading]:
    """The readings for the data's kind; also of rows pooled with a source's, if its label is the same."""
    module = import_module(f"workers.transfer.baselines.{KINDS[data.signature.kind]}")
    found: list[Reading] = module.readings(data, None if source is None else pooled_rows(source, data))
    return found


def choose(
    readings: Sequence[Reading],
    data: Data,
    training: Training,
    hooks: Hooks | None = None,
    folds: Array | None = None,
    judged_by: JudgedBy = "accuracy",
) -> Baseline:
    """Fit each candidate on the train rows and take the one that is right most often on the validation rows.

    With `folds`, (n,) the fold in which each train row is held out, -1 for none, they are judged by these
    instead, and the one chosen is fitted on all train rows. Of equal candidates the log loss decides, then
    their order; `judged_by` loss, it decides alone. Of more train rows than a reading can take some are,
    spread over the targets. Everything follows from data, options and the training's seed.

    Each candidate's score is durable by `save_value`, so that a later attempt fits the chosen one alone.

    Raises:
        Stopped: `should_stop`, asked between two fits, gave a reason.
        ValueError: classes that the data does not have are weighted.
    """
    hooks = hooks or Hooks()
    search = _Search(data, training, hooks, folds)
    scores: list[Score] = []
    with threadpool_limits(1):  # several threads sum in another order
        candidates = [(reading, name) for reading in readings for name in reading.learners]
        best = 0
        for place, (reading, name) in enumerate(candidates if search.by != "default" else []):
            scores.append(search.score(reading, name))
            best = place if scores[place].is_better_than(scores[best], judged_by) else best
            search.forget_but(candidates[best][1])
        reading, name = candidates[best]
        features, answers = search.fitted(reading, name)

    def predict(inputs: Mapping[str, Array]) -> Array:
        with threadpool_limits(1):
            prepared = reading.prepare(inputs)
            return _in_blocks(answers, features, prepared, len(next(iter(inputs.values()))), data)

    return Baseline(name, search.by, scores, search.earlier_seconds, predict, reading, features, answers)


def out_of_fold(
    readings: Sequence[Reading],
    data: Data,
    training: Training,
    folds: Array,
    hooks: Hooks | None = None,
    left_out: Container[str] = (),
) -> Iterator[tuple[str, Array]]:
    """Each candidate's name, and its answers for the train rows by models that were trained on other folds.

    NaN for a row that no fold holds out. In the shape of a network's predictions. Candidates that are
    `left_out` are not fitted.

    Raises:
        Stopped: `should_stop`, asked between two fits, gave a reason.
    """
    search = _Search(data, training, hooks or Hooks(), folds)
    for reading in readings:
        for name in reading.learners:
            if name in left_out:
                continue
            with threadpool_limits(1):
                answers = search.out_of_fold(reading, name)
            yield name, answers


Features = Callable[[Inputs], Any]


@dataclass
class _Split:
    """Rows to train on, what makes features of inputs by them, and those features."""

    train: Rows
    weights: Array
    features: Features
    x: Any


@dataclass
class _Search:
    """What is shared among the candidates: prepared inputs of a reading, features by split."""

    data: Data
    training: Training
    hooks: Hooks
    folds: Array | None
    earlier_seconds: float = 0.0
    _reading: Reading | None = None
    _prepared: dict[str, Inputs] = field(default_factory=dict)
    _splits: dict[int, _Split] = field(default_factory=dict)
    _fitted: dict[str, tuple[Features, Solved]] = field(default_factory=dict)

    @property
    def by(self) -> By:
        if self.folds is not None and self.folds.max(initial=-1) >= 0:
            return "cross-validation"
        return "validation" if self.folds is None and self.data.validation is not None else "default"

    def score(self, reading: Reading, name: str) -> Score:
        """That of a candidate, remembered or found."""
        key = f"baseline {name}"
        known = self.hooks.load_value and self.hooks.load_value(key)
        if known:
            self.earlier_seconds += known["cpu_seconds"]
            return Score(known["name"], known["accuracy"], known["loss"])
        seconds = stopwatch(self.hooks.features)
        score = self._validated(reading, name) if self.folds is None else self._cross_validated(reading, name)
        if self.hooks.save_value:
            self.hooks.save_value(key, {**score.to_dict(), "cpu_seconds": seconds()})
        return score

    def fitted(self, reading: Reading, name: str) -> tuple[Features, Solved]:
        """A candidate on all train rows."""
        if name not in self._fitted:
            split = self._split(reading, -1)
            self._fitted[name] = split.features, self._fit(reading, name, split)
        return self._fitted[name]

    def forget_but(self, name: str) -> None:
        """Keep no model but this one: trees are large."""
        self._fitted = {known: fitted for known, fitted in self._fitted.items() if known == name}

    def _validated(self, reading: Reading, name: str) -> Score:
        assert self.data.validation is not None
        rows = self.data.validation
        features, answers = self.fitted(reading, name)
        prepared = self._of(reading, "validation", rows)
        return self._score(name, rows.targets, _in_blocks(answers, features, prepared, len(rows), self.data))

    def _cross_validated(self, reading: Reading, name: str) -> Score:
        assert self.folds is not None
        held, p = self.folds >= 0, self.out_of_fold(reading, name)
        return self._score(name, self.data.train.targets[held], p[held])

    def out_of_fold(self, reading: Reading, name: str) -> Array:
        """A candidate's answers for each train row by a model of the other folds."""
        assert self.folds is not None
        p: Array | None = None
        for number in range(self.folds.max() + 1):
            places = np.flatnonzero(self.folds == number)
            split = self._split(reading, number)
            answers = self._fit(reading, name, split)
            held_out = take(self._of(reading, "train", self.data.train), places)
            some = _in_blocks(answers, split.features, held_out, len(places), self.data)
            p = np.full((len(self.folds), some.shape[1]), np.nan) if p is None else p
            p[places] = some
        assert p is not None
        return p

    def _score(self, name: str, y: Array, p: Array) -> Score:
        task = self.data.signature.task
        if task == "regression":
            unit = self._unit
            squares = (unit.standardised(y) - unit.standardised(p)).astype(np.float64) ** 2
            return Score(name, None, float(squares.mean()))
        decided = tasks.decide(task, p)
        accuracy = float((decided == y.reshape(decided.shape)).mean())
        if task == "multilabel":
            return Score(name, accuracy, float(tasks.mark_losses(y, p).mean()))
        return Score(name, accuracy, float(tasks.log_losses(task, y.reshape(-1).astype(np.int64), p).mean()))

    def _fit(self, reading: Reading, name: str, split: _Split) -> Solved:
        self._pause()
        signature = self.data.signature
        unit = self._unit if signature.task == "regression" else None
        problem = Problem(signature.task, len(signature.classes), unit, self.training.seed, self._pause)
        return reading.learners[name](split.x, split.train.targets, split.weights, problem)

    def _split(self, reading: Reading, number: int) -> _Split:
        """The train rows without those of a fold, and the pool's, of the reading last asked for."""
        self._turn_to(reading)
        if number not in self._splits:
            train, prepared = self.data.train, self._of(reading, "train", self.data.train)
            if self.folds is not None and number >= 0:
                kept = np.flatnonzero(self.folds != number)
                train, prepared = train.take(kept), take(prepared, kept)
            places = spread(train.targets, reading.most_rows)
            if len(places) < len(train):
                train, prepared = train.take(places), take(prepared, places)
            if reading.pool is not None:
                train, prepared = self._pooled(reading, number, train, prepared)
            self._pause()
            features = reading.learn(prepared)
            weights = row_weights(self.training, replace(self.data, train=train))
            self._splits[number] = _Split(train, weights, features, features(prepared))
        return self._splits[number]

    def _pooled(self, reading: Reading, number: int, train: Rows, prepared: Inputs) -> tuple[Rows, Inputs]:
        assert reading.pool is not None
        pool = reading.pool
        if self.folds is not None and number >= 0:
            pool = without(pool, self.data.train.take(np.flatnonzero(self.folds == number)))
        pool = pool.take(spread(pool.targets, max(0, reading.most_rows - len(train))))
        if not len(pool):
            return train, prepared
        targets = np.concatenate([train.targets, pool.targets])
        inputs = {name: np.concatenate([values, pool.inputs[name]]) for name, values in train.inputs.items()}
        numbers = np.concatenate([train.numbers, pool.numbers])
        return Rows(inputs, targets, numbers), join(
            prepared, (reading.prepare_pool or reading.prepare)(pool.inputs)
        )

    def _of(self, reading: Reading, part: str, rows: Rows) -> Inputs:
        self._turn_to(reading)
        if part not in self._prepared:
            self._prepared[part] = reading.prepare(rows.inputs)
        return self._prepared[part]

    def _turn_to(self, reading: Reading) -> None:
        """Hold the features of one reading at a time, and no model but those that were fitted on all rows."""
        if self._reading is not reading:
            self._reading, self._prepared, self._splits = reading, {}, {}

    @property
    def _unit(self) -> LabelUnit:
        return LabelUnit.of(self.data.train.targets)

    def _pause(self) -> None:
        reason = self.hooks.should_stop and self.hooks.should_stop()
        if reason:
            raise Stopped(reason)


def _in_blocks(answers: Answers, features: Features, prepared: Inputs, rows: int, data: Data) -> Array:
    """Predictions for some rows at a time: float64 for a number, else float32 as a network's."""
    dtype = np.float64 if data.signature.task == "regression" else np.float32
    blocks = [
        answers(features(take(prepared, slice(start, start + _BLOCK)))).astype(dtype)
        for start in range(0, rows, _BLOCK)
    ]
    if not blocks:
        width = len(data.signature.classes) if data.signature.task in ("multiclass", "multilabel") else 1
        return np.empty((0, width), dtype)
    return np.concatenate(blocks)
