"""What the sentence of a verdict adds about rows that cannot be told apart."""

import pytest

from workers.stages.evaluate import doubt

CLEAR = {"dataset": "b@1", "overlap_not_tellable": False}
DOUBTFUL = {"dataset": "a@1", "overlap_not_tellable": True}


def test_a_gain_that_may_come_of_rows_seen_before_says_so() -> None:
    said = doubt("helped", [DOUBTFUL, CLEAR])
    assert "among the rows of a@1, " in said
    assert said.endswith("the gain may come of that.")


@pytest.mark.parametrize(
    ("verdict", "datasets"), [("helped", [CLEAR]), ("hurt", [DOUBTFUL]), (None, [DOUBTFUL])]
)
def test_nothing_is_added_where_nothing_is_in_doubt_or_gained(verdict, datasets) -> None:
    assert doubt(verdict, datasets) == ""
