"""The interval holds the true gain as often as it says."""

from __future__ import annotations

import pytest

from benchmarks.coverage import DRAWS, LEAST, SETTINGS, Setting, coverage


@pytest.mark.slow
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
@pytest.mark.parametrize("shared_source", [False, True], ids=["no source", "a shared source"])
@pytest.mark.parametrize("seeds", [3, 5])
def test_the_interval_holds_the_true_gain(setting: Setting, seeds: int, shared_source: bool) -> None:
    assert coverage(setting, seeds, shared_source=shared_source).true >= LEAST * DRAWS


@pytest.mark.parametrize("shared_source", [False, True], ids=["no source", "a shared source"])
def test_five_seeds_find_a_gain_more_often_than_three(shared_source: bool) -> None:
    found = [coverage(SETTINGS[1], seeds, shared_source=shared_source, draws=200).helped for seeds in (3, 5)]
    assert found[1] > found[0] + 10
