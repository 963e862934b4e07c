import keras
import numpy as np
import pytest

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.network import leaves, new_backbone
from workers.transfer.networks.structures import random_structure, reinitialised
from workers.transfer.seeds import layer_seed


@pytest.mark.parametrize("width", [4, 7])
def test_of_an_mlp_it_is_the_backbone_built_with_that_seed(width, options):
    fresh, built = (
        reinitialised(new_backbone(options, InputSpec((4,)), 0), 9, InputSpec((width,))),
        new_backbone(options, InputSpec((width,)), 9),
    )
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


def test_a_branching_backbone_reads_another_width_through_a_dense_layer_in_front():
    x = keras.Input((3,))
    a, b = (keras.layers.Dense(5, name=name)(x) for name in "ab")
    wider = reinitialised(keras.Model(x, keras.layers.Add()([a, b])), 1, InputSpec((4,)))
    assert [path for path, layer in leaves(wider) if layer.weights] == ["matched", "inner/a", "inner/b"]
    assert wider(np.ones((2, 4), np.float32)).shape == (2, 5)


def test_a_nested_backbone_gets_the_weights_of_a_flat_one_of_the_same_paths():
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="dense")], name="source")
    backbone = keras.Sequential([keras.Input((3,)), inner])
    expected = keras.initializers.GlorotUniform(seed=layer_seed(5, "source/dense"))((3, 2))
    np.testing.assert_array_equal(reinitialised(backbone, 5).get_weights()[0], expected)


@pytest.mark.parametrize(("parameters", "width"), [(100, 4), (5000, 30), (200_000, 784)])
def test_a_random_structure_has_about_the_number_of_parameters(parameters, width, options):
    drawn = [random_structure(options, width, parameters, seed) for seed in range(5)]
    for one in drawn:
        assert new_backbone(one, InputSpec((width,)), 0).count_params() == pytest.approx(parameters, rel=0.1)
        assert one["preprocessing"] is options["preprocessing"]
    assert len({str(one) for one in drawn}) == 5
    assert random_structure(options, width, parameters, 0) == drawn[0]


def test_of_a_size_that_no_network_of_these_features_has_it_is_the_nearest_drawn(options):
    drawn = random_structure(options, 100, 50, 0)
    assert drawn["hidden_units"] == [1]  # 101 parameters: no network of 100 features has fewer
    assert new_backbone(drawn, InputSpec((100,)), 0).count_params() == 101
