"""Texts are tf-idf of words or characters, as scikit-learn's vectorizer makes them of the raw texts."""

import numpy as np
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from tests.workers.transfer import examples
from workers.transfer.baselines import texts

THEIRS = {
    "tfidf_words": TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, token_pattern=r"\b\w+\b"),
    "tfidf_characters": TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True),
}


@pytest.mark.parametrize("name", THEIRS)
def test_the_features_are_those_of_a_vectorizer(name: str) -> None:
    data = examples.make("text")
    reading = next(one for one in texts.readings(data) if name in one.learners)
    theirs = THEIRS[name].fit(data.train.inputs["text"])
    ours = reading.learn(data.train.inputs)(data.test.inputs)
    assert np.abs(ours - theirs.transform(data.test.inputs["text"])).max() < 1e-12


def test_texts_without_a_word_are_a_row_of_zeros() -> None:
    inputs = {"text": np.array(["", " ", "..."], object)}
    for reading in texts.readings(examples.make("text")):
        features = reading.learn({"text": np.array(["", " "], object)})
        assert features(inputs).shape == (3, 1)
        assert features(inputs).nnz == 0


def test_of_long_texts_fewer_rows_are_taken() -> None:
    data = examples.make("text", rows=100)
    data.train.inputs["text"][:] = "word " * 20_000
    for reading in texts.readings(data):
        assert reading.most_rows == 100
