"""A task as numbers, such that related tasks are near: Task2Vec on a fixed network of drawn weights.

Achille et al., Task2Vec: Task Embedding for Meta-Learning (2019). A head is fitted to the fixed network's
features, and the diagonal of its Fisher information says which features the labels depend on. With it go
which features tell the classes apart, how the labels are spread, and sizes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

import numpy as np
from scipy.special import expit, softmax
from threadpoolctl import threadpool_limits

from workers.transfer.baselines.readings import spread
from workers.transfer.choosing.probe_network import features, name_of
from workers.transfer.choosing.scores.logme import marks
from workers.transfer.choosing.target import TASKS, NotRankable
from workers.transfer.data import Array, Data, Task
from workers.transfer.tasks import LabelUnit
from workers.transfer.training.strengths import Content, fit_linear

MOST_ROWS = 2000
"""Train rows that a vector is made of, at most; of more some are taken, spread over the targets."""


@dataclass(frozen=True)
class TaskVector:
    """What is known of a task, plain JSON values. The names and the order of classes do not enter.

    probe: the fixed network, see `probe_network.name_of`; vectors of one name can be compared.
    rows: of the train rows `of_rows`, those that it is made of.
    class_shares: in falling order, of several labels the share of rows that have each; empty for a number.
    label_entropy: in nats, of several labels the sum over them; None for a number.
    feature_mean, feature_deviation: of the network's features, (WIDTH,).
    fisher: (WIDTH,), the diagonal of the head's Fisher information pooled over classes; its sum is 1.
    separation: (WIDTH,), the share of each feature's variance that is between classes, less what chance
        gives; of a number what a line explains.
    """

    probe: str
    task: Task
    rows: int
    of_rows: int
    classes: int
    class_shares: list[float]
    label_entropy: float | None
    feature_mean: list[float]
    feature_deviation: list[float]
    fisher: list[float]
    separation: list[float]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        return cls(**values)


def task_vector(data: Data) -> TaskVector:
    """The vector of a data set's task, by its train rows.

    Raises:
        NotRankable: a task whose answers are no classes, labels or numbers.
    """
    signature = data.signature
    task, classes = signature.task, len(signature.classes)
    if task not in TASKS:
        raise NotRankable(
            f"Expected a data set whose task is one of {', '.join(TASKS)}. Received: {task}. "
            "Vectors are made of these."
        )
    rows = data.train.take(spread(data.train.targets, MOST_ROWS))
    with threadpool_limits(1):  # several threads sum in another order
        x = features(signature, rows.inputs)
        y = rows.targets
        if task == "regression":
            y = LabelUnit.of(y).standardised(y).astype(np.float64)
        varied = _uncertainty(x, y, task, classes)
        fisher = (x**2 * varied[:, None]).mean(axis=0)
        shares = _shares(y, task, classes)
        of_class = y if task in ("multilabel", "regression") else y.reshape(-1).astype(np.int64)
        return TaskVector(
            probe=name_of(signature),
            task=task,
            rows=len(rows),
            of_rows=len(data.train),
            classes=classes,
            class_shares=sorted(shares.tolist(), reverse=True),
            label_entropy=None if task == "regression" else _entropy(shares, task),
            feature_mean=x.mean(axis=0).tolist(),
            feature_deviation=x.std(axis=0).tolist(),
            fisher=(fisher / max(float(fisher.sum()), np.finfo(float).tiny)).tolist(),
            separation=_separation(x, marks(of_class, task, classes), task).tolist(),
        )


def _uncertainty(x: Array, y: Array, task: Task, classes: int) -> Array:
    """Σ p(1 - p) of each row by a linear head, over classes or labels; of a number the squared residual.

    A number's is the empirical Fisher information, in the label's deviations: the other does not know y.
    """
    weights = np.ones(len(x))
    targets = y if task in ("multilabel", "regression") else y.reshape(-1).astype(np.int64)
    fitted = fit_linear(x, targets, task, classes, weights, Content.of(x, targets, weights)).fitted
    answers = x @ fitted.kernel + fitted.bias
    if task == "regression":
        residual: Array = (y.reshape(-1) - answers[:, 0]) ** 2
        return residual
    p = softmax(answers, axis=1) if task == "multiclass" else expit(answers)
    uncertain: Array = (p * (1 - p)).sum(axis=1)
    return uncertain


def _shares(y: Array, task: Task, classes: int) -> Array:
    if task == "regression":
        return np.zeros(0)
    if task == "multilabel":
        return np.asarray(y.mean(axis=0), np.float64)
    return np.bincount(y.reshape(-1).astype(np.int64), minlength=classes) / len(y)


def _entropy(shares: Array, task: Task) -> float:
    p = np.concatenate([shares, 1 - shares]) if task == "multilabel" else shares
    p = p[p > 0]
    return float(-(p * np.log(p)).sum())


def _separation(x: Array, columns: Array, task: Task) -> Array:
    """Of each feature ε² (Kelley 1935): η² less what chance gives; of several labels their mean.

    columns: (n, k), of classes which is each row's, of labels those that vary, or the number.
    """
    if not columns.shape[1]:
        return np.zeros(x.shape[1])
    if task == "regression":
        y = columns - columns.mean(axis=0)
        length = max(float((y**2).sum()), np.finfo(float).tiny)
        return _share(x, ((x - x.mean(axis=0)).T @ y)[:, 0] ** 2 / length, 2)
    if task == "multilabel":
        each = [np.stack([1 - column, column], axis=1) for column in columns.T]
        return np.asarray(np.mean([_share(x, _between(x, one), 2) for one in each], axis=0))
    return _share(x, _between(x, columns), columns.shape[1])


def _between(x: Array, members: Array) -> Array:
    sizes = members.sum(axis=0)
    means = (members.T @ (x - x.mean(axis=0))) / sizes[:, None]
    between: Array = (sizes[:, None] * means**2).sum(axis=0)
    return between


def _share(x: Array, explained: Array, parameters: int) -> Array:
    total = ((x - x.mean(axis=0)) ** 2).sum(axis=0)
    share = np.divide(explained, total, out=np.zeros_like(total), where=total > 0)
    n = len(x)
    by_chance = (1 - share) * (n - 1) / max(n - parameters, 1)
    left: Array = np.where(total > 0, np.clip(1 - by_chance, 0, 1), 0.0)
    return left


def distance(one: TaskVector, other: TaskVector) -> float:
    """From 0 to 1, symmetric; 0 of a task to itself.

    The mean of two: 1 - cos(f/(f+g), g/(f+g)) of the Fisher diagonals (Task2Vec), and 1 - Σ min(s, t) /
    Σ max(s, t) of the separations (Ružička).

    Raises:
        ValueError: vectors of different networks.
    """
    if one.probe != other.probe:
        raise ValueError(f"Expected vectors of one network. Received: {one.probe} and {other.probe}.")
    f, g = np.asarray(one.fisher), np.asarray(other.fisher)
    both = f + g
    a, b = (np.divide(h, both, out=np.zeros_like(h), where=both > 0) for h in (f, g))
    lengths = float(np.linalg.norm(a) * np.linalg.norm(b))
    cosine = float(a @ b) / lengths if lengths > 0 else 0.0
    s, t = np.asarray(one.separation), np.asarray(other.separation)
    most = float(np.maximum(s, t).sum())
    shared = float(np.minimum(s, t).sum()) / most if most > 0 else 1.0
    return min(max(0.5 * (1 - cosine) + 0.5 * (1 - shared), 0.0), 1.0)


def shuffled(data: Data, seed: int = 0) -> Data:
    """The same train rows with each other's labels: a task that nothing can be learnt of."""
    order = np.random.Generator(np.random.Philox(seed)).permutation(len(data.train))
    return replace(data, train=replace(data.train, targets=data.train.targets[order]))


def nearest(vector: TaskVector, others: Sequence[tuple[str, TaskVector]]) -> list[tuple[str, float]]:
    """Names and distances of those that the same network made, nearest first; of equal ones the first."""
    found = [(name, distance(vector, other)) for name, other in others if other.probe == vector.probe]
    return sorted(found, key=lambda one: one[1])
