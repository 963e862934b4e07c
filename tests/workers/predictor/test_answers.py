from __future__ import annotations

import numpy as np
import pytest

from workers.predictor.answers import told

CLASSES = ["a", "b", "c"]


def test_the_most_probable_class_is_named_with_all_probabilities() -> None:
    (answer,) = told(np.array([[0.2, 0.5, 0.3]]), {"task": "multiclass", "classes": CLASSES})
    assert answer["class"] == "b"
    assert answer["probabilities"] == {"a": 0.2, "b": 0.5, "c": 0.3}
    assert answer["calibrated_probabilities"] is None


def test_the_one_output_of_a_binary_task_is_the_second_class() -> None:
    answers = told(np.array([[0.9], [0.1]]), {"task": "binary", "classes": CLASSES[:2], "temperature": 2.0})
    assert [answer["class"] for answer in answers] == ["b", "a"]
    assert answers[0]["probabilities"] == pytest.approx({"a": 0.1, "b": 0.9})
    # ln 9 / 2 is the logit of .75.
    assert answers[0]["calibrated_probabilities"] == pytest.approx({"a": 0.25, "b": 0.75})


def test_probabilities_are_calibrated_by_the_power_of_their_temperature() -> None:
    p, temperature = np.array([[0.2, 0.5, 0.3]]), 1.7
    (answer,) = told(p, {"task": "multiclass", "classes": CLASSES, "temperature": temperature})
    powers = p[0] ** (1 / temperature)
    assert list(answer["calibrated_probabilities"].values()) == pytest.approx(powers / powers.sum())


def test_labels_beyond_a_half_are_named_and_each_is_calibrated_by_itself() -> None:
    output = {"task": "multilabel", "classes": CLASSES, "temperature": 0.5}
    (answer,) = told(np.array([[0.6, 0.5, 0.75]]), output)
    assert answer["classes"] == ["a", "c"]
    assert answer["calibrated_probabilities"]["c"] == pytest.approx(0.9)


def test_a_number_is_a_value() -> None:
    assert told(np.array([[2.5], [-1.0]]), {"task": "regression", "classes": []}) == [
        {"value": 2.5},
        {"value": -1.0},
    ]


def test_what_is_not_finite_is_null_and_the_other_rows_are_told() -> None:
    answers = told(np.array([[np.nan], [0.25]]), {"task": "binary", "classes": CLASSES[:2]})
    assert answers[0] == {"class": None, "probabilities": None, "calibrated_probabilities": None}
    assert answers[1]["class"] == "a"
    assert told(np.array([[np.inf]]), {"task": "regression", "classes": []}) == [{"value": None}]
