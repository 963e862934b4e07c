"""Logistic regression of a frozen backbone's outputs."""

from pathlib import Path

import numpy as np

from tests.workers.transfer import examples
from workers.transfer.baselines import features
from workers.transfer.baselines.choosing import choose
from workers.transfer.networks.inputs import image
from workers.transfer.networks.network import build
from workers.transfer.training.features import FeatureStore
from workers.transfer.training.options import Training

TRAINING = Training(epochs=1, batch_size=8, learning_rate=0.001, seed=3)


def test_what_the_backbone_answers_is_read_and_kept_where_trainings_find_it(tmp_path: Path) -> None:
    data = examples.make("image")
    network = build(examples.NETWORKS["image"][0], data, 0)
    reading = features.reading(network, FeatureStore(tmp_path, 1 << 20))
    prepared = reading.prepare(data.test.inputs)["features"]
    x = np.asarray(network.preprocessing(np.stack([np.asarray(v) for v in _pixels(network, data)])))
    np.testing.assert_allclose(prepared, np.asarray(network.backbone(x)), atol=1e-5)
    assert len(list(tmp_path.glob("*.npy"))) == 2  # pixels, and what the backbone makes of them
    made = choose([reading], data, TRAINING)
    assert made.chosen == "preset_features"
    assert made.answers(data.test.inputs).shape == (len(data.test), 1)


def _pixels(network, data):
    channels = network.model.inputs[0].shape[-1]
    return [image.decode(value, channels) for value in data.test.inputs["image"]]
