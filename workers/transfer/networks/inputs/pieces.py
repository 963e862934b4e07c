"""Pieces of words that are learnt from texts: those of sources, and those that answers are put together from.

Both by merging what often stands together (Sennrich et al. 2016), and cut by the longest piece that fits.
The sources' are BERT's, which the network finds itself. The answers' keep blanks and capitals, so that joined
they are the text again, but for blanks that follow one another.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
import tokenizers
from tokenizers import Regex, models, normalizers, pre_tokenizers, trainers

from workers.transfer.data import Array
from workers.transfer.networks.presets.wordpiece import SPECIAL, Vocabulary

UNKNOWN, BEGIN, END = 1, 2, 3
"""Ids of answers: 0 is padding, from 4 on are the pieces."""

MARKS = ("", "[UNK]", "[BEGIN]", "[END]")
_BLANK = "▁"
_UNKNOWN_PIECES = 10
_LETTERS = 1000
"""Different letters of the texts, at most: the rarest are unknown."""


def of_sources(texts: Array, most: int) -> tuple[str, ...]:
    """The pieces of a BERT vocabulary for these texts, special ones first."""
    learner = _of_bert(models.WordPiece(unk_token="[UNK]"))
    letters, inside = _letters(learner, texts)
    trainer = trainers.WordPieceTrainer(
        vocab_size=most,
        limit_alphabet=_LETTERS,
        initial_alphabet=letters,
        special_tokens=[*SPECIAL, *letters, *inside],
        show_progress=False,
    )
    learner.train_from_iterator(texts.tolist(), trainer)
    return _by_id(learner)


def _letters(learner: tokenizers.Tokenizer, texts: Array) -> tuple[list[str], list[str]]:
    """The most frequent letters of the words, and those that go on a word, each in their order.

    The trainer numbers the latter, and settles equal counts of merges by the numbers, in the order in which a
    hash table has the words: given all of them, it learns the same from the same texts.
    """
    counts: Counter[str] = Counter()
    inside: set[str] = set()
    for text in texts.tolist():
        for word, _ in learner.pre_tokenizer.pre_tokenize_str(learner.normalizer.normalize_str(text)):
            counts.update(word)
            inside.update(word[1:])
    most = sorted(counts, key=lambda letter: (-counts[letter], letter))[:_LETTERS]
    return sorted(most), [f"##{letter}" for letter in sorted(inside.intersection(most))]


def of_answers(texts: Array, most: int) -> tuple[str, ...]:
    """The pieces that answers are put together from, after `MARKS`; blanks stand before words."""
    learner = _reversible(models.BPE(unk_token=MARKS[UNKNOWN]))
    marks = ["[PAD]", *MARKS[1:]]
    trainer = trainers.BpeTrainer(
        vocab_size=most, limit_alphabet=_LETTERS, special_tokens=marks, show_progress=False
    )
    learner.train_from_iterator(texts.tolist(), trainer)
    found = (piece.replace(_BLANK, " ") for piece in _by_id(learner)[len(marks) :])
    return (*MARKS, *found)


def vocabulary(known: tuple[str, ...]) -> Vocabulary:
    """The sources' pieces as the network's tokenizer takes them."""
    return Vocabulary(known)


def counts(known: tuple[str, ...], texts: Iterable[str]) -> Array:
    """How many pieces each source is cut into, (n,)."""
    return np.array([len(one.ids) for one in _source_cutter(known).encode_batch(list(texts))])


def source_effort(known: tuple[str, ...], texts: Iterable[str]) -> int:
    """How many pieces sources are cut into; an unknown word counts as `_UNKNOWN_PIECES`."""
    return sum(_effort(one.ids) for one in _source_cutter(known).encode_batch(list(texts)))


def answer_effort(words: Sequence[str], texts: Iterable[str]) -> int:
    """The same of answers."""
    return sum(map(_effort, cut(words, texts)))


def _effort(ids: list[int]) -> int:
    return len(ids) + (_UNKNOWN_PIECES - 1) * ids.count(UNKNOWN)


def cut(words: Sequence[str], texts: Iterable[str]) -> list[list[int]]:
    """The ids of each answer's pieces."""
    return [one.ids for one in _answer_cutter(tuple(words)).encode_batch(list(texts))]


@lru_cache(maxsize=4)
def _source_cutter(known: tuple[str, ...]) -> tokenizers.Tokenizer:
    ids = {piece: number for number, piece in enumerate(known)}
    return _of_bert(models.WordPiece(vocab=ids, unk_token="[UNK]"))


@lru_cache(maxsize=4)
def _answer_cutter(words: tuple[str, ...]) -> tokenizers.Tokenizer:
    ids = {piece.replace(" ", _BLANK): number for number, piece in enumerate(words)}
    ids["[PAD]"] = ids.pop("", 0)
    longest_first = models.WordPiece(
        vocab=ids, unk_token=MARKS[UNKNOWN], continuing_subword_prefix="", max_input_chars_per_word=1000
    )
    return _reversible(longest_first)


def _of_bert(model: models.Model) -> tokenizers.Tokenizer:
    made = tokenizers.Tokenizer(model)
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return made


def _reversible(model: models.Model) -> tokenizers.Tokenizer:
    """A blank belongs to the word behind it, punctuation stands alone."""
    made = tokenizers.Tokenizer(model)
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    )
    blanks = pre_tokenizers.Metaspace(_BLANK, prepend_scheme="never")
    made.pre_tokenizer = pre_tokenizers.Sequence([blanks, pre_tokenizers.Punctuation()])
    return made


def _by_id(learner: tokenizers.Tokenizer) -> tuple[str, ...]:
    known = learner.get_vocab()
    return tuple(sorted(known, key=known.__getitem__))
