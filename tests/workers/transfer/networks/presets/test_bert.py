from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.workers.transfer import examples
from tests.workers.transfer.networks.presets import original
from workers.transfer.methods.parameter import parameter
from workers.transfer.networks.backbones.pretrained import pretrained
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.network import build
from workers.transfer.networks.presets.bert import bert, vocabulary
from workers.transfer.networks.presets.lookup import find_preset
from workers.transfer.networks.presets.wordpiece import tokenizer
from workers.transfer.training.features import predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

LENGTH = 16
OPTIONS = {
    "kind": "pretrained",
    "preset": "minilm_l6_v2",
    "weights": "pretrained",
    "length": LENGTH,
    "folder": None,
}


@pytest.fixture(scope="module")
def minilm() -> keras.Model:
    return pretrained(InputSpec((LENGTH,)), 0, preset="minilm_l6_v2")


def test_sentences_are_as_near_as_the_models_authors_say(minilm: keras.Model) -> None:
    # The scores of all-MiniLM-L6-v2 in the Sentence Transformers documentation on semantic search.
    texts = [
        "A man is eating pasta.",
        "A man is eating food.",
        "A man is eating a piece of bread.",
        "A man is riding a horse.",
    ]
    cut = tokenizer(vocabulary(find_preset("minilm_l6_v2", None).path), LENGTH)
    ids = cut(keras.ops.convert_to_tensor([[text] for text in texts], dtype="string"))
    vectors = np.array(minilm(ids))
    np.testing.assert_allclose((vectors @ vectors.T)[0, 1:], [0.7035, 0.5272, 0.1889], atol=1e-4)


def test_fifty_texts_have_the_vectors_of_the_original_implementation() -> None:
    texts = np.array(original.TEXTS, object)
    cut = tokenizer(vocabulary(find_preset("minilm_l6_v2", None).path), 256)
    encoder = pretrained(InputSpec((256,)), 0, preset="minilm_l6_v2")
    vectors = forward(encoder, forward(cut, texts))
    np.testing.assert_allclose(vectors[:, original.PLACES], original.VECTORS, atol=1e-4)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)


def test_padding_does_not_count(minilm: keras.Model) -> None:
    ids = np.zeros((1, LENGTH), np.int32)
    ids[0, :4] = [101, 7592, 2088, 102]
    short = pretrained(InputSpec((4,)), 0, preset="minilm_l6_v2")
    np.testing.assert_allclose(np.asarray(minilm(ids)), np.asarray(short(ids[:, :4])), atol=1e-5)


def test_random_weights_follow_from_the_seed_alone() -> None:
    one, same, other = (
        pretrained(InputSpec((4,)), seed, preset="minilm_l6_v2", weights="random").get_weights()
        for seed in (1, 1, 2)
    )
    assert all(np.array_equal(a, b) for a, b in zip(one, same, strict=True))
    assert not np.array_equal(one[0], other[0])


def test_a_probe_on_the_frozen_encoder_predicts_raw_texts_in_plain_keras(tmp_path: Path) -> None:
    data = examples.make("text", rows=40)
    source = build(OPTIONS, data, 0)
    fit = Fit(Training(epochs=15, batch_size=8, learning_rate=0.05, seed=0))
    made = parameter(source, OPTIONS, data, fit, strategy="linear_probe")
    answers = predict(made.network, data.test.inputs)
    assert ((answers > 0.5) == data.test.targets).mean() > 0.8
    made.network.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    opened.run_eagerly = True  # to trace the graph takes longer
    np.testing.assert_allclose(opened.predict(data.test.inputs, verbose=0), answers, atol=1e-5)


def test_a_preset_that_is_not_here_says_how_to_bring_it(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"Received: gpt.*model-transfer presets fetch gpt[.] Or put its folder"
    ):
        find_preset("gpt", tmp_path)


def test_a_folder_of_another_family_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text(
        json.dumps({"model_type": "roberta", "hidden_act": "gelu"})
    )
    with pytest.raises(ValueError, match=r"Expected an encoder of the BERT family.*roberta"):
        bert(InputSpec((4,)), 0, tmp_path / "other", with_weights=False)


def test_a_preset_of_another_kind_is_refused() -> None:
    with pytest.raises(ValueError, match=r"Expected a preset for images\. Received: minilm_l6_v2"):
        pretrained(InputSpec((32, 32, 3)), 0, preset="minilm_l6_v2")
