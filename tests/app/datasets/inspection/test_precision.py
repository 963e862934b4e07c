"""Digits that a network cannot keep apart: told of features, refused of labels."""

from __future__ import annotations

import random
from typing import Any

import pytest

from app.datasets.reading.errors import DatasetError
from tests.app.datasets.conftest import Inspect

ROWS = 60


def _file(features: list[Any], labels: list[Any]) -> str:
    rows = enumerate(zip(features, labels, strict=True))
    return "n,when,label\n" + "".join(f"{n * 29 % 61},{x},{y}\n" for n, (x, y) in rows)


def _normal(mean: float, deviation: float, seed: int = 0) -> list[float]:
    rng = random.Random(seed)
    return [mean + deviation * rng.gauss(0, 1) for _ in range(ROWS)]


CLASSES = ["a", "b"] * (ROWS // 2)


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ([1732604400000 + 1000 * n for n in range(ROWS)], "Subtract 1732604400000 from the column"),
        ([0, *(1732604400000 + 1000 * n for n in range(ROWS - 1))], "Subtract 17326044"),
        ([1732604400 + n for n in range(ROWS)], "2024-12-31T23:59:00"),
        (_normal(1e9, 100), "Subtract 99999"),
        ([n * 1e18 for n in range(ROWS)], "Divide it by 1e+19"),
        ([1732604400000 + 86400000 * n for n in range(ROWS)], None),
        (_normal(0, 1e-9), None),
        (_normal(13.4, 0.01), None),
        ([7] * ROWS, None),
        ([0] * (ROWS - 1) + [1e-9], None),
    ],
)
def test_a_feature_whose_digits_are_lost_is_told_with_what_to_do(
    values: list[float], told: str | None, inspect_text: Inspect
) -> None:
    found = [one for one in inspect_text(_file(values, CLASSES)).warnings if one.code == "digits_lost"]
    assert [one.column for one in found] == ([] if told is None else ["when"])
    assert told is None or told in found[0].message


@pytest.mark.parametrize(
    ("labels", "hint"),
    [
        ([10**17 + n for n in range(ROWS)], "Subtract 100000000000000000 from the label"),
        ([1e200 * n for n in range(ROWS)], "Divide the label by 1e+201."),
        (_normal(0, 1e-200), "Multiply it by 1e+"),
    ],
)
def test_a_label_whose_digits_are_lost_is_refused_with_what_to_do(
    labels: list[float], hint: str, inspect_text: Inspect
) -> None:
    with pytest.raises(DatasetError) as refused:
        inspect_text(_file(_normal(0, 1), labels), task="regression")
    assert refused.value.code == "label_loses_digits"
    assert hint in str(refused.value.hint)


@pytest.mark.parametrize(
    ("mean", "deviation"), [(1.5e9, 10), (9e15, 20), (6e18, 1e18), (1e30, 1e27), (0, 1e-20)]
)
def test_labels_that_float64_keeps_apart_are_taken(
    mean: float, deviation: float, inspect_text: Inspect
) -> None:
    inspection = inspect_text(_file(_normal(0, 1), _normal(mean, deviation)), task="regression")
    assert inspection.description.task == "regression"
