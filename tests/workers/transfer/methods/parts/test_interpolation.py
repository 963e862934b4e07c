from dataclasses import replace

import keras
import numpy as np
import pytest

from workers.transfer.methods.parts.interpolation import SHARES, mix, wise_ft
from workers.transfer.networks.network import build


def _weights(network) -> list:
    return [np.array(weight) for weight in network.model.get_weights()]


def test_the_ends_of_the_mix_are_the_start_and_the_tuned_weights(options, numbers):
    data = numbers()
    start, network = build(options, data, 0), build(options, data, 1)
    before, tuned = _weights(start), _weights(network)
    for share, wanted in ((0.0, before), (1.0, tuned)):
        mix(network, before, tuned, share)
        for own, other, state in zip(_weights(network), wanted, tuned, strict=True):
            # The state of a random generator is no weight, and stays.
            assert np.array_equal(own, other if own.dtype == np.float32 else state)


@pytest.mark.parametrize("share", SHARES)
def test_weights_that_did_not_move_keep_their_bits(share, options, numbers):
    network = build(options, numbers(), 0)
    weights = _weights(network)
    mix(network, weights, weights, share)
    assert all(np.array_equal(own, other) for own, other in zip(_weights(network), weights, strict=True))


def test_each_share_is_judged_by_the_validation_loss_that_keras_gives(plain_options, numbers):
    data = numbers()
    start, network, plain = (build(plain_options, data, seed) for seed in (0, 1, 1))
    before, tuned = _weights(start), _weights(network)
    told = wise_ft(network, before, data)
    expected = {}
    for share in SHARES:
        plain.model.set_weights([(1 - share) * w0 + share * w for w0, w in zip(before, tuned, strict=True)])
        p = plain.model(data.validation.inputs)
        expected[str(share)] = float(keras.losses.BinaryCrossentropy()(data.validation.targets, p))
    assert told["validation_loss"] == pytest.approx(expected, rel=1e-5)
    assert told["a"] == float(min(expected, key=expected.get))


def test_a_mix_without_validation_rows_is_refused(plain_options, numbers):
    data = replace(numbers(), validation=None)
    network = build(plain_options, data, 0)
    with pytest.raises(ValueError, match="Expected validation rows to choose the mix by"):
        wise_ft(network, _weights(network), data)
