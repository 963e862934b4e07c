"""The fixed network of task vectors: nothing of it is learnt, so its numbers never change."""

from dataclasses import replace

import numpy as np
import pytest

from tests.workers.transfer import examples
from workers.transfer.choosing.probe_network import WIDTH, features, name_of

KNOWN = {"text": -6.892893, "sequence": -7.113261, "image": 5.852790, "tabular": -13.631176}


def data_of(kind: str, numbers):
    return numbers(100) if kind == "tabular" else examples.make(kind)


@pytest.mark.parametrize("kind", KNOWN)
def test_its_features_are_those_of_its_version(kind: str, numbers) -> None:
    """Who changes them raises `VERSION`, and writes the new numbers here."""
    data = data_of(kind, numbers)
    x = features(data.signature, data.train.inputs)
    assert x.shape == (len(data.train), WIDTH)
    assert np.isfinite(x).all()
    weights = np.cos(np.arange(x.size)).reshape(x.shape)
    assert float((x * weights).sum()) == pytest.approx(KNOWN[kind], rel=1e-4, abs=1e-4)
    assert name_of(data.signature).endswith("-1")


@pytest.mark.parametrize("kind", ["text", "sequence", "image"])
def test_a_row_has_the_same_features_whichever_rows_are_with_it(kind: str) -> None:
    data = examples.make(kind)
    alone = features(data.signature, data.train.take(np.array([3])).inputs)
    together = features(data.signature, data.train.inputs)[3:4]
    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_of_a_table_the_order_of_columns_does_not_matter_and_gaps_are_read(mixed) -> None:
    other = replace(mixed.signature, columns=mixed.signature.columns[::-1])
    ours, theirs = (features(signature, mixed.train.inputs) for signature in (mixed.signature, other))
    np.testing.assert_allclose(ours, theirs, atol=1e-12)
    assert np.isfinite(ours).all()
