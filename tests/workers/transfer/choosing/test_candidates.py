"""What a candidate makes of a target's rows."""

import keras
import numpy as np
import pytest

from workers.transfer.choosing.candidates import Unusable, candidate_of
from workers.transfer.choosing.target import Target
from workers.transfer.networks.network import build
from workers.transfer.training.features import FeatureStore


def test_its_features_are_the_backbones_and_its_predictions_its_own_heads(numbers, options, tmp_path) -> None:
    data = numbers(100)
    network, target = build(options, data, seed=1), Target.of(data)
    store = FeatureStore(tmp_path, 1 << 20)
    made = candidate_of("a", network, target, store, network.head)
    assert made.features.shape == (60, 8)
    p = network.model({name: keras.ops.convert_to_tensor(x) for name, x in target.rows.inputs.items()})
    np.testing.assert_allclose(made.source_probabilities[:, 1:], p, atol=1e-6)
    np.testing.assert_allclose(made.source_probabilities.sum(axis=1), 1)
    assert list(tmp_path.glob("*.npy"))
    assert candidate_of("a", network, target).source_probabilities is None


def test_features_that_are_not_finite_are_refused(numbers, options) -> None:
    data = numbers(100)
    network = build(options, data, seed=1)
    network.backbone.set_weights([np.full_like(weight, np.nan) for weight in network.backbone.get_weights()])
    with pytest.raises(Unusable, match="Expected finite features of a"):
        candidate_of("a", network, Target.of(data))
