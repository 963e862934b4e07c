from __future__ import annotations

import pytest

from app.datasets.reading.formats.headers import find, pairs, split_of
from tests.app.datasets.conftest import Inspect, Refuse

FAMILIES = ["ABC transporter", "ABC hydrolase", "serine protease"]


def fasta(headers: list[str]) -> str:
    bases = ["ACGT", "GATT", "CCAG", "TTGA", "CATG"]
    return "".join(
        f">{header}\n{bases[n % 5] * 4}{bases[n // 5 % 5] * 3}{bases[n // 25 % 5]}\n"
        for n, header in enumerate(headers)
    )


def thirty(form: str, labels: list[str]) -> str:
    parts = ["train"] * 20 + ["test"] * 10
    return fasta([form.format(n=n, x=labels[n % len(labels)], part=parts[n]) for n in range(30)])


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (
            "p1 TARGET=mem SET=train VALIDATION=False",
            {"target": "mem", "set": "train", "validation": "False"},
        ),
        ("p1 label=ABC transporter OS=Homo sapiens", {"label": "ABC transporter", "os": "Homo sapiens"}),
        ('p1 label="a | b=c" x=1', {"label": "a | b=c", "x": "1"}),
        ("p1 label='it, or not'; x=1", {"label": "it, or not", "x": "1"}),
        ("p1 label=a,split=train", {"label": "a", "split": "train"}),
        ("p1 label=C1,inner split=train", {"label": "C1,inner", "split": "train"}),
        ("p1 label=x|y=2;z", {"label": "x", "y": "2"}),
        ("p1 [organism=E. coli] [label=gut bug]", {"organism": "E. coli", "label": "gut bug"}),
        ("p1 class: c1", {"class": "c1"}),
        ("p1 chr7:12-40 a==b", {}),
        ("p1 label= x=1", {"label": "", "x": "1"}),
        ('p1 label="open', {"label": '"open'}),
    ],
)
def test_a_value_runs_to_the_next_key_a_separator_or_the_end_and_quotes_count(
    header: str, expected: dict[str, str]
) -> None:
    assert pairs(header) == expected


@pytest.mark.parametrize(
    ("rule", "header", "expected"),
    [
        ("key OS", "p OS=Homo sapiens OX=1", "Homo sapiens"),
        ("first word of key label", "p label=on, it is", "on"),
        ("field 2", "sp|P1|NAME x", "P1"),
        ("field -1", "sp|P1|NAME x", "NAME x"),
        ("field 9", "sp|P1", ""),
        ("word 2", "a b c", "b"),
        ("words 2", "a b c", "b c"),
        ("bracket", "NP_1 protein [Escherichia coli]", "Escherichia coli"),
        ("bracket", "NP_1 protein", ""),
        ("whole", " kinase ", "kinase"),
    ],
)
def test_each_rule_finds_its_part_of_a_header(rule: str, header: str, expected: str) -> None:
    assert find(rule, header) == expected


@pytest.mark.parametrize(
    ("keys", "part"),
    [
        ({"set": "train", "validation": "True"}, "validation"),
        ({"set": "train", "validation": "False"}, "train"),
        ({"set": "test", "validation": "False"}, "test"),
        ({"split": "val"}, "val"),
        ({}, ""),
    ],
)
def test_the_split_is_biotrainers_set_and_validation(keys: dict[str, str], part: str) -> None:
    assert split_of(keys) == part


@pytest.mark.parametrize(
    ("form", "labels", "classes"),
    [
        ("p{n} TARGET={x} SET={part}", ["mem", "sol"], ["mem", "sol"]),
        ("p{n} SET={part} TARGET={x}", ["mem", "sol"], ["mem", "sol"]),
        ("p{n} label={x}", FAMILIES, sorted(FAMILIES)),
        ("p{n} label={x} split={part}", FAMILIES, sorted(FAMILIES)),
        ('p{n} label="{x}"', FAMILIES, sorted(FAMILIES)),
        ("p{n}|{x}", FAMILIES, sorted(FAMILIES)),
        ("p{n}|{x}|{part}", ["0", "1"], ["0", "1"]),
        ("{x}|{part}", ["mem", "sol"], ["mem", "sol"]),
        ("p{n} {x}", FAMILIES, sorted(FAMILIES)),
        ("p{n} label={x} read {n} of a run", ["on", "off"], ["off", "on"]),
        ("p{n}|{x}", ["null", "NA", "x"], ["NA", "null", "x"]),
        ("p{n}|{x}", ["1", "01", "1e2", "100"], ["01", "1", "100", "1e2"]),
        ("p{n}|{x}", ["2024-01-01", "2024-02-01"], ["2024-01-01", "2024-02-01"]),
        ("label|{n}|{x}", ["true", "false"], ["false", "true"]),
    ],
)
def test_labels_of_headers_are_names_as_they_are_written(
    inspect_text: Inspect, form: str, labels: list[str], classes: list[str]
) -> None:
    inspection = inspect_text(thirty(form, labels), "a.fasta")
    assert inspection.description.classes == classes
    assert inspection.description.labelled_rows == 30
    assert ("{part}" in form) == (inspection.description.split.column == "split")
    assert "label_guessed" in {notice.code for notice in inspection.warnings}


def test_many_families_with_numbers_for_names_are_classes(inspect_text: Inspect) -> None:
    text = fasta([f"s{n}|{n % 25}" for n in range(100)])
    assert len(inspect_text(text, "a.fa").description.classes) == 25
    assert inspect_text(text, "a.fa", task="regression").description.task == "regression"


def test_numbers_with_decimals_in_a_key_are_quantities(inspect_text: Inspect) -> None:
    text = fasta([f"s{n} TARGET={n / 7:.3f} SET={'train' if n < 40 else 'test'}" for n in range(60)])
    assert inspect_text(text, "a.fa").description.task == "regression"


@pytest.mark.parametrize(
    "form",
    [
        "sp|P{n}|NAME{n}_HUMAN Protein {n} OS=Homo sapiens OX=9606 PE={k} SV={k}",
        "NP_{n} hypothetical protein [Escherichia c{k}]",
        "TR{n}|c{n}_g1 len=3{k}",
    ],
)
def test_no_other_key_and_no_bracket_is_taken_for_a_label(refuse_text: Refuse, form: str) -> None:
    error = refuse_text(fasta([form.format(n=n, k=n % 2) for n in range(30)]), "a.fasta")
    assert error.code == "label_not_found"
    assert "header=" in str(error.hint)


def test_words_for_parts_are_no_classes_and_a_class_may_stand_first(
    refuse_text: Refuse, inspect_text: Inspect
) -> None:
    parts = [["train", "test"][n % 2] for n in range(30)]
    assert refuse_text(fasta([f"p{n}|{parts[n]}" for n in range(30)]), "a.fa").code == "label_not_found"
    first = fasta([f"{'ab'[n % 2]} p{n} sample" for n in range(30)])
    assert "-F 'header=word 1'" in str(refuse_text(first, "a.fa").hint)
    assert inspect_text(first, "a.fa", header="word 1").description.classes == ["a", "b"]


def test_what_the_hint_says_reads_the_label(inspect_text: Inspect) -> None:
    text = fasta(
        [f"sp|P{n}|N{n} Protein {n} OS={'Homo sapiens' if n % 2 else 'Mus'} SV=1" for n in range(30)]
    )
    inspection = inspect_text(text, "a.fasta", header="key OS")
    assert inspection.description.classes == ["Homo sapiens", "Mus"]
    assert "label_guessed" not in {notice.code for notice in inspection.warnings}
