"""What will a network read of a data set? Told from its profile, as the preprocessing will find it.

Where a profile only bounds it, such as the number of words, it is rather too small than too large.
"""

from __future__ import annotations

from math import isqrt

from app.datasets.reading.profile import ColumnProfile, Profile, Spread
from app.jobs.network_recipe import NetworkRecipe
from app.jobs.requirements import Examples
from app.jobs.sizes import InputSpec

_LARGEST_IMAGE, _LONGEST_PIECES, _WHOLE_SEQUENCE = 96, 128, 1024
_LONGEST_CONTEXT = 1024
_LONGEST_TEXT = {"averaged": 4096, "text_convnet": 2048, "transformer": 512}
_LONGEST_SEQUENCE = {"transformer": 1024, "sequence_convnet": 4096}
_PRESET_SIZE = (224, 224)
_CHARACTERS = 30
"""A writing has more letters than this."""


def input_spec_of(network: NetworkRecipe, examples: Examples) -> InputSpec:
    """The shape of a row of features, and of texts the number of tokens."""
    options = network.model_dump()
    features = [column for column in examples.profile.columns if column.role == "feature"]
    match examples.description.kind:
        case "image":
            return _image(options, features[0], is_preset="preset" in options)
        case "text":
            return _text(options, features[0], examples.profile, is_preset="preset" in options)
        case "sequence":
            return _sequence(options, features[0])
        case "pairs":
            return _pairs(options, features[0])
        case "qa":
            return _questions(options, features)
        case _:
            return InputSpec((sum(_width(column, options, _train_rows(examples)) for column in features),))


def _train_rows(examples: Examples) -> int:
    return examples.description.split.rows["train"]


def _width(column: ColumnProfile, options: dict[str, object], rows: int) -> int:
    """How many features a column of a table becomes."""
    if not options["preprocessing"]:
        return 1
    if column.type == "category":
        # The split may leave rare values out, but never so many as to have more values than rows.
        return 1 + min(int(str(options["max_categories"])), column.distinct, rows)
    return (4 if column.type == "date" else 1) + bool(column.missing)


def _image(options: dict[str, object], column: ColumnProfile, *, is_preset: bool) -> InputSpec:
    size = options.get("image_size")
    if not isinstance(size, tuple):
        size = _PRESET_SIZE if is_preset else (_side(column, "height"), _side(column, "width"))
    channels = options.get("channels")
    if not isinstance(channels, int):
        is_grey = all(mode.value[0] in "1LI" for mode in column.top if mode.value in _MODES)
        channels = 1 if is_grey else 3
    return InputSpec((*size, channels))


_MODES = frozenset({"1", "L", "LA", "I", "I;16", "I;16B", "I;16L", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr"})
"""Pillow's words, beside those for formats."""


def _side(column: ColumnProfile, side: str) -> int:
    return min(int(_measure(column, side).median), _LARGEST_IMAGE)


def _text(
    options: dict[str, object], column: ColumnProfile, profile: Profile, *, is_preset: bool
) -> InputSpec:
    words, characters = _measure(column, "words"), _measure(column, "characters")
    in_words = options.get("split") or column.tokens or "words"
    of = characters if in_words == "characters" and not is_preset else words
    least, most = (8, _LONGEST_PIECES) if is_preset else (4, _LONGEST_TEXT[str(options["kind"])])
    length = options.get("length")
    if not isinstance(length, int):
        length = min(max(int(of.percentile_95), least), most)
    if is_preset:
        return InputSpec((length,))
    known = column.distinct
    if not column.distinct_is_exact:
        # Heaps' law as of newswire (Manning et al. 2008); what people write by hand has more.
        known = max(known, 40 * isqrt(int(profile.rows * words.mean)))
    if in_words == "characters":
        known = _CHARACTERS
    return InputSpec((length,), 2 + min(known, int(str(options["max_tokens"]))))


def _pairs(options: dict[str, object], column: ColumnProfile) -> InputSpec:
    """Pieces are no fewer than words, and of any text there are some for its letters."""
    length = options.get("length")
    if not isinstance(length, int):
        length = min(max(int(_measure(column, "words").percentile_95) + 2, 8), _LONGEST_PIECES)
    least = min(_CHARACTERS, int(str(options["max_tokens"])))
    return InputSpec((length,), least, least)


def _questions(options: dict[str, object], features: list[ColumnProfile]) -> InputSpec:
    """The pieces of a context; there are no fewer than words."""
    length = options.get("length")
    if not isinstance(length, int):
        context = max(features, key=lambda column: _measure(column, "words").percentile_95)
        length = min(max(int(_measure(context, "words").percentile_95), 8), _LONGEST_CONTEXT)
    return InputSpec((length,), min(_CHARACTERS, int(str(options["max_tokens"]))))


def _sequence(options: dict[str, object], column: ColumnProfile) -> InputSpec:
    length = options.get("length")
    if not isinstance(length, int):
        letters = _measure(column, "letters")
        wanted = min(int(letters.maximum), max(int(letters.percentile_95), _WHOLE_SEQUENCE))
        length = min(max(wanted, 4), _LONGEST_SEQUENCE[str(options["kind"])])
    return InputSpec((length, 20 if column.type == "protein" else 4))


def _measure(column: ColumnProfile, name: str) -> Spread:
    return column.measures.get(name) or Spread(minimum=0, median=0, percentile_95=0, maximum=0, mean=0)
