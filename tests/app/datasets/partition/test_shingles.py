from __future__ import annotations

import numpy as np

from app.datasets.partition.shingles import batches, of_letters, of_strands, plain


def sets(texts: list[bytes], length: int, *, strands: bool = False) -> list[set[int]]:
    hashes, starts, ends = (of_strands if strands else of_letters)(texts, length)
    return [set(hashes[start:end].tolist()) for start, end in zip(starts, ends, strict=True)]


def test_plain_text_has_no_case_no_punctuation_and_single_blanks() -> None:
    assert plain("  It's  FINE…(really)\n") == b"it s fine really"
    assert plain("Straße – ﬁne „Größe“!") == "strasse fine grösse".encode()
    assert plain("好\uff0c真的\uff01") == "好 真的".encode()
    assert plain("हिन्दी कि का").decode() == "हिन्दी कि का"  # its vowels are marks, and stay
    assert plain("2+2=4 😀") == "2+2=4 😀".encode()
    assert plain("...!") == b""


def test_equal_substrings_have_equal_hashes_and_different_ones_do_not() -> None:
    one, other, short, shorter = sets([b"abcdefghij", b"xbcdefghiy", b"abcde", b"abc"], 8)
    assert len(one) == 3
    assert len(one & other) == 1
    assert len(short) == len(shorter) == 1
    assert not short & shorter


def test_every_k_mer_counts_as_of_either_strand() -> None:
    letters = {"A": "T", "C": "G", "G": "C", "T": "A", "R": "Y", "Y": "R", "K": "M", "M": "K", "N": "N"}
    letters |= {"B": "V", "V": "B", "D": "H", "H": "D", "S": "S", "W": "W"}
    for length in (1, 4, 11, 16):
        for text in ("ACGTRYKMN", "GATTACANNACGTBVDHSWKMRYACGGGTC"):
            other = "".join(letters[letter] for letter in reversed(text))
            one, two, third = sets([text.encode(), other.encode(), b"CCCCC"], length, strands=True)
            assert one == two
            assert one != third


def test_k_mers_are_those_of_a_plain_count() -> None:
    text = "".join(np.random.default_rng(0).choice(list("ACGT"), 500))
    other = text.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    size = len(text) - 10
    both = [min(text[at : at + 11], other[size - 1 - at : size + 10 - at]) for at in range(size)]
    assert len(sets([text.encode()], 11, strands=True)[0]) == len(set(both))


def test_parts_hold_about_a_megabyte_and_all_texts_in_order() -> None:
    texts = [b"x" * size for size in (400_000, 700_000, 3_000_000, 1, 2)]
    assert [len(part) for part in batches(texts)] == [1, 1, 1, 2]
    assert [text for part in batches(texts) for text in part] == texts
