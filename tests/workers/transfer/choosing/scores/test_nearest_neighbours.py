"""Nearest neighbours by cosine, by sorting and counting."""

import numpy as np
import pytest

from tests.workers.transfer.choosing.scores.features import CASES, case
from workers.transfer.choosing.scores.nearest_neighbours import nearest_neighbours


@pytest.mark.parametrize("name", CASES)
def test_it_is_the_share_that_five_neighbours_of_other_folds_answer(name: str) -> None:
    x, y, _, fold = CASES[name]
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    right = []
    for row in range(len(x)):
        others = np.flatnonzero(fold != fold[row])
        nearest = others[np.argsort(-(unit[others] @ unit[row]), kind="stable")[:5]]
        right.append(np.bincount(y[nearest]).argmax() == y[row])
    assert nearest_neighbours(x, y, fold) == pytest.approx(np.mean(right), abs=1e-6)


def test_of_several_labels_single_decisions_count_and_rows_of_no_fold_are_not_judged() -> None:
    x, y, _, fold = case(40, 5, 2)
    fold = np.where(np.arange(40) == 0, -1, fold)
    each = [nearest_neighbours(x, labels, fold) for labels in (y, y[::-1])]
    both = nearest_neighbours(x, np.stack([y, y[::-1]], axis=1), fold)
    assert both == pytest.approx(np.mean(each))
