"""WordPiece (Wu et al. 2016) as BERT cuts words, inside of a Keras model and of built-in layers alone.

So that a saved network takes raw texts wherever Keras runs. The steps are those of BERT's tokenizer:
controls are dropped, letters taken apart, so that they lose accents and Korean syllables become letters,
capitals of every script made small, punctuation and Chinese characters stand alone, then each word is cut
into the longest pieces of the vocabulary from its left, or is unknown as a whole. What differs from Hugging
Face's `tokenizers`: Chinese characters of the supplementary planes (see `signs`), words of more than
`MOST_PIECES` pieces, and what stands behind 8 letters a token.

A piece is found by the sum of its letters' codes times random numbers, one a place, in 64 bits: a lookup
among the same sums of the vocabulary.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops

from workers.transfer.data import Array
from workers.transfer.networks.presets.characters import ALONE, BLANK, DROPPED, LETTER, signs
from workers.transfer.networks.presets.errors import PresetError

LONGEST_WORD = 100
"""Letters; a longer word is unknown, as in BERT."""

MOST_PIECES = 32
"""Of one word; what is left of a longer one is dropped."""

LETTERS_A_TOKEN = 8
"""So many letters of a text are looked at for each token asked for."""

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
"""What a vocabulary has for padding, whose id is 0, unknown words, and a text's begin and end."""

_STRANGE = 1
"""The code of a letter that no piece has; 0 is none."""


@dataclass(frozen=True)
class Vocabulary:
    """The pieces in the order of their ids; those that go on a word begin with ##.

    prompt: what is put before each text; ends in a blank.
    """

    pieces: tuple[str, ...]
    lowercase: bool = True
    prompt: str = ""

    def id_of(self, piece: str) -> int:
        """The piece's id."""
        return self.pieces.index(piece)


def tokenizer(vocabulary: Vocabulary, length: int) -> keras.Model:
    """Texts (n, 1) to ids (n, length): [CLS], pieces, [SEP], then 0 for padding; too long a text is cut.

    Behind [CLS] come the prompt's pieces, if there is one.

    Raises:
        PresetError: there is no place left for a text's own pieces.
    """
    first = _first_ids(vocabulary)
    if len(first) + 2 > length:
        raise PresetError(
            f"Expected a length of at least {len(first) + 2} tokens, so that a piece of the text is read. "
            f"Received: {length}. Raise length."
        )
    letters = LETTERS_A_TOKEN * length
    text = keras.Input((1,), name="text", dtype="string")
    kind, code, _, about = letters_of(text, replace(vocabulary, prompt=""), letters)
    ids, there, _ = pieces_of(kind, code, about, vocabulary, letters)
    ids = _framed(ids, there, first, vocabulary.id_of("[SEP]"), length)
    return keras.Model(text, ids, name="preprocessing")


def letters_of(text: Any, vocabulary: Vocabulary, letters: int) -> tuple[Any, Any, Any, "_Tables"]:
    """Of texts (n, 1) kind and code of the first letters (n, letters), and the code points they come from."""
    about = _tables(vocabulary)
    characters = layers.TextVectorization(
        standardize=None,
        split="character",
        output_sequence_length=letters,
        vocabulary=list(about.characters),
        name="characters",
    )(text)
    # (n, letters, 2 · slots): of each letter that a sign becomes, what kind it is, and its code
    table = np.concatenate([about.kinds, about.codes], axis=1).astype(np.float32)
    looked_up = _fixed(table, "signs")(characters)
    kind, code, point = _without_dropped(looked_up, letters, about.kinds.shape[1])
    return kind, code, point, about


def unknown_id(part: keras.Model) -> int:
    """The id that a part of `tokenizer` gives to what no vocabulary has."""
    ids = np.asarray(part(ops.convert_to_tensor([["\U00013000"]], dtype="string")))[0]  # a hieroglyph
    return int(ids[ids != 0][-2])


@dataclass(frozen=True)
class _Tables:
    characters: tuple[str, ...]
    kinds: Array
    codes: Array
    sums: tuple[int, ...]
    factors: Array
    goes_on: int
    longest: int


@lru_cache(maxsize=4)
def _tables(vocabulary: Vocabulary) -> _Tables:
    """What signs and pieces are, as numbers."""
    singles = sorted({letter for piece in vocabulary.pieces for letter in piece.removeprefix("##")})
    code = {letter: number for number, letter in enumerate(singles, start=_STRANGE + 1)}
    characters: list[str] = []
    rows: list[list[tuple[int, int]]] = [[(BLANK, 0)], [(LETTER, _STRANGE)]]  # 0 padding, 1 any other sign
    for character, kind, letters in signs(vocabulary.lowercase):
        made = [(kind, code.get(letter, _STRANGE) if kind != BLANK else 0) for letter in letters]
        if kind == LETTER and len({*made, (LETTER, _STRANGE)}) == 1:
            continue  # of no piece: as any other sign
        characters.append(character)
        rows.append(made)
    slots = max(map(len, rows))
    table = np.array([[*made, *[(DROPPED, 0)] * (slots - len(made))] for made in rows])
    longest = max(len(piece.removeprefix("##")) for piece in vocabulary.pieces)
    rng = np.random.Generator(np.random.Philox(0))
    factors = rng.integers(-(2**62), 2**62, longest, dtype=np.int64) | 1
    goes_on = int(rng.integers(-(2**62), 2**62)) | 1
    sums = tuple(_sum(piece, code, factors, goes_on) for piece in vocabulary.pieces)
    assert len(set(sums)) == len(sums)
    return _Tables(tuple(characters), table[..., 0], table[..., 1], sums, factors, goes_on, longest)


def _sum(piece: str, code: dict[str, int], factors: Array, goes_on: int) -> int:
    letters = piece.removeprefix("##") if len(piece) > 2 else piece
    total = goes_on if letters is not piece and piece.startswith("##") else 0
    total += sum(code[letter] * int(factor) for letter, factor in zip(letters, factors, strict=False))
    return (total + 2**63) % 2**64 - 2**63


def _fixed(table: Array, name: str) -> layers.Embedding:
    layer = layers.Embedding(*table.shape, embeddings_initializer="zeros", trainable=False, name=name)
    layer.build()
    layer.set_weights([table])
    return layer


def _without_dropped(looked_up: Any, letters: int, slots: int) -> tuple[Any, Any, Any]:
    """Kind, code and code point of each letter, (n, letters); the dropped ones are blanks behind the end."""
    kind, code = (
        ops.cast(ops.reshape(part, (-1, letters * slots)), "int32")
        for part in (looked_up[..., :slots], looked_up[..., slots:])
    )
    dropped = ops.equal(kind, DROPPED)
    order = ops.argsort(_places(kind) + letters * slots * ops.cast(dropped, "int32"), axis=1)[:, :letters]
    kind, code = (ops.take_along_axis(x, order, axis=1) for x in (kind, code))
    there = ops.not_equal(kind, DROPPED)
    return ops.where(there, kind, BLANK), ops.where(there, code, 0), order // slots


def _places(like: Any) -> Any:
    """0, 1, 2, … in each row."""
    return ops.cumsum(ops.ones_like(like), axis=1) - 1


def pieces_of(
    kind: Any,
    code: Any,
    about: _Tables,
    vocabulary: Vocabulary,
    letters: int,
    of_word: Callable[[Any, Any, Any], Any] | None = None,
) -> tuple[Any, Any, Any]:
    """The id of the piece that begins at each place, (n, letters), whether one does, and its letters.

    of_word: sums values over each place's word, given where words begin, their numbers, and the values;
    without it all places are compared with all, and the letters are None.
    """
    before = ops.pad(kind[:, :-1], ((0, 0), (1, 0)))
    is_letter, is_alone = ops.equal(kind, LETTER), ops.equal(kind, ALONE)
    begins = ops.logical_or(is_alone, ops.logical_and(is_letter, ops.not_equal(before, LETTER)))
    is_sign = ops.logical_or(is_letter, is_alone)
    word = ops.where(is_sign, ops.cumsum(ops.cast(begins, "int32"), axis=1), 0)
    ahead = np.arange(letters)[:, None] + np.arange(about.longest)[None, :]  # places of a window
    padded_word = ops.pad(word, ((0, 0), (0, about.longest)))
    padded_code = ops.pad(code, ((0, 0), (0, about.longest)))
    same = ops.equal(ops.take(padded_word, ahead, axis=1), word[..., None])
    inside = ops.logical_and(same, is_sign[..., None])  # words are in one piece, so no gap can be in it
    codes = ops.cast(ops.take(padded_code, ahead, axis=1), "int64") * about.factors
    goes_on = ops.cast(ops.logical_not(begins), "int64")[..., None] * np.array([about.goes_on])
    sums = ops.cumsum(codes, axis=2) + goes_on
    lookup = layers.IntegerLookup(
        vocabulary=list(about.sums), num_oov_indices=1, mask_token=None, oov_token=_free(about), name="pieces"
    )
    found = ops.cast(lookup(sums), "int32") - 1  # -1: no piece
    fits = ops.logical_and(found >= 0, inside)
    reach = ops.where(fits, np.arange(1, about.longest + 1, dtype=np.int32), 0)
    length = ops.max(reach, axis=2)
    is_longest = ops.logical_and(fits, ops.equal(reach, length[..., None]))
    ids = ops.sum(ops.where(is_longest, found, 0), axis=2)
    reached = _reached(begins, length, word, about.longest, letters)
    bad = ops.logical_and(reached, ops.equal(length, 0))
    size = None
    if of_word is None:
        unknown = _of_word(word, bad, is_sign)
    else:
        count = of_word(begins, word, ops.cast(is_sign, "int32"))
        wrong = of_word(begins, word, ops.cast(bad, "int32")) > 0
        unknown = ops.logical_and(ops.logical_or(wrong, count > LONGEST_WORD), is_sign)
        size = ops.where(unknown, count, length)
    ids = ops.where(unknown, vocabulary.id_of("[UNK]"), ids)
    return ids, ops.logical_and(reached, ops.logical_or(begins, ops.logical_not(unknown))), size


def _free(about: _Tables) -> int:
    return next(number for number in range(-1, -(2**31), -1) if number not in about.sums)


def _reached(begins: Any, length: Any, word: Any, longest: int, letters: int) -> Any:
    """Where a piece begins: at a word's beginning, and behind each piece inside of the word."""
    behind = np.arange(letters)[:, None] - np.arange(1, longest + 1)[None, :] + longest
    pad = ((0, 0), (longest, 0))
    lengths = ops.take(ops.pad(length, pad), behind, axis=1)
    words = ops.take(ops.pad(word, pad), behind, axis=1)
    steps = np.arange(1, longest + 1, dtype=np.int32)
    ends_here = ops.logical_and(ops.equal(lengths, steps), ops.equal(words, word[..., None]))
    reached = begins
    for _ in range(MOST_PIECES - 1):
        earlier = ops.take(ops.pad(ops.cast(reached, "int32"), pad), behind, axis=1)
        onward = ops.any(ops.logical_and(ends_here, ops.equal(earlier, 1)), axis=2)
        reached = ops.logical_or(begins, onward)
    return reached


def _of_word(word: Any, bad: Any, is_sign: Any) -> Any:
    """Whether a place's word has a bad place, or too many letters."""
    same = ops.cast(ops.equal(word[:, :, None], word[:, None, :]), "float32")
    counts = ops.matmul(same, ops.cast(ops.stack([bad, is_sign], axis=2), "float32"))
    wrong = ops.logical_or(counts[..., 0] > 0.5, counts[..., 1] > LONGEST_WORD + 0.5)
    return ops.logical_and(wrong, is_sign)


def _first_ids(vocabulary: Vocabulary) -> list[int]:
    """[CLS] and the pieces of the prompt, which ends in a blank, so that no piece goes across its end."""
    first = [vocabulary.id_of("[CLS]")]
    if vocabulary.prompt:
        alone = tokenizer(replace(vocabulary, prompt=""), len(vocabulary.prompt) + 2)
        ids = np.asarray(alone(ops.convert_to_tensor([[vocabulary.prompt]], dtype="string")))[0]
        first += [int(one) for one in ids[ids != 0][1:-1]]
    return first


def _framed(ids: Any, there: Any, first: Sequence[int], end: int, length: int) -> Any:
    """The first ids, those that are there moved together, the end's, and padding."""
    present = ops.cast(there, "int32")
    letters, begin = ids.shape[1], len(first)
    most = length - begin - 1
    order = ops.argsort(_places(present) + letters * (1 - present), axis=1)[:, :most]
    ids = ops.pad(ops.take_along_axis(ids, order, axis=1), ((0, 0), (begin, 1)))
    count = ops.minimum(ops.sum(present, axis=1, keepdims=True), most) + begin
    place = _places(ids)
    ids = ops.where(place < count, ids, 0)
    ids = ops.where(ops.equal(place, count), end, ids)
    for number, one in enumerate(first):
        ids = ops.where(ops.equal(place, number), one, ids)
    return ids


def read_vocabulary(path: Path, *, lowercase: bool, prompt: str = "") -> Vocabulary:
    """The vocabulary of a file, a piece a line.

    Raises:
        PresetError: a piece is in it twice.
    """
    with path.open(encoding="utf-8") as lines:
        pieces = tuple(line.rstrip("\n") for line in lines)
    twice = [piece for piece, count in Counter(pieces).items() if count > 1]
    if twice:
        raise PresetError(
            f"Expected different pieces. Received: {twice[0]!r} twice in {path.name}. Take another preset."
        )
    return Vocabulary(pieces, lowercase, prompt)


def check_pieces(vocabulary: Vocabulary, most: int, file: str) -> None:
    """Raise a PresetError unless an encoder of so many rows can read these pieces."""
    pieces = vocabulary.pieces
    lacking = [piece for piece in SPECIAL if piece not in pieces]
    if lacking or pieces[0] != SPECIAL[0] or len(pieces) > most:
        raise PresetError(
            f"Expected at most {most} pieces, {', '.join(SPECIAL)} among them, {SPECIAL[0]} the first. "
            f"Received: {len(pieces)}, {pieces[0] if pieces else ''!r} the first, lacking: "
            f"{', '.join(lacking) or 'none'}, in {file}. Take another preset."
        )
