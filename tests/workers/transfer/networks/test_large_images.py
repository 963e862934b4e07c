"""Large networks for images, on the smallest pictures they take."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer.methods.parameter import parameter
from workers.transfer.networks.backbones.application import ARCHITECTURES, application
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.inputs import image
from workers.transfer.networks.network import build
from workers.transfer.training.features import FeatureStore, predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Hooks, Training

SIZED = {"image_size": [32, 32], "channels": None}


@pytest.mark.parametrize("channels", [1, 3])
def test_an_architecture_of_keras_follows_from_the_seed_alone(channels: int) -> None:
    input_spec = InputSpec((32, 32, channels))
    one, same, other = (application(input_spec, seed, architecture="MobileNetV3Small") for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(one.get_weights(), same.get_weights(), strict=True))
    assert not np.array_equal(one.get_weights()[0], other.get_weights()[0])
    assert one.output_shape == (None, 576)


def test_an_unknown_architecture_is_refused_with_those_there_are() -> None:
    with pytest.raises(ValueError, match=rf"Expected one of {ARCHITECTURES[0]}.*Received: 'VGG99'"):
        application(InputSpec((32, 32, 3)), 0, architecture="VGG99")


def test_an_architecture_is_trained_and_opens_in_plain_keras(tmp_path: Path) -> None:
    data = examples.make("image", rows=40)
    options = {"kind": "application", "architecture": "MobileNetV3Small", **SIZED}
    network = build(options, data, 0)
    Fit(Training(epochs=1, batch_size=8, learning_rate=0.001, seed=0))(network, data)
    network.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    opened.run_eagerly = True  # to trace the graph takes longer
    pixels = np.stack([image.decode(value, 1) for value in data.test.inputs["image"]])
    np.testing.assert_allclose(
        opened.predict({"image": pixels}, verbose=0), predict(network, data.test.inputs), atol=1e-5
    )


def test_a_probe_on_imagenets_features_is_trained_on_kept_features(tmp_path: Path) -> None:
    data = examples.make("image", rows=60)
    options = {"kind": "pretrained", "preset": "efficientnet_lite0", "weights": "pretrained", "folder": None}
    options |= {"image_size": [64, 64], "channels": 3}
    source = build(options, data, 0)
    store = FeatureStore(tmp_path, 1 << 30)
    fit = Fit(Training(epochs=20, batch_size=8, learning_rate=0.01, seed=0), Hooks(features=store))
    made = parameter(source, options, data, fit, strategy="linear_probe")
    answers = predict(made.network, data.test.inputs, store, frozen_backbone=True)
    assert ((answers > 0.5) == data.test.targets).mean() > 0.8
    np.testing.assert_allclose(answers, predict(made.network, data.test.inputs), atol=1e-5)
    assert len(list(tmp_path.iterdir())) == 6  # pixels and features of train, validation and test rows
