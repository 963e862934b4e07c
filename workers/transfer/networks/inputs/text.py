"""Texts to token ids: words or characters by a vocabulary learnt from the train rows."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from workers.transfer.data import Array, Column
from workers.transfer.networks.forwarding import batches, forward
from workers.transfer.networks.presets import loading
from workers.transfer.networks.presets.lookup import find_preset
from workers.transfer.networks.presets.wordpiece import tokenizer, unknown_id

LONGEST = {"averaged": 4096, "text_convnet": 2048, "transformer": 512}
"""Tokens at most where the data decides: what attention keeps grows with the square of them."""

OPTIONS = ("split", "max_tokens", "length")
"""Those of a network's options that say how its inputs are read."""

LONGEST_PRETRAINED = 128
"""What is found in the data at most for a pretrained encoder, whose cost grows with it: or less, if it was
made to read less."""
_COUNTED = 2000
_LETTERS_A_WORD = 15
"""Where words are longer than this on average, the writing has no blanks between them."""
_WITHOUT_BLANKS = 0.3
"""Of all letters: so many of a writing without blanks, told by the letters, since short texts have few."""
_LETTER = re.compile(r"[^\W\d_]")
_OF_WRITING_WITHOUT_BLANKS = re.compile(
    "[\u0e00-\u0eff\u0f00-\u0fff\u1000-\u109f\u1780-\u17ff\u19e0-\u1aad\u3005-\u3007\u3040-\u30ff\u31f0-\u31ff"
    "\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9fe\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9d"
    "\U00020000-\U0003ffff]"
)
"""Thai, Lao, Tibetan, Burmese, Khmer, Tai, kana, Chinese characters; the service tells them alike."""


def first(columns: Sequence[Column], train: Mapping[str, Array], options: Mapping[str, Any]) -> keras.Model:
    """Texts (n, 1) to ids (n, length): 0 padding, 1 unknown, then the tokens by falling frequency.

    Words are what stands between blanks, without punctuation, ASCII capitals made small; other scripts'
    capitals are tokens of their own. `split` and `length` are found in the train rows unless given: words
    unless the writing has no blanks; the length that 95 % of the rows keep within, at most `LONGEST`.
    """
    values = train["text"]
    if options["kind"] == "pretrained":
        return _word_pieces(values, options)
    split = options["split"] or ("characters" if has_no_blanks(values[:1000].tolist()) else "words")
    vocabulary = _vocabulary(split, values)[: options["max_tokens"]] or ["(nothing)"]
    most = LONGEST.get(options["kind"], LONGEST["transformer"])
    length = options["length"] or _length(_part(split, vocabulary, None), values, most)
    return _part(split, vocabulary, length)


def _word_pieces(values: Array, options: Mapping[str, Any]) -> keras.Model:
    """The pretrained encoder's own tokens."""
    folder = Path(options["folder"]) if options.get("folder") else None
    preset = find_preset(options["preset"], folder)
    pieces = loading.vocabulary(preset)
    if options["length"]:
        return tokenizer(pieces, options["length"])
    some = values[:: max(1, len(values) // _COUNTED)]
    most = min(LONGEST_PRETRAINED, loading.usual_length(preset))
    return tokenizer(pieces, max(min(8, most), _length(tokenizer(pieces, most), some, most)))


def blocks(part: keras.Model, inputs: Sequence[Array]) -> Iterator[Array]:
    """Ids (b, length), in 16 bits where they fit."""
    (values,) = inputs
    small = np.uint16 if tokens(part) <= 2**16 else np.int32
    for ids in batches(part, values):
        yield ids.astype(small)


def settled(part: keras.Model) -> dict[str, Any]:
    """The length and what tokens are."""
    if not _has_own_tokens(part):
        return {"length": int(part.output_shape[-1])}
    split = part.get_layer("tokens").get_config()["split"]
    words = "characters" if split == "character" else "words"
    return {"length": int(part.output_shape[-1]), "split": words}


def unread(part: keras.Model, inputs: Mapping[str, Array]) -> dict[str, float]:
    """Shares of what the part leaves out of these rows, those that are 0 aside.

    `texts_cut`: texts that are longer than its length; `tokens_cut`: their tokens, of all, for own tokens;
    `unknown_tokens`: tokens, of those read of some 2000 texts, that are not in the vocabulary.
    """
    values = inputs["text"]
    some = values[:: max(1, len(values) // _COUNTED)]
    length = int(part.output_shape[-1])
    ids = forward(part, some)
    there = ids != 0
    if _has_own_tokens(part):
        of_words = settled(part)["split"] == "words"
        counts = np.array([len(text.split()) if of_words else len(text) for text in values.tolist()])
        cut, tokens_cut = (
            np.mean(counts > length),
            np.sum(np.maximum(counts - length, 0)) / max(counts.sum(), 1),
        )
        unknown = ids == 1
    else:
        cut, tokens_cut = np.mean(there[:, -1]), 0.0
        unknown = ids == unknown_id(part)
        there[:, 0] = False  # [CLS]
    shares = {"texts_cut": cut, "tokens_cut": tokens_cut}
    shares["unknown_tokens"] = unknown.sum() / max(there.sum(), 1)
    return {name: round(float(share), 4) for name, share in shares.items() if share > 0}


def names(part: keras.Model) -> list[str]:
    """What each id means."""
    if not _has_own_tokens(part):
        return []
    return [str(token) for token in part.get_layer("tokens").get_vocabulary()]


def extended(part: keras.Model, train: Mapping[str, Array], max_tokens: int) -> keras.Model:
    """The part with the train rows' new tokens after its own, at most `max_tokens` of them."""
    known = names(part)[2:]
    about = settled(part)
    seen = set(known)
    new = [token for token in _vocabulary(about["split"], train["text"]) if token not in seen]
    return _part(about["split"], [*known, *new[:max_tokens]], about["length"])


def tokens(part: keras.Model) -> int:
    """How many ids there are."""
    name = "tokens" if _has_own_tokens(part) else "pieces"
    return int(part.get_layer(name).vocabulary_size())


def _has_own_tokens(part: keras.Model) -> bool:
    return "tokens" in {layer.name for layer in part.layers}


def _part(split: str, vocabulary: Sequence[str], length: int | None) -> keras.Model:
    text = keras.Input((1,), name="text", dtype="string")
    layer = _vectorization(split, vocabulary=list(vocabulary), output_sequence_length=length)
    return keras.Model(text, layer(text), name="preprocessing")


def _vectorization(split: str, **options: Any) -> keras.layers.TextVectorization:
    characters = split == "characters"
    return keras.layers.TextVectorization(
        standardize="lower" if characters else "lower_and_strip_punctuation",
        split="character" if characters else "whitespace",
        name="tokens",
        **options,
    )


def _vocabulary(split: str, values: Array) -> list[str]:
    """Tokens by falling frequency."""
    layer = _vectorization(split)
    layer.adapt(values.tolist())
    return [str(token) for token in layer.get_vocabulary()[2:] if str(token).strip()]


def _length(part: keras.Model, values: Array, most: int) -> int:
    longest = [np.count_nonzero(ids, axis=1) for ids in batches(part, values)]
    return int(np.clip(np.percentile(np.concatenate(longest), 95, method="higher"), 4, most))


def has_no_blanks(values: Iterable[str]) -> bool:
    """Whether texts are written without blanks between the words."""
    some = " ".join(values)
    without = len(_OF_WRITING_WITHOUT_BLANKS.findall(some))
    letters = without + len(_LETTER.findall(_OF_WRITING_WITHOUT_BLANKS.sub("", some)))
    if without and without >= _WITHOUT_BLANKS * letters:
        return True
    return len(some) > _LETTERS_A_WORD * max(len(some.split()), 1)
