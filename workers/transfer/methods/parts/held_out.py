"""The loss of a network on rows that it was not trained on: what everything is chosen by."""

import numpy as np

from workers.transfer import tasks
from workers.transfer.data import Array, Rows
from workers.transfer.networks.network import Network
from workers.transfer.tasks import LabelUnit
from workers.transfer.training.features import FeatureStore, predict


def held_out_losses(
    network: Network,
    rows: Rows,
    unit: LabelUnit | None = None,
    features: FeatureStore | None = None,
    *,
    frozen_backbone: bool = False,
) -> Array:
    """The loss of each row, (n,), float64; of a regression the squared error in the label's unit.

    The unit is the head's, unless one is given, in which the losses of several networks compare.
    """
    y = rows.targets
    p = predict(network, rows.inputs, features, frozen_backbone=frozen_backbone)
    if network.signature.task == "regression":
        unit = tasks.unit_of(network.head) if unit is None else unit
        y, p = unit.standardised(y), unit.standardised(p)
    losses = np.asarray(tasks.row_losses(network.signature.task, y, p))
    by_row: Array = losses.reshape(len(rows), -1).mean(axis=1).astype(np.float64)
    return by_row
