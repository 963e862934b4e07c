"""A network that answers texts with texts: trained on ids, kept as a file of strings, carried on."""

from __future__ import annotations

import functools
import itertools
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.held_out import held_out
from workers.transfer.methods.parts.token_map import start_of_sequences
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks.inputs import pairs, pieces
from workers.transfer.networks.network import Network, load, weights_digest
from workers.transfer.training.options import Hooks, Stopped, Training

OPTIONS = {
    "kind": "encoder_decoder",
    "units": 16,
    "heads": 2,
    "blocks": 1,
    "dropout": 0.1,
    "max_tokens": 90,
    "length": None,
}
SIGNATURE = Signature((Column("source", "text"),), "target", "seq2seq")
FIT = shared_fit(Training(epochs=3, batch_size=16, learning_rate=0.01, seed=3))


def data_of(article: str) -> Data:
    words = itertools.product(
        ("red", "blue", "old"), ("dog", "cat", "bird", "Tom"), ("runs", "eats, too", "sings")
    )
    said = [" ".join(some) for some in words]
    source = np.array([f"{article} {text}." for text in said], dtype=object)
    target = np.array([f"{text.capitalize()} — so: {text}!" for text in said], dtype=object)
    order = np.random.default_rng(0).permutation(len(said))

    def rows(start: int, end: int) -> Rows:
        places = order[start:end]
        return Rows({"source": source[places]}, target[places], places)

    return Data(SIGNATURE, rows(0, 24), rows(24, 30), rows(30, 36))


@functools.cache
def trained() -> Network:
    return scratch(OPTIONS, data_of("the"), FIT.named("source")).network


@pytest.mark.slow
def test_the_file_takes_and_gives_the_strings_that_the_network_answers(tmp_path: Path) -> None:
    network, rows = trained(), data_of("the").test
    network.save(tmp_path / "model.keras")
    opened = keras.saving.load_model(tmp_path / "model.keras", compile=False)
    raw = keras.ops.convert_to_tensor(rows.inputs["source"].reshape(-1, 1).tolist(), dtype="string")
    answers = [text.decode() for text in np.asarray(opened(raw)).reshape(-1)]
    assert answers == pairs.answer(network, rows.inputs).tolist()
    again = load(tmp_path / "model.keras", SIGNATURE, network.options)
    assert weights_digest(again) == weights_digest(network)
    assert (again.words, pairs.known_pieces(again.preprocessing)) == (
        network.words,
        pairs.known_pieces(network.preprocessing),
    )


def test_the_pieces_of_answers_are_put_together_to_the_text_again() -> None:
    texts = data_of("the").train.targets
    words = pieces.of_answers(texts, 80)
    for text, ids in zip(texts, pieces.cut(words, texts), strict=True):
        assert "".join(words[one] for one in ids) == text


@pytest.mark.slow
def test_padding_weighs_nothing_and_changes_no_token() -> None:
    network, rows = trained(), data_of("the").test
    longer = Network(
        network.model,
        SIGNATURE,
        {**network.options, "target_length": network.options["target_length"] + 5},
        words=network.words,
    )
    losses = pairs.losses(network, rows)
    np.testing.assert_allclose(pairs.losses(longer, rows), losses, rtol=1e-4)
    _, _, weight = pairs.fed(network, rows)
    assert held_out(network, rows).score.loss == pytest.approx(np.mean(losses[:, 0] / weight.sum(axis=1)))


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = scratch(OPTIONS, data_of("the"), FIT.named("run"))
    asked = itertools.count()

    def stop() -> str | None:
        return "pause" if next(asked) == 2 else None

    hooks = {"run": "run", "save_checkpoint": lambda path: shutil.copy(path, tmp_path / "at.npz")}
    stopped = FIT.named("run")
    stopped.hooks = Hooks(**hooks, should_stop=stop)
    with pytest.raises(Stopped):
        scratch(OPTIONS, data_of("the"), stopped)
    resumed = FIT.named("run")
    resumed.hooks = Hooks(**hooks, checkpoint=tmp_path / "at.npz")
    made = scratch(OPTIONS, data_of("the"), resumed)
    assert weights_digest(made.network) == weights_digest(whole.network)
    assert made.history.epochs == whole.history.epochs


@pytest.mark.slow
def test_a_network_on_its_own_texts_starts_as_itself() -> None:
    source, data = trained(), data_of("the")
    begun, origins = start_of_sequences(source, data, 7)
    assert {origin.origin for origin in origins.values()} == {"copied"}
    np.testing.assert_allclose(pairs.losses(begun, data.test), pairs.losses(source, data.test), rtol=1e-5)


@pytest.mark.slow
def test_pieces_that_the_source_lacks_are_new_and_told() -> None:
    source, data = trained(), data_of("zwölf äußerst verquere")
    begun, origins = start_of_sequences(source, data, 7)
    carried = origins["backbone/encoder/tokens"]
    assert carried.origin == "partly copied"
    assert 0 < carried.share < 1
    places = {piece: place for place, piece in enumerate(pairs.known_pieces(source.preprocessing))}
    rows = [
        network.backbone.get_layer("encoder").get_layer("tokens").get_weights()[0]
        for network in (begun, source)
    ]
    for place, piece in enumerate(pairs.known_pieces(begun.preprocessing)):
        if piece in places:
            np.testing.assert_array_equal(rows[0][place], rows[1][places[piece]])


@pytest.mark.slow
def test_a_frozen_side_stays_the_sources() -> None:
    made = parameter(
        trained(), OPTIONS, data_of("le"), FIT.named("frozen"), strategy="full", frozen_side="decoder"
    )
    moved = {
        layer["layer"].split("/")[0]: layer["training"]
        for layer in made.receipt["layers"]
        if layer["part"] == "backbone" and layer["weights"]
    }
    assert moved == {"encoder": "trained", "decoder": "frozen"}
