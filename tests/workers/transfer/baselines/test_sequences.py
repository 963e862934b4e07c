"""Sequences are shares of k-mers, or the letter at each place."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer

from tests.workers.transfer import examples
from workers.transfer.baselines import bundled_model, sequences
from workers.transfer.baselines.pooling import pooled_rows
from workers.transfer.data import Column, Data
from workers.transfer.networks.inputs import sequence


@pytest.mark.parametrize(
    ("alphabet", "letters", "longest"), [("nucleotide", "ACGT", 4), ("protein", "ACDEFGHIKLMNPQRSTVWY", 2)]
)
def test_k_mers_are_those_of_a_vectorizer(alphabet: str, letters: str, longest: int) -> None:
    rng = np.random.default_rng(0)
    values = np.array(["".join(rng.choice(list(letters), n)) for n in (30, 1, 17, 3)], object)
    start = 0
    for k in range(1, longest + 1):
        words = CountVectorizer(analyzer="char", ngram_range=(k, k), lowercase=False)
        alphabetical = [
            "".join(at) for at in np.array(np.meshgrid(*[list(letters)] * k, indexing="ij")).reshape(k, -1).T
        ]
        counts = words.set_params(vocabulary=alphabetical).transform(values).toarray()
        shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
        ours = sequences.kmers(values, alphabet)[:, start : start + len(letters) ** k]
        np.testing.assert_allclose(ours, shares, rtol=1e-6)
        start += len(letters) ** k
    assert start == sequences.kmers(values, alphabet).shape[1]


def test_letters_are_read_as_the_networks_read_them() -> None:
    values = np.array(["ACGT", "acgu", "ACNGT", ""], object)
    dna, small, broken, empty = sequences.kmers(values, "nucleotide")
    assert (dna == small).all()
    assert broken[:4].tolist() == [0.25] * 4
    assert broken[4:20].sum() == pytest.approx(1)  # AC and GT, none across the N
    assert not empty.any()


def test_rows_in_several_blocks_are_as_in_one(monkeypatch) -> None:
    values = examples.make("sequence").train.inputs["sequence"]
    whole = sequences.kmers(values, "nucleotide")
    monkeypatch.setattr(bundled_model, "_BLOCK_LETTERS", 50)
    assert (sequences.kmers(values, "nucleotide") == whole).all()


def test_letters_by_their_place_are_what_the_networks_preprocessing_makes() -> None:
    data = examples.make("sequence")
    reading = next(one for one in sequences.readings(data) if "one_hot" in one.learners)
    part = sequence.first(
        data.signature.columns, data.train.inputs, {"length": None, "kind": "sequence_convnet"}
    )
    theirs = np.concatenate(list(sequence.blocks(part, [data.test.inputs["sequence"]])))
    ours = reading.learn({})(reading.prepare(data.test.inputs))
    assert (ours == theirs.reshape(len(theirs), -1)).all()


def _protein(rows: int) -> Data:
    data = examples.make("sequence", rows=rows)
    return replace(data, signature=replace(data.signature, columns=(Column("sequence", "protein"),)))


def test_boosting_of_k_mers_is_a_candidate_for_100_proteins() -> None:
    names = [
        [name for one in sequences.readings(_protein(rows)) for name in one.learners] for rows in (100, 200)
    ]
    assert names == [["kmers"], ["kmers", "kmers_gradient_boosting"]]


def test_pooled_candidates_stand_beside_the_targets_own() -> None:
    data = examples.make("sequence")
    found = sequences.readings(data, pooled_rows(examples.make("sequence", seed=1), data))
    names = [name for one in found for name in one.learners]
    assert names == ["kmers", "one_hot", "pooled_kmers", "pooled_one_hot"]
