"""A network that answers questions: trained on places, kept as a file of strings, carried on."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.workers.transfer.traces import shared_fit
from workers.transfer.baselines import answers
from workers.transfer.data import Array, Column, Data, Rows, Signature
from workers.transfer.methods.parameter import parameter
from workers.transfer.methods.parts.held_out import held_out
from workers.transfer.methods.parts.token_map import start_of_spans
from workers.transfer.methods.scratch import scratch
from workers.transfer.networks import spans
from workers.transfer.networks.inputs import pieces, qa
from workers.transfer.networks.network import Network, load, weights_digest
from workers.transfer.training.options import Hooks, Stopped, Training

OPTIONS = {
    "kind": "span_reader",
    "units": 16,
    "heads": 2,
    "blocks": 1,
    "dropout": 0.1,
    "max_tokens": 120,
    "window": 32,
    "length": None,
}
SIGNATURE = Signature((Column("question", "text"), Column("context", "text")), "answers", "span")
FIT = shared_fit(Training(epochs=3, batch_size=8, learning_rate=0.01, seed=3))
CITIES = ("Paris", "Bäle", "São Paulo", "Cafe\u0301", "\U0001f600 town", "Rome")
THINGS = ("tower", "bridge", "church", "museum")


def data_of(verb: str = "stands", longer: int = 0) -> Data:
    """Contexts of some windows, with one sentence a thing."""
    pairs = list(itertools.product(THINGS, CITIES))
    contexts, asked, said = [], [], []
    for number, (thing, city) in enumerate(pairs):
        parts = [
            f"The {one} {verb} in {CITIES[(number + place) % len(CITIES)]}.\r\n"
            for place, one in enumerate(THINGS)
        ]
        context = "It is said: " * (number % 3 + longer) + " ".join(parts) + f"The old {thing} is in {city}!"
        contexts.append(context)
        asked.append(f"Where is the old {thing}?")
        said.append(((context.rindex(city), city),))
    targets = np.empty(len(said), object)
    targets[:] = said
    order = np.random.default_rng(0).permutation(len(said))
    inputs = {"question": np.array(asked, dtype=object), "context": np.array(contexts, dtype=object)}
    whole = Rows(inputs, targets, np.arange(len(said)))
    return Data(SIGNATURE, whole.take(order[:16]), whole.take(order[16:20]), whole.take(order[20:]))


def test_the_same_texts_give_the_same_pieces() -> None:
    texts = data_of().train.inputs["context"]
    assert len({pieces.of_sources(texts, 120) for _ in range(4)}) == 1


@functools.cache
def trained() -> Network:
    return scratch(OPTIONS, data_of(), FIT.named("source")).network


def test_the_best_span_is_that_of_looking_at_all_of_them() -> None:
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 3, (40, 2, 45)).astype(np.float32)
    logits[1::2, :, 30:] = -1e9
    logits[4] = 0.0
    begins = np.tile(np.arange(45, dtype=np.int32) * 3, (40, 1))
    found = np.asarray(spans.best(logits, begins, begins + 2, 45))
    for row, (start, end, score) in zip(logits, found, strict=True):
        logs = (
            row - np.log(np.exp(row - row.max(1, keepdims=True)).sum(1, keepdims=True)) - row.max(1)[:, None]
        )
        every = {
            (first, last): logs[0, first] + logs[1, last]
            for first in range(45)
            for last in range(first, min(45, first + spans.LONGEST_SPAN))
        }
        best = max(every.values())
        assert every[int(start) // 3, (int(end) - 2) // 3] == pytest.approx(best, abs=1e-4)
        assert score == pytest.approx(np.exp(best), rel=1e-3)
    assert found[4].tolist()[:2] == [0, 2]  # of equal ones the first, and the shortest


@pytest.mark.slow
def test_what_is_learnt_of_an_answer_are_the_pieces_that_hold_it() -> None:
    network, rows = trained(), data_of().train
    x, y, weight = qa.fed(network, rows)
    assert weight.all()
    read = qa._read(network.preprocessing, rows.inputs)
    _, _, begins, ends = spans.parts_of(read, network.options)
    for row, ((start, text),) in enumerate(rows.targets):
        assert (begins[row, y[row, 0]], ends[row, y[row, 1]]) == (start, start + len(text))
    assert (qa.windows(x) > 1).any()


@pytest.mark.slow
def test_an_answer_behind_what_is_read_weighs_nothing() -> None:
    network = scratch({**OPTIONS, "length": 16}, data_of(), FIT.named("short")).network
    _, y, weight = qa.fed(network, data_of().train)
    assert not weight.all()
    assert not y[weight[:, 0] == 0].any()
    assert np.isfinite(held_out(network, data_of().test).score.loss)
    assert qa.unread(network.preprocessing, data_of().train.inputs)["texts_cut"] == 1


FRESH = """
import json, sys, keras, numpy as np
model = keras.saving.load_model(sys.argv[1])
rows = json.load(sys.stdin)
asked = {name: np.array(values, dtype=object) for name, values in rows.items()}
print(json.dumps(model.predict(asked, verbose=0).tolist()))
"""


@pytest.mark.slow
def test_the_file_answers_the_strings_in_a_fresh_process_as_was_measured(tmp_path: Path) -> None:
    network, rows = trained(), data_of().test
    network.save(tmp_path / "model.keras")
    inputs = {name: values.tolist() for name, values in rows.inputs.items()}
    done = subprocess.run(
        [sys.executable, "-c", FRESH, str(tmp_path / "model.keras")],
        input=json.dumps(inputs),
        capture_output=True,
        text=True,
        check=True,
        timeout=300,
    )
    answered = np.array(json.loads(done.stdout.splitlines()[-1]))
    expected = qa.answer_spans(network, rows.inputs)
    np.testing.assert_array_equal(answered[:, :2], expected[:, :2])
    np.testing.assert_allclose(answered[:, 2], expected[:, 2], rtol=1e-4)
    again = load(tmp_path / "model.keras", SIGNATURE, network.options)
    assert weights_digest(again) == weights_digest(network)
    assert qa.known_pieces(again.preprocessing) == qa.known_pieces(network.preprocessing)
    assert qa.answered_by_file(again, rows.inputs).tolist() == qa.answer(network, rows.inputs).tolist()


@pytest.mark.slow
def test_windows_that_others_fill_change_no_answer() -> None:
    network, rows = trained(), data_of().test
    together = qa.answer_spans(network, rows.inputs)
    alone = [
        qa.answer_spans(network, {name: values[row : row + 1] for name, values in rows.inputs.items()})[0]
        for row in range(len(rows))
    ]
    np.testing.assert_allclose(together, alone, rtol=1e-4)


@pytest.mark.slow
def test_a_training_that_was_stopped_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    whole = scratch(OPTIONS, data_of(), FIT.named("run"))
    asked = itertools.count()

    def stop() -> str | None:
        return "pause" if next(asked) == 2 else None

    hooks = {"run": "run", "save_checkpoint": lambda path: shutil.copy(path, tmp_path / "at.npz")}
    stopped = FIT.named("run")
    stopped.hooks = Hooks(**hooks, should_stop=stop)
    with pytest.raises(Stopped):
        scratch(OPTIONS, data_of(), stopped)
    resumed = FIT.named("run")
    resumed.hooks = Hooks(**hooks, checkpoint=tmp_path / "at.npz")
    made = scratch(OPTIONS, data_of(), resumed)
    assert weights_digest(made.network) == weights_digest(whole.network)
    assert made.history.epochs == whole.history.epochs


@pytest.mark.slow
def test_a_network_on_longer_contexts_of_other_words_starts_from_all_that_it_knows() -> None:
    source, data = trained(), data_of(longer=6)
    begun, origins = start_of_spans(source, data, 7)
    assert begun.options["context_length"] > source.options["context_length"]
    assert {origin.origin for origin in origins.values()} == {"copied"}
    near = data_of().test
    np.testing.assert_allclose(
        qa.answer_spans(begun, near.inputs), qa.answer_spans(source, near.inputs), rtol=1e-3
    )
    made = parameter(source, OPTIONS, data_of("steht"), FIT.named("on"), strategy="full", frozen_layers=3)
    moved = {one["layer"]: one["training"] for one in made.receipt["layers"] if one["part"] == "backbone"}
    assert (moved["tokens"], moved["norm"]) == ("frozen", "trained")


def test_the_baseline_answers_the_most_similar_sentence() -> None:
    data = data_of()
    made = answers.choose(data)
    assert (made.chosen, made.by) == ("similar_sentence", "validation")
    assert data.test is not None
    contexts: Array = data.test.inputs["context"]
    assert all(text in context for text, context in zip(made.texts, contexts, strict=True))
    assert made.statistics.shape == (len(data.test), 3)
