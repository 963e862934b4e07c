"""How good is a network on rows that it was not trained on? What everything is chosen by."""

from dataclasses import dataclass

import numpy as np

from workers.transfer import tasks, text_metrics
from workers.transfer.data import Array, Rows
from workers.transfer.networks.inputs import module_of
from workers.transfer.networks.network import Network
from workers.transfer.tasks import LabelUnit
from workers.transfer.training.features import FeatureStore, predict
from workers.transfer.training.options import ChosenBy
from workers.transfer.training.rounds import penalty

MOST_TEXTS = 300
"""Rows that are answered with texts to judge a network by, at most: one takes long."""


@dataclass(frozen=True)
class Score:
    """The mean loss of held-out rows, and the share of right decisions, None of a regression."""

    loss: float
    accuracy: float | None

    def told(self) -> dict[str, float]:
        """By the names that a training tells its validation rows' by."""
        of_classes = {} if self.accuracy is None else {"val_accuracy": self.accuracy}
        return {"val_loss": self.loss, **of_classes}

    def penalty(self, chosen_by: ChosenBy) -> tuple[float, float]:
        """What is lower of the better one, see `rounds.penalty`."""
        return penalty(chosen_by, self.loss, self.accuracy)


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Of each row its loss, (n,), and whether it is decided rightly, (n,), of several labels the share.

    Of a regression the loss is the squared error in a label's unit, and `right` is None.
    """

    losses: Array
    right: Array | None

    @property
    def score(self) -> Score:
        """The means over the rows."""
        return Score(float(self.losses.mean()), None if self.right is None else float(self.right.mean()))


def held_out(
    network: Network,
    rows: Rows,
    unit: LabelUnit | None = None,
    features: FeatureStore | None = None,
    *,
    frozen_backbone: bool = False,
) -> HeldOut:
    """The network's answers to the rows, judged; without a `unit` that of the head is taken.

    In one unit the losses of several networks compare. Where answers are texts, `losses` are means over a
    row's tokens, and `right` is the task's usual metric of each row, both of `MOST_TEXTS` rows at most.
    """
    task, y = network.signature.task, rows.targets
    if task in tasks.OF_TEXTS:
        _, statistics = of_texts(network, rows.take(np.arange(len(rows))[:MOST_TEXTS]))
        found = text_metrics.metrics(task, statistics)
        if task == "span":
            some = rows.take(np.arange(len(rows))[:MOST_TEXTS])
            return HeldOut(module_of(network.signature).losses(network, some), found["f1"])
        return HeldOut(found["log_loss"], found[tasks.DEFAULT_METRIC[task]])
    p = predict(network, rows.inputs, features, frozen_backbone=frozen_backbone)
    right = None
    if task == "regression":
        unit = tasks.unit_of(network.head) if unit is None else unit
        y, p = unit.standardised(y), unit.standardised(p)
    elif task == "multilabel":
        right = (tasks.decide(task, p) == (y > 0.5)).mean(axis=1)
    else:
        right = tasks.right_answers(task, y, tasks.decide(task, p)).astype(np.float64)
    losses = np.asarray(tasks.row_losses(task, y, p))
    return HeldOut(losses.reshape(len(rows), -1).mean(axis=1).astype(np.float64), right)


def of_texts(network: Network, rows: Rows) -> tuple[Array, Array]:
    """The network's answers to the rows, (n,) str, and their statistics, see `text_metrics`."""
    module = module_of(network.signature)
    answers = module.answer(network, rows.inputs)
    task = network.signature.task
    losses = None if task == "span" else module.losses(network, rows)  # EM and F1 are of the texts alone
    statistics = text_metrics.statistics(task, rows.targets, answers.tolist(), losses)
    return np.array(answers, dtype=np.str_), statistics
