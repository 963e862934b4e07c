from __future__ import annotations

import gzip
import random
from pathlib import Path
from typing import Any

import pytest

from app.datasets.inspection.inspect_file import inspect
from app.datasets.reading.declaration import Declaration
from app.datasets.reading.profile import Inspection
from app.datasets.reading.table import read
from tests.app.datasets.conftest import Inspect, Refuse
from tests.app.datasets.inspection.kinds.conftest import packed


def rows(letters: str, count: int = 20, length: int = 30) -> list[str]:
    draw = random.Random(0)
    return ["".join(draw.choice(letters) for _ in range(length)) for _ in range(count)]


def csv(sequences: list[str]) -> str:
    return "seq,label\n" + "".join(f"{one},{n % 2}\n" for n, one in enumerate(sequences))


@pytest.mark.parametrize(
    ("letters", "alphabet", "column_type"),
    [
        ("ACGT", "dna", "nucleotide"),
        ("acgtn", "dna", "nucleotide"),
        ("ACGTACGTACGTACGTACGTRYN-", "dna", "nucleotide"),
        ("ACGU", "rna", "nucleotide"),
        ("ACDEFGHIKLMNPQRSTVWYX", "protein", "protein"),
    ],
)
def test_the_alphabet_follows_from_the_letters(
    inspect_text: Inspect, letters: str, alphabet: str, column_type: str
) -> None:
    inspection = inspect_text(csv(rows(letters)))
    column = inspection.profile.columns[0]
    assert (inspection.description.kind, column.type, column.alphabet) == ("sequence", column_type, alphabet)
    assert {value.value for value in column.top} == set(letters.upper())


def test_a_protein_may_be_declared_whatever_its_letters(inspect_text: Inspect) -> None:
    inspection = inspect_text(csv(rows("ACGT")), types={"seq": "protein"})
    assert inspection.profile.columns[0].alphabet == "protein"


@pytest.mark.parametrize(("wrong", "letters"), [("7", "ACGT"), ("E", "ACGT"), ("1", "ACDEFGHIKLMNPQRSTVWY")])
def test_a_letter_of_no_alphabet_is_refused_with_its_first_row(
    refuse_text: Refuse, wrong: str, letters: str
) -> None:
    sequences = rows(letters)
    sequences[6] = sequences[6][:5] + wrong + sequences[6][6:]
    error = refuse_text(csv(sequences), kind="sequence")
    assert (error.code, error.errors[0]["row"], error.errors[0]["column"]) == ("wrong_letters", 7, "seq")
    assert repr(wrong) in error.message


def test_a_row_without_a_sequence_is_refused(refuse_text: Refuse) -> None:
    error = refuse_text(csv([*rows("ACGT"), ""]), kind="sequence")
    assert (error.code, error.errors[0]["row"]) == ("empty_sequence", 21)


@pytest.mark.parametrize(
    "header",
    [">s{n} label=c{k}|x", ">s{n}|some|c{k}", ">s{n} from mouse c{k}", ">c{k}", ">s{n} class:c{k};1"],
)
def test_labels_are_found_in_fasta_headers(inspect_text: Inspect, header: str) -> None:
    text = "".join(
        header.format(n=n, k=n % 2) + f"\n{one[:15]}\n{one[15:].lower()}\n\n"
        for n, one in enumerate(rows("ACGT"))
    )
    inspection = inspect_text(gzip.compress(text.encode()), "a.fa.gz")
    assert inspection.description.classes == ["c0", "c1"]
    assert inspection.profile.columns[0].measures["letters"].minimum == 30


def test_a_split_in_fasta_headers_is_the_split(inspect_text: Inspect) -> None:
    parts = ["train"] * 12 + ["test"] * 8
    text = "".join(f">s{n} split={parts[n]} label={n % 2}\n{one}\n" for n, one in enumerate(rows("ACGT")))
    assert inspect_text(text, "a.fasta").description.split.rows == {"train": 12, "validation": 0, "test": 8}


def test_headers_without_a_label_are_refused_with_the_way(refuse_text: Refuse) -> None:
    error = refuse_text("".join(f">id{n}\n{one}\n" for n, one in enumerate(rows("ACGT"))), "a.fa")
    assert (error.code, "one FASTA file a class" in str(error.hint)) == ("label_not_found", True)


def test_a_zip_of_one_fasta_file_a_class_is_read(tmp_path: Path) -> None:
    both = {f"{label}.fa": "".join(f">x\n{one}\n" for one in rows("ACGT")) for label in ("on", "off")}
    path = tmp_path / "a.zip"
    path.write_bytes(packed(dict(both)))
    inspection = inspect(path, Declaration(filename="a.zip"))
    assert (inspection.description.classes, inspection.description.rows) == (["off", "on"], 40)
    assert read(path, inspection.description)["sequence"][0].as_py() == rows("ACGT")[0]
    assert "near_duplicates" in {notice.code for notice in inspection.warnings}


def test_a_reverse_complement_is_a_repeat(inspect_text: Inspect) -> None:
    sequences = rows("ACGT")
    other = sequences[3].translate(str.maketrans("ACGT", "TGCA"))[::-1]
    inspection = inspect_text(csv([*sequences, other]))
    notice = next(notice for notice in inspection.warnings if notice.code == "near_duplicates")
    assert notice.rows == [21]


def test_fasta_that_does_not_begin_with_a_header_is_refused(refuse_text: Refuse) -> None:
    assert refuse_text("ACGT\n>a x\nACGT\n", "a.fa").code == "not_fasta"


def told(inspection: Inspection) -> dict[str, str]:
    return {notice.code: notice.message for notice in inspection.warnings}


def fasta(sequences: list[str]) -> str:
    return "".join(f">s{n}|{'ab'[n % 2]}\n{one}\n" for n, one in enumerate(sequences))


@pytest.mark.parametrize("declared", [{}, {"types": {"seq": "nucleotide"}}])
def test_rows_with_u_may_stand_beside_rows_with_t(inspect_text: Inspect, declared: dict[str, Any]) -> None:
    inspection = inspect_text(csv([*rows("ACGT"), *rows("ACGU", 10)]), **declared)
    assert inspection.profile.columns[0].type == "nucleotide"
    assert told(inspection)["mixed_letters"] == "10 rows have U and 20 have T; U reads as T."
    assert "ambiguous_letters" not in told(inspection)


def test_rna_is_a_repeat_of_its_dna(inspect_text: Inspect) -> None:
    sequences = rows("ACGT")
    inspection = inspect_text(csv([*sequences, sequences[3].replace("T", "U")]))
    assert "near_duplicates" in told(inspection)


@pytest.mark.parametrize(
    ("letters", "name", "column_type", "is_told"),
    [
        ("GASN", "a.faa", "protein", False),
        ("GASN", "a.fasta", "nucleotide", True),
        ("DHKRVWGA", "a.fasta", "protein", True),
        ("DHKRVWGA", "a.fna", "nucleotide", False),
        ("ACGT", "a.faa", "protein", True),
        ("ACGT", "a.fa", "nucleotide", False),
        ("ACGTNNNN", "a.fa", "nucleotide", False),
        ("MKVLEF", "a.fna", "protein", True),
    ],
)
def test_the_files_ending_decides_where_letters_are_of_both_alphabets(
    inspect_text: Inspect, letters: str, name: str, column_type: str, is_told: bool
) -> None:
    inspection = inspect_text(fasta(rows(letters, 40)), name)
    assert inspection.description.columns[0].type == column_type
    assert ("alphabet_guessed" in told(inspection)) == is_told


@pytest.mark.parametrize(("wrong", "hint"), [("...", "Write a gap as -."), ("61 ", "line numbers")])
def test_wrong_letters_of_dna_are_expected_to_be_dna(refuse_text: Refuse, wrong: str, hint: str) -> None:
    error = refuse_text(fasta([one[:9] + wrong * 5 + one[9:] for one in rows("acgt")]), "a.fasta")
    assert error.code == "wrong_letters"
    assert "letters of DNA" in error.message
    assert hint in str(error.hint)
