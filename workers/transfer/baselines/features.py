"""The outputs of a preset's frozen backbone, for any kind of data that it reads."""

from collections.abc import Mapping

import keras
import numpy as np

from workers.transfer.baselines.as_network import scores
from workers.transfer.baselines.linear import linear
from workers.transfer.baselines.readings import MOST_ROWS, MOST_VALUES, Inputs, Reading, as_they_are
from workers.transfer.data import Array
from workers.transfer.networks.network import Network
from workers.transfer.training.features import FeatureStore, outputs


def reading(network: Network, store: FeatureStore | None = None) -> Reading:
    """A linear model of what the network's backbone answers, which the store keeps for the trainings."""

    width = int(np.prod(network.backbone.output_shape[1:]))

    def prepare(inputs: Mapping[str, Array]) -> Inputs:
        x = outputs(network, ["preprocessing", "backbone"], inputs, store)
        return {"features": np.asarray(x).reshape(-1, width)}

    most = min(MOST_ROWS, MOST_VALUES // max(width, 1))

    def parts(_: object, kernel: Array, bias: Array) -> tuple[keras.Model, keras.Model]:
        backbone = network.backbone
        shape, dtype = backbone.input_shape[1:], backbone.input.dtype
        return network.preprocessing, scores(shape, kernel, bias, backbone, dtype=dtype)

    return Reading({"preset_features": linear}, as_they_are("features"), prepare, most, parts=parts)
