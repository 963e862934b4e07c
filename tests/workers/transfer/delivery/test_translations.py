"""Translations to show are ordered by what the transfer's answer comes to."""

import numpy as np
import pytest

from workers.transfer.data import Rows
from workers.transfer.delivery.translations import LISTED, shown_translations


@pytest.mark.parametrize("count", [1, 2, 3, 7, 40])
def test_best_typical_and_worst_are_rows_of_their_own_in_the_order_of_their_chrf(count: int) -> None:
    targets = np.array(["the small dog sleeps in the house"] * count, dtype=object)
    sources = np.array([f"source {row}" for row in range(count)], dtype=object)
    answers = [target[: 33 - row % 33] for row, target in enumerate(targets)]
    rows = Rows({"source": sources}, targets, np.arange(count) + 100)
    shown = shown_translations(rows, {"transfer": answers, "control": [""] * count})
    listed = [one for name in ("best", "typical", "worst") for one in shown[name]]
    assert len({one["row"] for one in listed}) == len(listed) <= 3 * LISTED
    assert [one["chrf"] for one in listed] == sorted((one["chrf"] for one in listed), reverse=True)
    assert shown["best"][0]["row"] == 100
    assert shown["best"][0]["answers"] == {"transfer": answers[0], "control": ""}
    assert shown["rows"] == count
    assert set(shown["signatures"]) == {"bleu", "chrf"}
    assert len(shown["worst"]) == min(LISTED, max(1, count // 3)) or count == 1
