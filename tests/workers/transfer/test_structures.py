import keras
import numpy as np
import pytest

from workers.transfer.network import new_backbone
from workers.transfer.structures import reinitialised


@pytest.mark.parametrize("width", [4, 7])
def test_of_an_mlp_it_is_the_backbone_built_with_that_seed(width, options):
    fresh, built = reinitialised(new_backbone(options, 4, 0), 9, width), new_backbone(options, width, 9)
    for one, other in zip(fresh.get_weights(), built.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    x = np.ones((50, width), np.float32)
    np.testing.assert_array_equal(fresh(x, training=True), built(x, training=True))  # dropout's masks too


def test_a_branching_backbone_keeps_its_structure_and_gets_other_weights():
    x = keras.Input((3,))
    a, b = (keras.layers.Dense(5, name=name)(x) for name in "ab")
    backbone = keras.Model(x, keras.layers.Add()([a, b]))
    one, two = reinitialised(backbone, 1), reinitialised(backbone, 1)
    assert [layer.name for layer in one.layers] == [layer.name for layer in backbone.layers]
    assert not np.array_equal(one.get_weights()[0], one.get_weights()[2])
    np.testing.assert_array_equal(one.get_weights()[0], two.get_weights()[0])
    with pytest.raises(ValueError, match="or branches"):
        reinitialised(backbone, 1, width=4)
