import resource
import sys

import keras
import numpy as np
import pytest

from workers.transfer.networks import forwarding
from workers.transfer.networks.forwarding import batches, forward, rows_at_a_time


def _chain(length: int, width: int) -> keras.Model:
    """x to x · 2^length, by one operation after the other."""
    h = x = keras.Input((width,))
    for _ in range(length):
        h = h * 2.0
    return keras.Model(x, h)


def test_rows_at_a_time_follow_from_the_widest_place_also_of_a_nested_model():
    x = keras.Input((16,))
    wide = keras.layers.Dense(forwarding.WIDEST_VALUES // 100)
    inner = keras.Sequential([keras.Input((16,)), wide, keras.layers.Dense(2)])
    assert rows_at_a_time(keras.Model(x, inner(x))) == 100
    assert rows_at_a_time(_chain(2, 8)) == forwarding.BATCH_ROWS
    assert rows_at_a_time(_chain(2, 8), inner, most=7) == 7


def test_a_deep_model_answers_as_layer_by_layer():
    model = _chain(40, 2048)
    x = np.random.default_rng(0).normal(size=(2000, 2048)).astype(np.float32)
    np.testing.assert_array_equal(forward(model, x), x * np.float32(2.0**40))
    assert [len(one) for one in batches(model, x)] == [1024, 976]


def test_texts_go_through_a_graph_as_through_layers():
    layer = keras.layers.TextVectorization(vocabulary=["a", "b"], output_sequence_length=3)
    text = keras.Input((1,), dtype="string")
    model = keras.Model(text, layer(text))
    values = np.array(["a b", "b ü", ""] * 3000, object)
    np.testing.assert_array_equal(forward(model, values)[:3], forward(model, values[:3]))
    assert len(forward(model, values[:0])) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="sizes are in other units elsewhere")
def test_a_deep_model_holds_no_more_than_a_few_of_its_layers_at_a_time():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    forward(_chain(60, 8192), np.ones((1024, 8192), np.float32))  # 32 MB a layer, 2 GB together
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 500 << 10  # KiB
