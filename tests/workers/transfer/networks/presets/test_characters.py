"""Against the tokenizers library, with a vocabulary made of the letters of many scripts."""

from __future__ import annotations

import random
import unicodedata

import keras
import numpy as np
import pytest
import tokenizers
from tokenizers.models import WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from workers.transfer.networks.presets.wordpiece import SPECIAL, Vocabulary, tokenizer

LENGTH, TEXTS = 16, 2000
SCRIPTS = {
    "Latin": (0x41, 0x24F),
    "Vietnamese": (0x1E00, 0x1EFF),
    "Greek": (0x370, 0x3FF),
    "polytonic Greek": (0x1F00, 0x1FFE),
    "Cyrillic": (0x400, 0x52F),
    "Armenian": (0x531, 0x58F),
    "Hebrew": (0x591, 0x5F4),
    "Arabic": (0x600, 0x6FF),
    "Devanagari": (0x900, 0x97F),
    "Bengali": (0x980, 0x9FE),
    "Tamil": (0xB80, 0xBFA),
    "Telugu": (0xC00, 0xC7F),
    "Thai": (0xE01, 0xE5B),
    "Lao": (0xE81, 0xEDF),
    "Tibetan": (0xF00, 0xFDA),
    "Burmese": (0x1000, 0x109F),
    "Georgian": (0x10A0, 0x10FF),
    "Ethiopic": (0x1200, 0x137C),
    "Cherokee": (0x13A0, 0x13FD),
    "Khmer": (0x1780, 0x17F9),
    "Glagolitic": (0x2C00, 0x2C5E),
    "Coptic": (0x2C80, 0x2CFF),
    "kana": (0x3041, 0x30FF),
    "Chinese": (0x4E00, 0x9FFF),
    "compatible Chinese": (0xF900, 0xFAD9),
    "Korean": (0xAC00, 0xD7A3),
    "full width": (0xFF01, 0xFF60),
    "Deseret": (0x10400, 0x1044F),
    "letterlike": (0x2100, 0x214F),
    "emoji": (0x1F300, 0x1F5FF),
    "controls": (0x1, 0xBF),
    "signs": (0x2000, 0x206F),
}


def pieces_of(draw: random.Random) -> list[str]:
    """Letters of all scripts, capitals among them, and some longer pieces."""
    letters = {
        letter
        for low, high in SCRIPTS.values()
        for number in range(low, high + 1, 1 if high - low < 1000 else 37)
        for plain in unicodedata.normalize("NFD", chr(number))
        for letter in (plain, *plain.lower())
        if unicodedata.category(letter)[0] in "LMSP"
    }
    kept = [letter for letter in sorted(letters) if letter.isascii() or draw.random() < 0.85]
    pieces = [*SPECIAL, *kept, *(f"##{letter}" for letter in kept if draw.random() < 0.9)]
    for low, high in SCRIPTS.values():
        own = [letter for letter in kept if low <= ord(letter) <= high] or kept[:30]
        made = ["".join(draw.choice(own) for _ in range(draw.randint(2, 4))) for _ in range(20)]
        pieces += [piece for word in made for piece in (word, f"##{word}")]
    return list(dict.fromkeys(pieces))


def text_of(draw: random.Random) -> str:
    words = []
    for _ in range(draw.randint(1, 3)):
        low, high = draw.choice(list(SCRIPTS.values()))
        words.append("".join(chr(draw.randint(low, high)) for _ in range(draw.randint(1, 5))))
        words.append(draw.choice([" ", "", "  ", "-", "\t", "!", "\u3000", "\u200b", "a\u0301"]))
    return "".join(words)


@pytest.mark.parametrize("lowercase", [True, False])
def test_texts_of_thirty_scripts_have_the_ids_of_the_library(lowercase: bool) -> None:
    draw = random.Random(0)
    pieces = pieces_of(draw)
    texts = [text_of(draw) for _ in range(TEXTS)]
    model = WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token="[UNK]")
    library = tokenizers.Tokenizer(model)
    library.normalizer = BertNormalizer(lowercase=lowercase)
    library.pre_tokenizer = BertPreTokenizer()
    part = tokenizer(Vocabulary(tuple(pieces), lowercase), LENGTH)
    begin, end = pieces.index("[CLS]"), pieces.index("[SEP]")
    for start in range(0, TEXTS, 500):
        some = texts[start : start + 500]
        found = np.asarray(part(keras.ops.convert_to_tensor([[text] for text in some], dtype="string")))
        expected = [[begin, *library.encode(text).ids[: LENGTH - 2], end] for text in some]
        padded = [ids + [0] * (LENGTH - len(ids)) for ids in expected]
        wrong = [text for text, ids, right in zip(some, found.tolist(), padded, strict=True) if ids != right]
        assert wrong == []
