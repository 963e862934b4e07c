from __future__ import annotations

from collections.abc import Callable

import pytest

from app.datasets.reading.profile import Inspection, Notice

Inspect = Callable[..., Inspection]


def told(inspection: Inspection) -> list[Notice]:
    return [notice for notice in inspection.warnings if notice.code == "label_combinations"]


def labelled(*labels: str) -> str:
    rows = (f"{n * 29 % 53}\t{labels[n % len(labels)]}\n" for n in range(60))
    return "x\ty\n" + "".join(rows)


@pytest.mark.parametrize(
    ("labels", "separator", "classes"),
    [
        (("['a', 'b']", "['a']", "[]", "['c', 'b']"), "[]", ["a", "b", "c"]),
        (('["a", "b"]', '["a"]', '["b"]'), "[]", ["a", "b"]),
        (("['a' 'b']", "['a']", "['b c']"), "[]", ["a", "b", "b c"]),
        (("{a,b}", "{a}", '{"b c"}'), "[]", ["a", "b", "b c"]),
        (("[a, b]", "[a]", "[b c]"), "[]", ["a", "b", "b c"]),
        (("('a', 'b')", "('a',)", "('b',)"), "[]", ["a", "b"]),
        (("[1 2]", "[1]", "[2]"), "[]", ["1", "2"]),
        (('["a", null]', '["b", "a"]', "[]"), "[]", ["a", "b"]),
        (("a;b", "a", "b", "b;a"), ";", ["a", "b"]),
        (("sport;economy", "sport", "politics", "politics;sport"), ";", ["economy", "politics", "sport"]),
        (("R&D, HR", "R&D", "HR", "IT"), ",", ["HR", "IT", "R&D"]),
    ],
)
def test_several_labels_in_a_cell_are_told_and_learnt_once_that_is_sent(
    inspect_text: Inspect, labels: tuple[str, ...], separator: str, classes: list[str]
) -> None:
    text = labelled(*labels)
    (notice,) = told(inspect_text(text, "a.tsv", quote="none"))
    assert notice.send == {"task": "multilabel", "separator": separator}
    inspection = inspect_text(text, "a.tsv", quote="none", **notice.send)
    assert (inspection.description.task, inspection.description.classes) == ("multilabel", classes)
    assert told(inspection) == []


@pytest.mark.parametrize(
    "labels",
    [
        ("C", "C++", "C#"),
        ("R&D/IT", "Sales"),
        ("A+", "A"),
        ("a b", "c"),
        ("1/2", "1", "3"),
        ("[x]", "y", "z"),
    ],
)
def test_signs_in_the_names_of_classes_are_no_separators(
    inspect_text: Inspect, labels: tuple[str, ...]
) -> None:
    assert told(inspect_text(labelled(*labels), "a.tsv", quote="none")) == []
