"""Where does each piece of a text stand? WordPiece as in `wordpiece`, with the places beside it.

Places are code points, as Python counts them. Memory grows with the letters of a text, not with their square.
"""

from typing import Any

import keras
from keras import ops

from workers.transfer.networks.presets import wordpiece
from workers.transfer.networks.presets.wordpiece import Vocabulary


def located(vocabulary: Vocabulary, letters: int, length: int, name: str) -> keras.Model:
    """Texts (n, 1) to (n, 3 · length): the ids of the first pieces, where each begins, and where it ends.

    No piece frames them; 0 for padding. Accents of their own belong to the piece before them. So many
    `letters` of a text are looked at.
    """
    text = keras.Input((1,), name="text", dtype="string")
    kind, code, point, about = wordpiece.letters_of(text, vocabulary, letters)
    ids, there, size = wordpiece.pieces_of(kind, code, about, vocabulary, letters, of_word)
    place = ops.cumsum(ops.ones_like(size), axis=1) - 1
    last = ops.minimum(place + ops.maximum(size, 1) - 1, letters - 1)
    following = ops.pad(point[:, 1:], ((0, 0), (0, 1)))  # what lies before it was dropped, as accents are
    end = ops.maximum(*(ops.take_along_axis(one, last, axis=1) for one in (following, point + 1)))
    present = ops.cast(there, "int32")
    order = ops.argsort(place + letters * (1 - present), axis=1)[:, :length]
    found = [ops.take_along_axis(one * present, order, axis=1) for one in (ids, point, end)]
    missing = max(0, length - letters)
    found = [ops.pad(one, ((0, 0), (0, missing))) for one in found] if missing else found
    return keras.Model(text, ops.concatenate(found, axis=1), name=name)


def of_word(begins: Any, word: Any, of: Any) -> Any:
    """The sum of values (n, letters) over each place's word, from sums up to its begin and to the next one's.

    word: numbers of words from 1, 0 between them, where nothing may be counted.
    """
    del word
    place = ops.cumsum(ops.ones_like(of), axis=1) - 1
    letters = of.shape[1]
    begun = ops.cast(begins, "int32")
    at = ops.sort(ops.where(begins, place, letters), axis=1)
    at = ops.pad(at, ((0, 0), (1, 1)), constant_values=letters)
    number = ops.cumsum(begun, axis=1)
    before = ops.pad(ops.cumsum(of, axis=1), ((0, 0), (1, 0)))
    first = ops.where(number > 0, ops.take_along_axis(at, number, axis=1), 0)
    following = ops.take_along_axis(at, number + 1, axis=1)
    sums = [ops.take_along_axis(before, one, axis=1) for one in (following, first)]
    return sums[0] - sums[1]
