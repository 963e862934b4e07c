from __future__ import annotations

import io
import random
from collections.abc import Sequence

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from app.datasets.partition.near_duplicates import (
    clusters,
    image_signatures,
    near,
    sequence_signatures,
    text_signatures,
)
from app.datasets.partition.perceptual_hash import thumbnail

LONG = (
    "The committee met on the third floor of the old town hall, and after a long discussion of the budget "
    "it was agreed that the bridge should be repaired before the winter. Nobody spoke against the plan."
)
BASES, RESIDUES = "ACGT", "ACDEFGHIKLMNPQRSTVWY"


def of(signatures: NDArray[np.uint8]) -> list[int]:
    """The clusters of rows that all have a key of their own: 1, 2, 3, …"""
    found: list[int] = clusters(signatures, np.arange(1, len(signatures) + 1, dtype=np.uint64)).tolist()
    return found


def drawn(letters: str, length: int, seed: int) -> str:
    return "".join(random.Random(seed).choices(letters, k=length))


def changed(sequence: str, letters: str, every: int) -> str:
    """Another letter at each place that `every` divides."""
    return "".join(
        letters[(letters.index(letter) + 1) % len(letters)] if place % every == every // 2 else letter
        for place, letter in enumerate(sequence)
    )


def test_texts_that_differ_in_capitals_punctuation_blanks_and_forms_of_letters_are_near() -> None:
    texts = [
        "Good value, really!",
        "good   value – REALLY",
        "\uff27\uff4f\uff4f\uff44 value; really…",
        "Bad value, really!",
    ]
    assert of(text_signatures(texts)) == [1, 1, 1, 4]


def test_a_long_text_with_another_word_and_a_missing_sentence_is_near() -> None:
    other = LONG.replace("third", "second")
    assert of(text_signatures([LONG, other, LONG + " So it was done.", "Quite another text."])) == [
        1,
        1,
        1,
        4,
    ]


def test_very_short_texts_are_near_only_where_they_are_the_same() -> None:
    texts = ["ok", "no", "OK.", "oh", "k", "yes", "好", "好的", "好!"]
    assert of(text_signatures(texts)) == [1, 2, 1, 4, 5, 6, 7, 8, 7]


def test_short_texts_from_one_template_are_not_near() -> None:
    texts = [f"Order {number} has been shipped" for number in range(100, 400)]
    assert of(text_signatures(texts)) == list(range(1, 301))


def test_texts_without_blanks_are_near_by_their_signs() -> None:
    text = "我昨天在城里的一家小店买了一双鞋子今天就坏了老板不肯退钱以后再也不去那里买东西了"
    texts = [text, text.replace("鞋子", "袜子"), "今天的天气很好我们一起去公园散步吧下午再回家做饭给孩子们吃"]
    assert of(text_signatures(texts)) == [1, 1, 3]


def test_texts_of_nothing_but_punctuation_are_like_no_other() -> None:
    assert of(text_signatures(["!!!", "...", None, "", "?"])) == [1, 2, 3, 4, 5]


def test_texts_that_differ_only_behind_what_is_read_are_near() -> None:
    long = " ".join(map(str, range(40_000)))
    assert of(text_signatures([long + " one thing", long + " another"])) == [1, 1]


def test_both_strands_of_dna_are_one_sequence() -> None:
    for length in (7, 30, 200):
        strand = drawn(BASES, length, 1)
        other = strand.translate(str.maketrans("ACGT", "TGCA"))[::-1]
        rna = strand.replace("T", "U")
        assert of(sequence_signatures([strand, other, rna, drawn(BASES, length, 2)])) == [1, 1, 1, 4]


@pytest.mark.parametrize(("every", "are_near"), [(60, True), (6, False)])
def test_dna_is_near_where_few_bases_differ(every: int, are_near: bool) -> None:
    strand = drawn(BASES, 240, 1)
    assert of(sequence_signatures([strand, changed(strand, BASES, every)])) == [1, 1 if are_near else 2]


@pytest.mark.parametrize(("every", "are_near"), [(20, True), (4, False)])
def test_proteins_are_near_where_few_residues_differ(every: int, are_near: bool) -> None:
    protein = drawn(RESIDUES, 200, 1)
    assert of(sequence_signatures([protein, changed(protein, RESIDUES, every)])) == [1, 1 if are_near else 2]


def test_sequences_drawn_by_chance_are_not_near_at_any_length() -> None:
    for letters, lengths in ((BASES, (12, 60, 20_000)), (RESIDUES, (9, 30, 1000))):
        for length in lengths:
            sequences = [drawn(letters, length, seed) for seed in range(60)]
            assert len(set(of(sequence_signatures(sequences)))) == 60


def test_short_peptides_that_differ_in_the_middle_are_not_near() -> None:
    assert of(sequence_signatures(["GILGFVFTL", "GILGAVFTL", "NLVPMVATV"])) == [1, 2, 3]


def photograph(seed: int, width: int = 120, height: int = 90) -> Image.Image:
    """Soft spots of colour."""
    rough = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return Image.fromarray(rough).resize((width, height), Image.Resampling.BICUBIC)


def saved(image: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=60)
    return Image.open(buffer)


def of_images(images: Sequence[Image.Image]) -> list[int]:
    return of(image_signatures([thumbnail(image) for image in images]))


def test_a_picture_that_is_smaller_brighter_or_saved_anew_is_near() -> None:
    picture = photograph(1)
    others = [
        picture.resize((60, 45), Image.Resampling.LANCZOS),
        picture.point(lambda value: value * 0.92),
        saved(picture),
        photograph(2),
    ]
    assert of_images([picture, *others]) == [1, 1, 1, 1, 5]


def test_a_picture_in_other_colours_or_another_shape_is_not_near() -> None:
    picture = photograph(1)
    red, green, blue = picture.split()
    bluer = Image.merge("RGB", (blue, green, red))
    assert of_images([picture, bluer, picture.resize((120, 120))]) == [1, 2, 3]


def test_blank_pictures_are_like_no_other() -> None:
    blank = [Image.new("L", (28, 28), level) for level in (0, 0, 255)]
    assert of_images([*blank, photograph(1)]) == [1, 2, 3, 4]


def test_strokes_on_black_are_near_only_where_they_are_the_same() -> None:
    def strokes(seed: int) -> Image.Image:
        pixels, random_ = np.zeros((28, 28), np.uint8), np.random.default_rng(seed)
        x, y = random_.uniform(8, 20, 2)
        for step in random_.normal(0, 1.2, (60, 2)):
            x, y = float(np.clip(x + step[0], 2, 25)), float(np.clip(y + step[1], 2, 25))
            pixels[int(y) : int(y) + 2, int(x) : int(x) + 2] = 255
        return Image.fromarray(pixels)

    assert of_images([strokes(seed) for seed in range(200)]) == list(range(1, 201))


def test_a_cluster_is_called_by_its_smallest_key_and_joins_equal_keys() -> None:
    signatures = text_signatures([LONG, LONG + " Good.", "ok", "!!", "!!", "no"])
    keys = np.array([70, 50, 30, 20, 20, 90], np.uint64)
    assert clusters(signatures, keys).tolist() == [50, 50, 30, 20, 20, 90]


def test_a_cluster_does_not_depend_on_the_order_of_rows() -> None:
    words = ["alpha", "beta", "gamma", "delta", "omega"]
    texts = [f"{LONG} {words[i % 5]} {words[i // 5 % 5]} {i}" for i in range(40)] + [
        f"{i}" for i in range(40)
    ]
    keys = np.random.default_rng(0).integers(1, 2**63, len(texts)).astype(np.uint64)
    order = np.random.default_rng(1).permutation(len(texts))
    signatures = text_signatures(texts)
    assert (clusters(signatures, keys)[order] == clusters(signatures[order], keys[order])).all()


def test_rows_of_another_data_set_are_found_that_are_near() -> None:
    ours = text_signatures([LONG, "Something else entirely, and not short either", "ok", "!!"])
    theirs = text_signatures(["Nothing of this", LONG.upper(), "OK!", "!!"])
    assert near(ours, theirs).tolist() == [True, False, True, False]


def test_signatures_of_different_kinds_are_never_near() -> None:
    texts, sequences = text_signatures(["ACGT" * 20]), sequence_signatures(["ACGT" * 20])
    images = image_signatures([thumbnail(photograph(1))])
    assert not near(texts, sequences).any()
    assert not near(texts, images).any()
    assert not near(text_signatures([]), texts).any()
    assert not near(texts, text_signatures([])).any()
    assert len(clusters(text_signatures([]), np.zeros(0, np.uint64))) == 0


def test_signatures_are_the_same_on_every_machine_and_in_every_version() -> None:
    picture = Image.new("RGB", (40, 30))
    picture.putdata([(6 * x, 8 * y, x * y % 256) for y in range(30) for x in range(40)])
    assert text_signatures(["The quick brown fox jumps over the lazy dog."])[0, :17].tobytes().hex() == (
        "01b1bedd25f1ed4f58a4981deb689395b9"
    )
    assert sequence_signatures(["ACGTTGCAAGGCTTAACCGGTTAACCATG"])[0, :17].tobytes().hex() == (
        "02c39e2fa020075ae959716ed8bc8f6cbb"
    )
    assert sequence_signatures(["MKVRPSVKPMCEKCKVIRRKGKVMVICENPKHKQKQG"])[0, :17].tobytes().hex() == (
        "0379593f1e4fc9ab229c22b6bc5c6b8d57"
    )
    assert image_signatures([thumbnail(picture)])[0].tobytes().hex() == (
        "04457c777d7c7f7e127d8081828282817b80828281807f7f718182807e7f81827d82817e7f82827f7b827f7f82817e7f7f82"
        "7e81827d80837d817f827f7f837e735a897d7c86bf467c46bd7d91905f"
    )


def test_thousands_of_texts_of_one_template_stay_apart() -> None:
    """All are candidates of all: some estimates among so many pairs are far off."""
    texts = [f"Dear customer, your order {number} is on its way to you now" for number in range(20_000)]
    assert len(of(text_signatures(texts))) == 20_000
