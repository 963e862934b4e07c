from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from tests.workers.transfer.networks.presets import tiny
from workers.transfer.data import Array
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.bert import bert, vocabulary
from workers.transfer.networks.presets.errors import PresetError
from workers.transfer.networks.presets.loading import usual_length
from workers.transfer.networks.presets.lookup import Preset
from workers.transfer.networks.presets.sentences import optional_files, recipe_of
from workers.transfer.networks.presets.wordpiece import tokenizer, unknown_id

IDS = np.array([[2, 7, 9, 3, 0, 0], [2, 8, 3, 0, 0, 0], [2, 7, 8, 9, 10, 3]])
MEAN = {"pooling_mode": "mean"}
QUERIES = {"prompts": {"query": "the film: ", "passage": "passage: "}, "default_prompt_name": "query"}


def _tokens_and_answers(folder: Path) -> tuple[Array, Array]:
    """What the last layer makes of each token, and what the backbone answers."""
    backbone = bert(InputSpec((6,)), 0, folder, with_weights=True)
    inside = keras.Model(backbone.input, backbone.get_layer("layer_0_norm").output)
    return np.asarray(inside(IDS)), np.asarray(backbone(IDS))


@pytest.mark.parametrize(
    ("mode", "pooled"),
    [
        ("cls", lambda tokens: tokens[0]),
        ("max", lambda tokens: tokens.max(axis=0)),
        ("mean", lambda tokens: tokens.mean(axis=0)),
        ("mean_sqrt_len_tokens", lambda tokens: tokens.sum(axis=0) / np.sqrt(len(tokens))),
    ],
)
@pytest.mark.parametrize("by_flags", [True, False])
def test_tokens_are_pooled_as_the_folder_says_however_it_says_it(mode, pooled, by_flags, tmp_path):
    flag = f"pooling_mode_{mode}" if mode.endswith("tokens") else f"pooling_mode_{mode}_token"
    flag += "s" if mode in ("max", "mean") else ""
    says = {flag: True} if by_flags else {"pooling_mode": mode}
    folder = tiny.sentence_folder(tmp_path / "preset", says, steps=("Transformer", "Pooling"))
    tokens, answers = _tokens_and_answers(folder)
    expected = [pooled(of_text[ids != 0]) for of_text, ids in zip(tokens, IDS, strict=True)]
    np.testing.assert_allclose(answers, expected, atol=1e-6)


def test_vectors_have_unit_length_where_the_folder_ends_in_it_and_a_file_keeps_that(tmp_path):
    plain = tiny.bert_folder(tmp_path / "plain")
    folder = tiny.sentence_folder(tmp_path / "preset", MEAN)
    (_, mean), (_, answers) = _tokens_and_answers(plain), _tokens_and_answers(folder)
    np.testing.assert_allclose(answers, mean / np.linalg.norm(mean, axis=1, keepdims=True), atol=1e-6)
    backbone = bert(InputSpec((6,)), 0, folder, with_weights=True)
    again = keras.Model.from_config(backbone.get_config())
    again.set_weights(backbone.get_weights())
    np.testing.assert_array_equal(np.asarray(again(IDS)), answers)


def test_the_prompt_of_a_folder_is_cut_before_each_text(tmp_path):
    folder = tiny.sentence_folder(tmp_path / "preset", MEAN, config_sentence_transformers=QUERIES)
    texts = ["good number", "東", "", "film film film film film film film film film"]
    plain, prompted = (tokenizer(vocabulary(of), 10) for of in (tiny.bert_folder(tmp_path / "b"), folder))
    written = keras.ops.convert_to_tensor([[f"the film: {text}"] for text in texts], dtype="string")
    given = keras.ops.convert_to_tensor([[text] for text in texts], dtype="string")
    np.testing.assert_array_equal(np.asarray(prompted(given)), np.asarray(plain(written)))
    assert unknown_id(prompted) == unknown_id(plain) == tiny.PIECES.index("[UNK]")
    with pytest.raises(PresetError, match="at least 6 tokens"):
        tokenizer(vocabulary(folder), 5)


def test_what_a_folder_says_and_is_not_done_here_is_refused_with_what_it_says(tmp_path):
    refused = {
        "weightedmean": {"pooling": {"pooling_mode_weightedmean_tokens": True}},
        "cls, mean": {"pooling": {"pooling_mode": ["cls", "mean"]}},
        "none": {"pooling": {}},
        "Transformer, Pooling, Dense": {"steps": ("Transformer", "Pooling", "Dense")},
        "strip_accents False": {"tokenizer_config": {"do_lower_case": True, "strip_accents": False}},
        "tokenize_chinese_chars": {"tokenizer_config": {"tokenize_chinese_chars": False}},
        "in sentence_bert_config.json alone": {
            "tokenizer_config": {"do_lower_case": False},
            "sentence_bert_config": {"do_lower_case": True},
        },
        "'query:'": {
            "config_sentence_transformers": {"prompts": {"q": "query:"}, "default_prompt_name": "q"}
        },
        "include_prompt": {
            "pooling": {**MEAN, "include_prompt": False},
            "config_sentence_transformers": QUERIES,
        },
    }
    for number, (received, says) in enumerate(refused.items()):
        folder = tiny.sentence_folder(tmp_path / str(number), **{"pooling": MEAN, **says})
        with pytest.raises(PresetError, match=f"Expected .*Received: .*{received}.* Take another preset"):
            recipe_of(folder)


def test_texts_are_read_no_longer_than_the_encoder_was_made_for_and_its_files_are_named(tmp_path):
    folder = tiny.sentence_folder(tmp_path / "p", MEAN, sentence_bert_config={"max_seq_length": 7})
    assert usual_length(Preset("p", "hugging_face", folder)) == 7
    assert usual_length(Preset("b", "hugging_face", tiny.bert_folder(tmp_path / "b"))) == 32
    assert {"modules.json", "1_Pooling/config.json"} <= {*optional_files(folder)}
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = "../p/1_Pooling"
    (folder / "modules.json").write_text(json.dumps(modules))
    assert "../p/1_Pooling/config.json" not in optional_files(folder)
    with pytest.raises(PresetError, match="in folders in it"):
        recipe_of(folder)
