"""Which file of this folder knows an input's type, and which column of a table is one."""

from __future__ import annotations

import re
from types import ModuleType
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.columns import ColumnScan
from app.datasets.inspection.kinds import image, sequence, text
from app.datasets.inspection.kinds.writing import WITHOUT_BLANKS, share_without_blanks
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.letters import PROTEIN, RNA
from app.datasets.reading.limits import Limits
from app.datasets.reading.words import KIND_OF, ColumnType, Kind

MODULES: dict[Kind, ModuleType] = {"text": text, "image": image, "sequence": sequence}
_SCANS: dict[Kind, Any] = {"text": text.TextScan, "image": image.ImageScan}
_USUAL = {
    "text": ("text", "sentence", "review", "content", "message", "body"),
    "image": ("image", "img", "picture"),
    "sequence": ("sequence", "seq", "dna", "rna", "protein", "peptide"),
}
_TEXTS = (
    "texts sentences reviews reviewtext comment comments commenttext tweet tweets tweettext utterance "
    "utterances document documents article headline question questiontext abstract post posttext messages"
)
_SEQUENCES = (
    "sequences peptides proteins proteinsequence peptidesequence dnasequence rnasequence aaseq aasequence "
    "nucleotides cdr3 promoter"
)
_NAMED: dict[Kind, frozenset[str]] = {
    "text": frozenset((*_USUAL["text"], *_TEXTS.split())),
    "sequence": frozenset((*_USUAL["sequence"], *_SEQUENCES.split())),
}
"""Names, without blanks and signs, of columns whose values may be short."""
_LAST_TEXTS = "text texts sentence review reviews comment comments tweet message body"
_LAST_SEQUENCES = "sequence sequences seq dna rna protein peptide cdr3"
_LAST: dict[Kind, frozenset[str]] = {
    "text": frozenset(_LAST_TEXTS.split()),
    "sequence": frozenset(_LAST_SEQUENCES.split()),
}
"""Words at the end of such names, as in `cleaned_text` and `mutated_sequence`, `_FORMS` aside."""
_FORMS = frozenset(("aa", "nt", "raw", "clean", "cleaned", "str", "string"))
_ID = re.compile(
    r"(^|[_\W])(?i:ids?|idx|index|uid|uuid|guid|accession|key|rowid|nr|no)$|[a-z](Id|ID)$|^(?i:unnamed: 0)$"
)
_BASES = "ACGTUN"
_WORDS_A_TEXT = 2.5
_WORDS_A_NAMED_TEXT = 1.5
_SPOKEN = 0.25
"""Of the values of a column with a usual name, those with a blank or a letter that is not ASCII."""
_LETTERS_A_SEQUENCE = 15
_LOOKED_AT = 1000
_FEW = 20


def new_scan(
    kind: Kind, name: str, declared: ColumnType | None, limits: Limits, said: ColumnType | None = None
) -> Any:
    """The scan of a column of this kind; `declared` as nucleotide or protein settles the alphabet."""
    if kind == "sequence":
        return sequence.SequenceScan(name, limits, declared, said)
    return _SCANS[kind](name, limits)


def declared_kind(declaration: Declaration, names: list[str]) -> Kind | None:
    """The kind that was declared, by itself or by the type of a column.

    Raises:
        DatasetError: the two disagree.
    """
    inputs = {name: KIND_OF[of] for name, of in declaration.types.items() if of in KIND_OF}
    kinds = {*inputs.values(), *([declaration.kind] if declaration.kind else [])}
    if len(kinds) > 1 or len(inputs) > 1:
        received = ", ".join(
            [*(f"{name} as {kind}" for name, kind in inputs.items()), declaration.kind or ""]
        )
        message = f"Expected one input of one kind of data. Received: {received.strip(', ')}."
        raise DatasetError("kinds_differ", message, "Declare one of them; the other columns are left out.")
    return next(iter(kinds), None)


def find_input(kind: Kind, names: list[str], taken: set[str], declaration: Declaration) -> str:
    """The declared input column, the one with a usual name, or the only one beside `taken`.

    Raises:
        DatasetError: there is none, or several.
    """
    of_type = [name for name, of in declaration.types.items() if of in KIND_OF]
    asked = declaration.input or (of_type[0] if of_type else None)
    free = [name for name in names if name not in taken]
    if asked is not None:
        if asked in free:
            return asked
        received = "the label or the split" if asked in taken else "no such column"
        message = f"Expected a column {asked}, the declared input. Received: {received}."
        raise DatasetError("input_not_found", message, f"The columns are {', '.join(names[:50])}.")
    usual = [name for name in free if name.lower() in _USUAL[kind]]
    usual = usual or [name for name in free if _named(name) == kind]
    found = usual if len(usual) == 1 else free
    if len(found) == 1:
        return found[0]
    message = (
        f"Expected one column of {kind}s beside the label, or one called {', '.join(_USUAL[kind])}. "
        f"Received: {', '.join(free[:50]) or 'no other column'}."
    )
    raise DatasetError("input_not_found", message, "Declare `input`, the name of the column.")


def guess_kind(column: ColumnScan, sample: pa.Array, *, alone: bool) -> Kind | None:
    """Whether a column of a table holds texts or sequences, by its name and its first values.

    Its values mostly differ. Of a column with a usual name they may be short; of another one they count only
    where it is `alone` beside the label.
    """
    values = pc.drop_null(sample)
    if column.type != "category" or not len(values):
        return None
    usual = _named(column.name)
    distinct, counted = column.tally.distinct, column.tally.counted_values
    if 2 * distinct < counted or (2 * distinct == counted and usual is None) or not (alone or usual):
        return None
    listed = [value.strip() for value in values.to_pylist()[:_LOOKED_AT]]
    listed = [value for value in listed if value]
    if usual == "sequence" and _are_letters(listed):
        return "sequence"
    if usual is None and _are_long_letters(listed):
        return "sequence"
    if (
        usual == "sequence"
        and sum(map(len, listed)) >= _LETTERS_A_SEQUENCE * len(listed)
        and _are_but_a_few(listed)
    ):
        return "sequence"
    return "text" if _are_texts(listed, named=usual == "text") else None


def unread_input(column: ColumnScan, sample: pa.Array) -> Kind | None:
    """The kind of a table's column that has a usual name for it, and values like it, though they repeat."""
    kind = _named(column.name)
    values = pc.drop_null(sample)
    if kind is None or column.type != "category" or column.tally.distinct < 3 or not len(values):
        return None
    listed = [value.strip() for value in values.to_pylist()[:_LOOKED_AT] if value.strip()]
    fits = _are_letters(listed) if kind == "sequence" else _are_texts(listed, named=True)
    return kind if fits else None


def _named(name: str) -> Kind | None:
    """The kind of data that a column's name says it holds."""
    plain = name.strip().lower().replace("_", "").replace(" ", "").replace("-", "")
    for kind, names in _NAMED.items():
        if plain in names:
            return kind
    apart = re.sub(r"([a-z])([A-Z])", r"\1 \2", name).lower()
    words = re.findall(r"cdr3|[a-z]+", apart)
    last = next((word for word in reversed(words) if word not in _FORMS), "")
    return next((kind for kind, names in _LAST.items() if last in names), None)


def _are_texts(listed: list[str], *, named: bool) -> bool:
    if not listed:
        return False
    mean = sum(map(len, listed)) / len(listed)
    words = sum(len(value.split()) for value in listed) / len(listed)
    if words >= _WORDS_A_TEXT or mean > 40:
        return True
    # Writing without blanks says in one letter about what half a word says elsewhere.
    if share_without_blanks(listed) >= WITHOUT_BLANKS:
        return named or mean >= 2 * _WORDS_A_TEXT
    spoken = sum(" " in value or not value.isascii() for value in listed) >= _SPOKEN * len(listed)
    return named and (words >= _WORDS_A_NAMED_TEXT or mean >= _LETTERS_A_SEQUENCE or spoken)


def _are_long_letters(listed: list[str]) -> bool:
    """Letters of one alphabet, without blanks, and many of them."""
    mean = sum(map(len, listed)) / max(len(listed), 1)
    if mean < _LETTERS_A_SEQUENCE or any(" " in value for value in listed):
        return False
    letters = set("".join(listed).upper())
    return letters <= set(PROTEIN) or letters <= set(RNA) or _are_but_a_few(listed)


def _are_letters(listed: list[str]) -> bool:
    """Letters of one alphabet; of proteins all capitals or none of them: words are written otherwise."""
    letters = set("".join(listed))
    if letters and {letter.upper() for letter in letters} <= set(_BASES):
        return True  # small letters mark repeats
    one_case = not (
        any(letter.islower() for letter in letters) and any(letter.isupper() for letter in letters)
    )
    return bool(letters) and one_case and {letter.upper() for letter in letters} <= set(PROTEIN)


def _are_but_a_few(listed: list[str]) -> bool:
    """Whether the rows are letters of one case, but for a few with one sign that is none.

    These are refused as such: one odd letter does not make texts of sequences.
    """
    allowed = set(PROTEIN)
    if not listed or not all(value.isupper() or value.islower() for value in listed):
        return False
    odd = [[sign for sign in value.upper() if sign not in allowed] for value in listed]
    return 0 < sum(map(bool, odd)) <= max(1, len(listed) // 20) and max(map(len, odd)) <= 2


def is_identifier(column: ColumnScan) -> bool:
    """Whether a column of a table only tells rows apart, by its name or its values; or holds one value."""
    whole = column.type == "number" and column.moments.whole
    if column.type is None or column.tally.distinct <= 1:
        return True
    if _ID.search(column.name.strip()) and column.type in ("number", "category"):
        return True
    differ = column.tally.all_differ and column.tally.distinct > _FEW
    return differ and (
        (whole and column.moments.step) or (column.type == "category" and bool(_codes(column)))
    )


def _codes(column: ColumnScan) -> bool:
    """Whether the counted values are single words with digits, as `P01234`."""
    some = [str(value) for value in list(column.tally.counts)[:_LOOKED_AT]]
    return bool(some) and all(" " not in value and any(map(str.isdigit, value)) for value in some)
