from dataclasses import replace

import keras
import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Rows
from workers.transfer.methods.parts.lora import low_rank
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.inputs.tabular import plain
from workers.transfer.networks.network import join, leaves
from workers.transfer.tasks import head
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

TRAINING = Training(epochs=2, batch_size=16, learning_rate=0.05, seed=3)


class Remembering(Fit):
    """A fit that remembers the network that it trained."""

    def __call__(self, network, data, **asked):
        self.network = network
        return super().__call__(network, data, **asked)


@pytest.fixture
def tokens(numbers):
    """Rows of small whole numbers, as tokens are."""
    data = numbers()

    def whole(rows: Rows) -> Rows:
        inputs = {name: np.clip(np.round(x + 2), 0, 4) for name, x in rows.inputs.items()}
        return replace(rows, inputs=inputs)

    return replace(data, train=whole(data.train), validation=whole(data.validation))


@pytest.fixture
def network(tokens, plain_options):
    """An embedding, a convolution and two dense layers."""
    layers = keras.layers
    backbone = keras.Sequential(
        [
            keras.Input((4,), name="features"),
            layers.Embedding(5, 6, name="tokens"),
            layers.Conv1D(6, 3, padding="same", activation="relu", name="conv"),
            layers.BatchNormalization(name="norm"),
            layers.Flatten(name="flat"),
            layers.EinsumDense("ab,bc->ac", 8, bias_axes="c", activation="relu", name="einsum"),
            layers.Dense(8, name="dense"),
        ],
        name="backbone",
    )
    signature = tokens.signature
    return join(plain(signature.columns), backbone, head(signature, 8, 0, None), signature, plain_options)


def test_the_merged_network_answers_as_the_unmerged_one(network, tokens):
    fit = Remembering(TRAINING)
    before = forward(network.model, tokens.train.inputs)
    merged, _, adapted = low_rank(network, tokens, fit, 2)
    said = forward(merged.model, tokens.train.inputs)
    np.testing.assert_allclose(said, forward(fit.network.model, tokens.train.inputs), atol=1e-6)
    assert np.abs(said - before).max() > 1e-3
    assert adapted == [
        "backbone/tokens/embeddings",
        "backbone/conv/kernel",
        "backbone/einsum/kernel",
        "backbone/dense/kernel",
    ]


def test_all_but_the_matrices_keeps_its_bits_and_no_product_is_left(network, tokens):
    merged, _, adapted = low_rank(network, tokens, shared_fit(TRAINING), 2)
    moved = [
        f"backbone/{path}/{weight.name}"
        for (path, layer), (_, other) in zip(leaves(merged.backbone), leaves(network.backbone), strict=True)
        for weight, known in zip(layer.weights, other.weights, strict=True)
        if not np.array_equal(weight.numpy(), known.numpy())
    ]
    assert moved == adapted
    assert not any("lora" in weight.path for weight in merged.model.weights)


def test_a_backbone_without_such_layers_is_refused(network, tokens):
    bare = keras.Sequential([keras.Input((4,)), keras.layers.BatchNormalization()], name="backbone")
    output = head(tokens.signature, 4, 0, None)
    other = join(network.preprocessing, bare, output, tokens.signature, network.options)
    with pytest.raises(ValueError, match="Expected a backbone with dense, convolutional or embedding"):
        low_rank(other, tokens, shared_fit(TRAINING), 2)
