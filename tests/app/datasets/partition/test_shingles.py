from __future__ import annotations

import numpy as np

from app.datasets.partition.shingles import are_nucleic, as_written, in_parts, of_letters, of_strands, plain


def sets(texts: list[str], length: int, *, strands: bool = False) -> list[set[int]]:
    hashes, starts, ends = (of_strands if strands else of_letters)(as_written(texts), length)
    return [set(hashes[start:end].tolist()) for start, end in zip(starts, ends, strict=True)]


def in_plain(*texts: str) -> list[str]:
    plainly = plain(texts)
    return [plainly.of(row).decode("utf-8", "surrogatepass") for row in range(len(texts))]


def test_plain_text_has_no_case_no_punctuation_and_single_blanks() -> None:
    assert in_plain("  It's  FINE…(really)\n") == ["it s fine really"]
    assert in_plain("Straße – ﬁne „Größe“!", " a\u2003b\u00a0") == ["strasse fine grösse", "a b"]
    assert in_plain("好\uff0c真的\uff01") == ["好 真的"]
    assert in_plain("हिन्दी कि का") == ["हिन्दी कि का"]  # its vowels are marks, and stay
    assert in_plain("2+2=4 😀") == ["2+2=4 😀"]


def test_a_text_is_as_plain_beside_others_as_alone() -> None:
    texts = ["", " ", "...!", "Ab  c ", " d", "\0e\0", "\u0301f", "é", "\ud800", "", "g!"]
    assert in_plain(*texts) == [in_plain(text)[0] for text in texts]
    assert in_plain(*texts) == ["", "", "", "ab c", "d", "e", "\u0301f", "é", "\ud800", "", "g"]
    assert in_plain() == []


def test_equal_substrings_have_equal_hashes_and_different_ones_do_not() -> None:
    one, other, short, shorter = sets(["abcdefghij", "xbcdefghiy", "abcde", "abc"], 8)
    assert len(one) == 3
    assert len(one & other) == 1
    assert len(short) == len(shorter) == 1
    assert not short & shorter


def test_every_k_mer_counts_as_of_either_strand() -> None:
    letters = {"A": "T", "C": "G", "G": "C", "T": "A", "R": "Y", "Y": "R", "K": "M", "M": "K", "N": "N"}
    letters |= {"B": "V", "V": "B", "D": "H", "H": "D", "S": "S", "W": "W"}
    for length in (1, 4, 11, 15):
        for text in ("ACGTRYKMN", "GATTACANNACGTBVDHSWKMRYACGGGTC"):
            other = "".join(letters[letter] for letter in reversed(text))
            one, two, third = sets([text, other, "CCCCC"], length, strands=True)
            assert one == two
            assert one != third


def test_k_mers_are_those_of_a_plain_count() -> None:
    text = "".join(np.random.default_rng(0).choice(list("ACGT"), 500))
    other = text.translate(str.maketrans("ACGT", "TGCA"))[::-1]
    size = len(text) - 10
    both = [min(text[at : at + 11], other[size - 1 - at : size + 10 - at]) for at in range(size)]
    assert len(sets([text], 11, strands=True)[0]) == len(set(both))


def test_sequences_of_nucleotides_are_told_by_their_letters() -> None:
    sequences = ["ACGT", "GATTACANNN--", "ACGURYKM", "MKVRPSVK", "", "GGGAC", "W"]
    assert are_nucleic(as_written(sequences)).tolist() == [True, True, False, False, False, True, False]


def test_parts_hold_all_texts_in_order_and_not_many_letters() -> None:
    texts = ["x" * size for size in (20_000, 15_000, 300_000, 1, 2)]
    parts = list(in_parts(texts))
    assert [len(texts[part]) for part in parts] == [1, 1, 1, 2]
    assert [text for part in parts for text in texts[part]] == texts
