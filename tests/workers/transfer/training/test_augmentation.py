from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from workers.transfer.training.augmentation import SAFE, augmented

SEED = tf.constant([3, 16])


def test_the_reverse_complement_reads_the_other_strand_and_leaves_the_padding_behind() -> None:
    letters = "ACGT"
    sequence = [letters.index(letter) for letter in "AACGTT".replace("TT", "GC")]  # AACGGC
    x = np.zeros((64, 9, 4), np.float32)
    x[:, np.arange(6), sequence] = 1
    changed = np.asarray(augmented(tf.constant(x), ("reverse_complement",), SEED))
    read = {"".join(letters[k] for k in row[:6].argmax(1)) for row in changed}
    assert read == {"AACGGC", "GCCGTT"}
    assert not changed[:, 6:].any()


@pytest.mark.parametrize("change", [*SAFE, "mirror"])
def test_a_picture_changes_a_little_and_stays_within_its_range(change: str) -> None:
    x = np.random.default_rng(0).uniform(0, 255, (32, 16, 16, 1)).astype(np.float32)
    x = np.asarray(tf.nn.avg_pool2d(x, 5, 1, "SAME"))
    changed = np.asarray(augmented(tf.constant(x), (change,), SEED))
    assert changed.shape == x.shape
    assert not np.array_equal(changed, x)
    assert changed.min() >= 0
    assert changed.max() <= 255
    np.testing.assert_allclose(changed.mean(), x.mean(), rtol=0.2)


def test_a_mirrored_picture_is_the_picture_from_the_other_side() -> None:
    x = np.random.default_rng(0).uniform(0, 255, (32, 7, 9, 3)).astype(np.float32)
    changed = np.asarray(augmented(tf.constant(x), ("mirror",), SEED))
    as_before = [np.allclose(one, other, atol=1e-2) for one, other in zip(changed, x, strict=True)]
    mirrored = [np.allclose(one, other[:, ::-1], atol=1e-2) for one, other in zip(changed, x, strict=True)]
    assert all(a != b for a, b in zip(as_before, mirrored, strict=True))
    assert 0 < sum(mirrored) < 32


def test_each_step_draws_anew_and_the_same_step_the_same() -> None:
    x = tf.constant(np.random.default_rng(0).uniform(0, 255, (4, 8, 8, 1)).astype(np.float32))
    one, other = (np.asarray(augmented(x, SAFE, tf.constant([3, step]))) for step in (0, 16))
    assert not np.array_equal(one, other)
    np.testing.assert_array_equal(one, np.asarray(augmented(x, SAFE, tf.constant([3, 0]))))
