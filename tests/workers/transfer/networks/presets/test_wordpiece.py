"""Against what the tokenizers library makes of the same texts with MiniLM's own tokenizer.json (0.23.3)."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from workers.transfer.networks.presets.bert import vocabulary
from workers.transfer.networks.presets.lookup import find_preset
from workers.transfer.networks.presets.wordpiece import LONGEST_WORD, Vocabulary, tokenizer

LENGTH = 24
KNOWN = {
    "": [101, 102],
    "Hello, World!": [101, 7592, 1010, 2088, 999, 102],
    "It's unaffable…": [101, 2009, 1005, 1055, 14477, 20961, 3468, 1529, 102],
    "naïve café ÉCOLE — 東京": [101, 15743, 7668, 12431, 1517, 1879, 1755, 102],
    "supercalifragilistic pneumonoultra": [
        101,
        3565,
        9289,
        10128,
        29181,
        24411,
        4588,
        1052,
        2638,
        2819,
        17175,
        11314,
        2527,
        102,
    ],
    "price: $12.50 (50% off)\tnew\nline": [
        101,
        3976,
        1024,
        1002,
        2260,
        1012,
        2753,
        1006,
        2753,
        1003,
        2125,
        1007,
        2047,
        2240,
        102,
    ],
    "Привет мир": [101, 1194, 16856, 10325, 25529, 15290, 22919, 1191, 10325, 16856, 102],
    "zero\u200bwidth é": [101, 5717, 9148, 11927, 2232, 1041, 102],
    "##ing test": [101, 1001, 1001, 13749, 3231, 102],
    "emoji 😀 ok": [101, 7861, 29147, 2072, 100, 7929, 102],
}


def ids_of(part: keras.Model, texts: list[str]) -> np.ndarray:
    return np.asarray(part(keras.ops.convert_to_tensor([[text] for text in texts], dtype="string")))


@pytest.fixture(scope="module")
def part() -> keras.Model:
    return tokenizer(vocabulary(find_preset("minilm_l6_v2", None).path), LENGTH)


@pytest.mark.parametrize("text", KNOWN)
def test_a_text_is_cut_as_by_the_library(part: keras.Model, text: str) -> None:
    found = ids_of(part, [text])[0].tolist()
    assert found == KNOWN[text] + [0] * (LENGTH - len(KNOWN[text]))


def test_a_text_that_is_too_long_is_cut_and_still_ends(part: keras.Model) -> None:
    (found,) = ids_of(part, ["hello " * 100])
    assert found.tolist() == [101, *[7592] * (LENGTH - 2), 102]


def test_a_word_of_too_many_letters_is_unknown(part: keras.Model) -> None:
    (found,) = ids_of(part, [f"{'a' * (LONGEST_WORD + 1)} hello"])
    assert found[:4].tolist() == [101, 100, 7592, 102]


@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_saved_tokenizer_cuts_alike(part: keras.Model, tmp_path: Path) -> None:
    part.save(tmp_path / "t.keras")
    again = keras.saving.load_model(tmp_path / "t.keras")
    np.testing.assert_array_equal(ids_of(again, list(KNOWN)), ids_of(part, list(KNOWN)))


def test_capitals_stay_where_the_vocabulary_has_them() -> None:
    pieces = Vocabulary(("[PAD]", "[UNK]", "[CLS]", "[SEP]", "Ab", "ab", "##c"), lowercase=False)
    assert ids_of(tokenizer(pieces, 8), ["Ab abc AB"])[0].tolist() == [2, 4, 5, 6, 1, 3, 0, 0]
