"""How long what is read of texts and sequences is, and what is told of the rest."""

from __future__ import annotations

import numpy as np
import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.inspection.kinds import writing
from app.datasets.reading.declaration import Declaration
from workers.transfer.data import Column
from workers.transfer.networks.inputs import sequence, text

TEXTS = {"split": None, "max_tokens": 100, "length": None}


def of(*values: str) -> np.ndarray:
    return np.array(values, dtype=object)


@pytest.mark.parametrize(
    "texts",
    [
        ["这部电影很好", "很差"],
        ["ภาษาไทย", "สวย"],
        ["한국어 문장", "좋은 영화"],
        ["plain words", "好 and more words"],
        ["a" * 40, "b" * 40],
        ["iPhone 很好用", "屏幕太差"],
        ["", ""],
    ],
)
def test_the_upload_and_the_network_cut_texts_alike(texts: list[str], tmp_path) -> None:
    path = tmp_path / "a.csv"
    rows = [
        f"{one * times},{label}\n" for times in range(1, 7) for one, label in zip(texts, "ab", strict=True)
    ]
    path.write_text("text,label\n" + "".join(rows))
    if any(texts):
        told = inspect(path, Declaration(kind="text")).profile.columns[0].tokens
        assert (told == "characters") == text.has_no_blanks(texts)
    assert text._OF_WRITING_WITHOUT_BLANKS.pattern == writing._WITHOUT.pattern


@pytest.mark.parametrize(("kind", "length"), [("text_convnet", 900), ("averaged", 900), ("transformer", 512)])
def test_texts_are_read_as_far_as_most_of_them_go_and_a_network_bears(kind: str, length: int) -> None:
    values = of(*["word " * 900] * 30)
    part = text.first([Column("text", "text")], {"text": values}, {**TEXTS, "kind": kind})
    assert part.output_shape == (None, length)


@pytest.mark.parametrize(
    ("lengths", "kind", "length"),
    [
        ([30] * 40, "sequence_convnet", 30),
        ([3000] * 40, "sequence_convnet", 3000),
        ([3000] * 40, "transformer", 1024),
        ([300] * 39 + [1000], "sequence_convnet", 1000),
        ([300] * 39 + [30_000], "sequence_convnet", 1024),
        ([9000] * 40, "sequence_convnet", 4096),
    ],
)
def test_sequences_are_read_as_far_as_most_of_them_go(lengths: list[int], kind: str, length: int) -> None:
    values = of(*["ACGT" * (n // 4) + "A" * (n % 4) for n in lengths])
    columns = [Column("sequence", "nucleotide")]
    part = sequence.first(columns, {"sequence": values}, {"length": None, "kind": kind})
    assert part.output_shape == (None, length, 4)


def test_what_is_behind_the_cut_and_not_in_the_vocabulary_is_told_as_shares() -> None:
    words = text.first(
        [Column("text", "text")], {"text": of("a b c d", "a b")}, {**TEXTS, "kind": "averaged", "length": 4}
    )
    assert text.unread(words, {"text": of("a b", "b")}) == {}
    left = text.unread(words, {"text": of("a b c d e f", "a x")})
    assert left == {"texts_cut": 0.5, "tokens_cut": 0.25, "unknown_tokens": pytest.approx(1 / 6, abs=1e-3)}
    letters = sequence.first(
        [Column("sequence", "nucleotide")], {"sequence": of("ACGT")}, {"length": None, "kind": "transformer"}
    )
    left = sequence.unread(letters, {"sequence": of("ACGTACGT", "ACGT")})
    assert left == {"sequences_cut": 0.5, "letters_cut": pytest.approx(1 / 3, abs=1e-3)}
