from tests.workers.transfer.traces import TRACED
from workers.transfer.methods.parts.gradual import blocks_of, gradual
from workers.transfer.networks.backbones.transformer import transformer
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.network import build
from workers.transfer.networks.presets.encoder import EncoderShape, encoder
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Objective
from workers.transfer.training.options import Training


class Remembering(Fit):
    """A fit that remembers what it was asked for."""

    def __call__(self, network, data, **asked):
        self.asked = [*getattr(self, "asked", []), asked]
        return super().__call__(network, data, **asked)


def test_a_pretrained_encoder_has_a_block_for_each_of_its_layers_and_one_for_its_embeddings():
    shape = EncoderShape(3, 8, 2, 16, 50, 8, 1e-6, 8)
    blocks = blocks_of(encoder(InputSpec((8,)), 0, shape, None), {})
    assert [len(block) for block in blocks] == [3, 8, 8, 8]
    assert blocks[0] == ["backbone/word_pieces", "backbone/places", "backbone/embedding_norm"]
    assert {path.rpartition("layer_2_")[0] for path in blocks[3]} == {"backbone/"}


def test_blocks_of_a_small_transformer_are_its_own():
    blocks = blocks_of(transformer(InputSpec((8,), 50), 0, units=8, heads=2, blocks=2), {})
    assert [len(block) for block in blocks] == [2, 8, 9]


def test_layers_without_blocks_are_blocks_of_their_own_but_for_frozen_ones(plain_options, numbers):
    network = build({**plain_options, "hidden_units": [8, 8, 8]}, numbers(), 0)
    paths = [[f"backbone/dense_{number}"] for number in (1, 2, 3)]
    assert blocks_of(network.backbone, {}) == paths
    assert blocks_of(network.backbone, {"backbone/dense_1": 0.0}) == paths[1:]


def test_a_phase_is_a_few_hundred_updates_or_an_equal_share(plain_options, numbers):
    data = numbers(100)  # 60 train rows: 60 updates an epoch
    for epochs, expected in ((20, [5, 5, 10]), (6, [2, 2, 2]), (3, [1, 1, 1]), (2, [1, 1]), (1, [1])):
        network = build(plain_options, data, 0)
        fit = Remembering(Training(epochs=epochs, batch_size=1, learning_rate=0.001, seed=0), traced=TRACED)
        gradual(network, data, fit, Objective(), {})
        assert [asked["epochs"] for asked in fit.asked] == expected
        assert len(fit.asked[-1]["rates"]) == 3  # all learn in the last phase
