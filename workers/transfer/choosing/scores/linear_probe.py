"""Cross-validated log-likelihood of a regularised linear model on frozen features.

Alain & Bengio, Understanding intermediate layers using linear classifier probes (2016). Of numbers it is
ridge regression, and minus the squared error in place of the log-likelihood.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from workers.transfer.data import Array, Task
from workers.transfer.training.linear_models import TOLERANCE, Fitted, Problem, Space
from workers.transfer.training.strengths import STRENGTHS


@dataclass(frozen=True, eq=False)
class OutOfFold:
    """Answers for the rows that are held out, each by a model that has not seen its fold.

    predictions: (n, …) in the shape of a network's, of a number in the unit of y; NaN where no fold holds
        the row out.
    strengths: C of each fold, (folds, problems), see `strengths.STRENGTHS`.
    """

    predictions: Array
    strengths: Array


def out_of_fold(
    x: Array,
    y: Array,
    task: Task,
    classes: int,
    fold: Array,
    pause: Callable[[], None] = lambda: None,
) -> OutOfFold:
    """A linear model for each fold, at the C of lowest loss on the other folds.

    So the rows that a fold is judged by have not chosen its C; and what is right for most folds is fitted
    once, not again within each. Features are standardised by the rows that are trained on and divided by √D,
    in the basis of these rows where they are fewer than features, see `linear_models`. A class that is not
    among them has a small probability, see `Problem.fit`.

    Args:
        x: features (n, D), finite.
        y: classes (n,), labels (n, k) of 0 and 1, or numbers (n,) in units of their deviation.
        fold: (n,), -1 of rows that are held out in none.
        pause: called between two fits; may raise.
    """
    problems = Problem.all_of(task, classes)
    x, y = x.astype(np.float64), y.astype(np.float64)
    count = int(fold.max()) + 1
    losses = np.zeros((len(problems), count, len(STRENGTHS)))
    fits: list[list[list[Fitted]]] = []
    with threadpool_limits(1, user_api="blas"):  # several threads sum in another order
        spaces = [Space.of(x[fold != number]) for number in range(count)]
        for place, problem in enumerate(problems):
            fits.append([])
            for number, (space, z) in enumerate(spaces):
                train, held = fold != number, fold == number
                mine = problem.of(y)
                models = problem.fit(z, mine[train], np.ones(len(z)), STRENGTHS, pause, TOLERANCE)
                z_held = space.rows(x[held])
                losses[place, number] = [problem.losses(z_held, mine[held], one).sum() for one in models]
                fits[place].append(models)
        others = losses.sum(axis=1, keepdims=True) - losses
        best = others.argmin(axis=2).T  # the smallest C of equal ones
        width = classes if task in ("multiclass", "multilabel") else 1
        predictions = np.full((len(x), width), np.nan)
        for number, (space, _) in enumerate(spaces):
            held = fold == number
            z_held = space.rows(x[held])
            answers = [
                _answers(problem, z_held, fits[place][number][best[number, place]])
                for place, problem in enumerate(problems)
            ]
            predictions[held] = np.concatenate(answers, axis=1)
    return OutOfFold(predictions, np.array(STRENGTHS)[best])


def _answers(problem: Problem, z: Array, fitted: Fitted) -> Array:
    """Probabilities (n, 1) of the second of two classes or (n, k), or numbers (n, 1)."""
    answers: Array = z @ fitted.kernel + fitted.bias
    if problem.task == "regression":
        return answers
    if problem.task == "multiclass":
        return np.asarray(softmax(answers, axis=1))
    return np.asarray(softmax(np.concatenate([0 * answers, answers], axis=1), axis=1)[:, 1:])
