"""Several comparisons at once: Holm's correction, worked out again in another way, and what it promises."""

import numpy as np
import pytest
from scipy import stats

from workers.transfer.proof.comparison import Gain
from workers.transfer.proof.intervals import Spread
from workers.transfer.proof.several import corrected, holm, said


def gain(value: float, deviation: float = 0.05, freedom: int = 20, confidence: float = 0.95) -> Gain:
    parts = (Spread(deviation**2, freedom),)
    made = Gain("accuracy", value, value, value, confidence, 0.8, 0.8 - value, 100, 1000, parts=parts)
    low, high = made.at(confidence)
    return Gain("accuracy", value, low, high, confidence, 0.8, 0.8 - value, 100, 1000, parts=parts)


def test_a_table_worked_out_by_hand() -> None:
    # .01 x 4, .02 x 3, then .03 x 2 = .06 again, and .04 x 1, which may not be less.
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([0.2]) == [0.2]
    assert holm([]) == []


@pytest.mark.parametrize("seed", range(5))
def test_it_rejects_what_the_closed_testing_of_bonferronis_does(seed: int) -> None:
    """Holm's is the shortcut of testing every subset: one is rejected if all subsets that hold it are."""
    p = np.random.default_rng(seed).random(5) ** 3
    subsets = [[i for i in range(5) if mask >> i & 1] for mask in range(1, 32)]
    for one, corrected_p in enumerate(holm(p.tolist())):
        closed = max(min(1.0, len(of) * min(p[of])) for of in subsets if one in of)
        assert corrected_p == pytest.approx(closed)


def test_an_interval_excludes_0_exactly_where_the_corrected_p_value_is_small() -> None:
    rng = np.random.default_rng(1)
    for _ in range(100):
        values = rng.normal(0.08, 0.08, size=4)
        found = corrected({str(place): gain(float(value)) for place, value in enumerate(values)})
        assert list(found) == ["0", "1", "2", "3"]
        for one in found.values():
            assert (one.low > 0 or one.high < 0) == (one.p_value < 0.05)
            assert one.low <= one.gain.low
            assert one.high >= one.gain.high
            assert one.comparisons == 4


def test_one_comparison_is_left_as_it_is() -> None:
    one = gain(0.12)
    (found,) = corrected({"random_frozen": one}).values()
    expected = 2 * stats.t.sf(0.12 / 0.05, 20)
    assert (found.low, found.high, found.p_value) == (one.low, one.high, pytest.approx(expected))
    told = found.to_dict()
    assert (told["comparisons"], told["low"], told["value"]) == (1, one.low, 0.12)


def test_of_many_comparisons_where_nothing_is_one_is_found_seldom() -> None:
    rng = np.random.default_rng(0)
    families = [
        corrected({str(n): gain(v, freedom=10**6) for n, v in enumerate(row)})
        for row in rng.normal(0, 0.05, (1000, 6))
    ]
    found = np.mean([any(one.low > 0 or one.high < 0 for one in family.values()) for family in families])
    alone = np.mean([any(one.gain.low > 0 or one.gain.high < 0 for one in of.values()) for of in families])
    assert found < 0.07 < 0.2 < alone


def test_the_sentence_says_how_many_there_were_and_which_tell_the_arms_apart() -> None:
    found = corrected({"random_frozen": gain(0.4), "usual_network": gain(0.01), "source_frozen": gain(-0.4)})
    assert said(found, "ablation") == (
        "Of 3 ablations, the transfer is shown to be better than: random frozen; worse than: source frozen. "
        "Intervals and p-values are corrected for 3 comparisons (Holm)."
    )
    assert said(corrected({"random_frozen": gain(0.01)}), "ablation") == (
        "Of 1 ablation, the transfer is shown to be better than: none; worse than: none."
    )


def test_a_gain_without_its_variances_is_refused_and_not_taken_for_sure() -> None:
    bare = Gain("accuracy", 0.1, 0.05, 0.15, 0.95, 0.8, 0.7, 100, 1000)
    with pytest.raises(ValueError, match="parts of their variance"):
        corrected({"random_frozen": bare})
