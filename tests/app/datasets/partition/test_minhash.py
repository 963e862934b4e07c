from __future__ import annotations

import numpy as np
import pytest
from datasketch import MinHash

from app.datasets.partition.minhash import PLACES, are_near, bands, signatures
from app.datasets.partition.shingles import as_written, of_letters

WORDS = [f"w{number:06d}" for number in range(4000)]


def texts_of(shared: int, own: int) -> list[str]:
    """Two texts with so many substrings of 7 letters in common, and so many of their own each."""
    both, one, other = WORDS[:shared], WORDS[shared : shared + own], WORDS[shared + own : shared + 2 * own]
    return ["".join(both + one), "".join(both + other)]


def jaccard(texts: list[str], length: int) -> float:
    one, other = ({text[at : at + length] for at in range(len(text) - length + 1)} for text in texts)
    return len(one & other) / len(one | other)


@pytest.mark.parametrize(("shared", "own"), [(3, 1), (60, 10), (60, 40), (1000, 200)])
def test_equal_places_estimate_what_datasketch_estimates_and_what_is_true(shared: int, own: int) -> None:
    texts = texts_of(shared, own)
    truth = jaccard(texts, 8)
    found = signatures(of_letters(as_written(texts), 8))
    equal = float((found[0, :PLACES] == found[1, :PLACES]).mean())
    peers = []
    for text in texts:
        peer = MinHash(num_perm=1024)
        peer.update_batch([text[at : at + 8].encode() for at in range(len(text) - 7)])
        peers.append(peer)
    assert peers[0].jaccard(peers[1]) == pytest.approx(truth, abs=4 * 0.5 / 1024**0.5)
    assert (equal - 1 / 256) * 256 / 255 == pytest.approx(truth, abs=4 * 0.5 / PLACES**0.5)


def test_estimates_are_right_on_average_with_the_deviation_that_theory_gives() -> None:
    random_ = np.random.default_rng(0)
    texts, truth = [], []
    for _ in range(500):
        picked = [WORDS[number] for number in random_.choice(len(WORDS), 24, replace=False)]
        pair = ["".join(picked[:20]), "".join(picked[4:])]
        texts += pair
        truth.append(jaccard(pair, 8))
    found = signatures(of_letters(as_written(texts), 8))
    estimates = ((found[::2, :PLACES] == found[1::2, :PLACES]).mean(axis=1) - 1 / 256) * 256 / 255
    mean = float(np.mean(truth))
    assert float(np.mean(estimates)) == pytest.approx(mean, abs=0.01)
    assert float(np.std(estimates - truth)) == pytest.approx((mean * (1 - mean) / PLACES) ** 0.5, rel=0.15)


def test_near_signatures_share_a_band() -> None:
    random_ = np.random.default_rng(0)
    texts = []
    for _ in range(300):
        picked = [WORDS[number] for number in random_.choice(len(WORDS), 42, replace=False)]
        texts += ["".join(picked[:40]), "".join(picked[2:])]
    found = signatures(of_letters(as_written(texts), 8))
    one, other = found[::2], found[1::2]
    near = are_near(one, other, 0.75)
    words = bands(found, 4)
    shared = (words[:, ::2] == words[:, 1::2]).any(axis=0)
    assert near.mean() > 0.9
    assert shared[near].mean() > 0.99


def test_a_signature_does_not_depend_on_what_stands_beside_it() -> None:
    texts = [f"text {number} " * (number % 50 + 1) for number in range(3000)]
    together = signatures(of_letters(as_written(texts), 8))
    alone = np.concatenate([signatures(of_letters(as_written([text]), 8)) for text in texts[:100]])
    assert (together[:100] == alone).all()


def test_texts_that_differ_by_little_have_another_signature_though_all_places_may_be_equal() -> None:
    text = " ".join(WORDS)
    found = signatures(of_letters(as_written([text, text + "!", text]), 8))
    assert (found[0, :PLACES] == found[1, :PLACES]).all()
    assert (found[0] != found[1]).any()
    assert (found[0] == found[2]).all()
