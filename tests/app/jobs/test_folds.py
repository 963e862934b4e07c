"""Which targets are cross-validated, and what is refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from app.errors import ServiceError
from app.jobs.evaluation import Evaluation
from app.jobs.folds import settled, validation_rows


def target(rows: int, by: str = "key") -> Any:
    """A data set of so many labelled rows, whose split was made so."""
    return SimpleNamespace(task="binary", labelled_rows=rows, split=SimpleNamespace(by=by))


def asked(target: Any, **evaluation: Any) -> tuple[int | None, int | None, int | None]:
    """Folds, repeats and seeds of a job about it."""
    made = settled(Evaluation(**evaluation), target)
    return made.folds, made.repeats, made.seeds


@pytest.mark.parametrize(
    ("rows", "by", "folds"),
    [
        (19, "key", 0),
        (20, "key", 5),
        (199, "key", 5),
        (200, "key", 0),
        (120, "group", 5),
        (120, "column", 0),
        (120, "time", 0),
    ],
)
def test_a_small_target_without_declared_test_rows_has_five_folds_twice_and_a_seed_a_fold(
    rows: int, by: str, folds: int
) -> None:
    assert asked(target(rows, by)) == ((5, 2, 1) if folds else (0, None, 3))


def test_what_is_asked_for_is_kept() -> None:
    assert asked(target(120), folds=0) == (0, None, 3)
    assert asked(target(120), folds=3, repeats=4, seeds=2) == (3, 4, 2)
    assert asked(target(2000), folds=10) == (10, 2, 1)
    assert asked(target(500, "column"), folds=10) == (10, 2, 1)


def test_where_test_rows_are_asked_about_as_well_there_are_seeds_for_them() -> None:
    assert asked(target(120), arms=["random_frozen"]) == (5, 2, 3)
    assert asked(target(120), few_shot=[5]) == (5, 2, 3)


def test_without_anything_to_compare_with_there_are_no_folds() -> None:
    assert asked(target(120), control=False, baseline=False) == (0, None, 3)
    assert asked(target(120), control=False) == (5, 2, 1)


def test_where_the_source_is_trained_anew_for_each_seed_there_are_no_folds() -> None:
    assert asked(target(120), retrain_source=True) == (0, None, 3)


@pytest.mark.parametrize(
    ("rows", "by", "evaluation", "said"),
    [
        (120, "time", {"folds": 5}, "split by time. Received: 5"),
        (2001, "key", {"folds": 5}, "2,000 labelled rows. Received: 5 for 2,001 rows"),
        (9, "key", {"folds": 5}, "at most 4, half of the target's labelled rows. Received: 5"),
        (120, "key", {"folds": 5, "control": False, "baseline": False}, "0 without `control` and `baseline`"),
        (120, "key", {"folds": 5, "retrain_source": True}, "0 with `retrain_source`. Received: 5"),
    ],
)
def test_folds_that_a_target_cannot_have_are_refused(
    rows: int, by: str, evaluation: dict[str, Any], said: str
) -> None:
    with pytest.raises(ServiceError, match=r"evaluation\.folds: expected") as refused:
        asked(target(rows, by), **evaluation)
    assert refused.value.code == "folds_do_not_fit"
    assert said in str(refused.value)


def test_one_fold_is_none() -> None:
    with pytest.raises(ValueError, match="at least 2 folds"):
        Evaluation(folds=1)


def test_beside_a_fold_as_large_a_share_validates_as_in_the_split() -> None:
    made: Any = SimpleNamespace(split=SimpleNamespace(rows={"train": 80, "validation": 20, "test": 50}))
    assert validation_rows(made, 5) == 24  # a fifth of 120
