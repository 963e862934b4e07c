import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.methods.scratch import scratch
from workers.transfer.methods.structure import structure
from workers.transfer.training.options import Training

FIT = shared_fit(Training(epochs=2, batch_size=16, learning_rate=0.01, seed=3))


@pytest.mark.parametrize("task", ["binary", "multiclass", "regression"])
def test_the_structure_on_the_target_is_the_same_network_from_scratch(task, options, numbers, mixed):
    source = scratch(options, mixed, FIT.named("")).network
    made = structure(source, options, numbers(task=task), FIT.named(""))
    plain = scratch(options, numbers(task=task), FIT.named("")).network
    for own, other in zip(made.network.model.get_weights(), plain.model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, other)


def test_the_receipt_says_that_no_parameter_was_kept(options, numbers):
    source = scratch(options, numbers(), FIT.named("")).network
    receipt = structure(source, options, numbers(seed=1), FIT.named("")).receipt
    by_part = {layer["part"]: layer["origin"] for layer in receipt["layers"]}
    assert by_part == {"preprocessing": "new", "backbone": "reinitialised", "head": "new"}
    assert receipt["totals"]["coverage"] == 0
