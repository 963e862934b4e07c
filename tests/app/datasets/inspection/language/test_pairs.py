from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.reading.table import read
from tests.app.datasets.conftest import Inspect, Refuse
from tests.stored import inspected

PAIRS = [(f"Das ist Satz {n} von {n * n}.", f"This is sentence {n} of {n * n}.") for n in range(60)]


def as_csv(pairs: list[tuple[str, str]], head: str = "source,target") -> str:
    return head + "\n" + "".join(f'"{one}","{other}"\n' for one, other in pairs)


def codes(inspection: object) -> set[str]:
    return {notice.code for notice in inspection.warnings}  # type: ignore[attr-defined]


def test_each_form_of_the_same_pairs_reads_alike(tmp_path: Path) -> None:
    hub = [{"translation": {"de": one, "en": other}} for one, other in PAIRS]
    lines = "\n".join(json.dumps(row) for row in hub)
    tabs = "".join(f"{one}\t{other}\n" for one, other in PAIRS)
    (tmp_path / "a.csv").write_text(as_csv(PAIRS))
    (tmp_path / "named.csv").write_text(as_csv(PAIRS, "deutsch,english"))
    (tmp_path / "a.jsonl").write_text(lines)
    (tmp_path / "plain.tsv").write_text(tabs)
    pq.write_table(pa.Table.from_pylist(hub), tmp_path / "a.parquet")
    declared = {
        "a.csv": {"kind": "pairs"},
        "named.csv": {"kind": "pairs", "source": "deutsch", "target": "english"},
        "plain.tsv": {"kind": "pairs", "columns": ["source", "target"]},
        "a.jsonl": {},
        "a.parquet": {"source_language": "de"},
    }
    parts = []
    for name, fields in declared.items():
        made = inspected(tmp_path / name, **fields)
        described = made.inspection.description
        assert (described.kind, described.task, described.classes) == ("pairs", "seq2seq", [])
        rows = read(tmp_path / name, described)
        assert list(zip(rows["source"].to_pylist(), rows["target"].to_pylist(), strict=True)) == PAIRS
        parts.append(made.facts.parts)
    assert all((of == parts[0]).all() for of in parts)


def test_languages_choose_the_sides_of_a_translation_and_a_guess_is_told(inspect_text: Inspect) -> None:
    lines = "\n".join(json.dumps({"translation": {"de": one, "en": other}}) for one, other in PAIRS)
    guessed = inspect_text(lines, "a.jsonl")
    assert guessed.description.languages == {"source": "de", "target": "en"}
    assert "direction_guessed" in codes(guessed)
    turned = inspect_text(lines, "a.jsonl", source_language="en")
    assert turned.description.languages == {"source": "en", "target": "de"}
    assert "direction_guessed" not in codes(turned)


def test_a_file_without_a_header_says_how_many_columns_it_has(refuse_text: Refuse) -> None:
    error = refuse_text("Hallo!\tHello!\tCC-BY\n" * 9, "a.tsv", kind="pairs", columns=["source", "target"])
    assert error.code == "ragged_row"
    assert "3: Hallo!" in error.message


def test_no_sentence_of_a_test_row_trains_on_either_side(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = rng.integers(0, 150, (600, 2))
    pairs = [
        (f"Quelle Nummer {one} {one * 7919}", f"target number {two} {two * 104729}") for one, two in names
    ]
    (tmp_path / "a.csv").write_text(as_csv(pairs))
    made = inspected(tmp_path / "a.csv", kind="pairs")
    plan, parts = made.inspection.description.split, made.facts.parts
    assert min(plan.rows.values()) > 0
    assert plan.left_out == (parts == 3).sum() > 0
    assert "shared_rows_left_out" in codes(made.inspection)
    for side in (0, 1):
        of = [{pair[side] for pair, part in zip(pairs, parts, strict=True) if part == n} for n in range(3)]
        assert len(of[0] | of[1] | of[2]) == sum(map(len, of))


def test_words_for_the_parts_hold_but_for_rows_that_share_a_sentence(tmp_path: Path) -> None:
    rows = [(one, other, "test" if n < 10 else "train") for n, (one, other) in enumerate(PAIRS)]
    rows += [("Ein anderer Satz", PAIRS[0][1], "train"), (PAIRS[1][0], "Another one", "train")]
    text = "source,target,split\n" + "".join(f"{a},{b},{c}\n" for a, b, c in rows)
    (tmp_path / "a.csv").write_text(text)
    made = inspected(tmp_path / "a.csv", kind="pairs")
    assert made.facts.parts.tolist() == [2] * 10 + [0] * 50 + [3] * 2
    assert {"shared_rows_left_out", "no_validation_rows"} <= codes(made.inspection)


def test_what_is_odd_in_pairs_is_told(inspect_text: Inspect) -> None:
    odd = [("Nur links", ""), ("Paris", "Paris"), ("Привет, мир", "Hello, world"), (PAIRS[0][0], "Or so")]
    long = [("wort " * 60, "word " * 60)]
    inspection = inspect_text(as_csv(PAIRS + odd + long), kind="pairs", source_language="de")
    wanted = {"empty_sides", "copied_sides", "wrong_writing", "long_sentences", "several_translations"}
    assert wanted <= codes(inspection)
    told = {notice.code: notice.rows for notice in inspection.warnings}
    assert (told["empty_sides"], told["copied_sides"], told["wrong_writing"]) == ([61], [62], [63])


@pytest.mark.parametrize(
    ("pairs", "code"),
    [
        ([("", other) for _, other in PAIRS], "empty_sides"),
        ([(one, one) for one, _ in PAIRS], "copied_sides"),
        ([("Привет, мир " + one[-6:], other) for one, other in PAIRS], "wrong_writing"),
        (PAIRS[:1] * 5, "too_few_rows"),
    ],
)
def test_pairs_that_are_none_are_refused(
    pairs: list[tuple[str, str]], code: str, refuse_text: Refuse
) -> None:
    assert refuse_text(as_csv(pairs), kind="pairs", source_language="de").code == code


def test_fields_and_columns_without_a_meaning_for_pairs_are_refused(refuse_text: Refuse) -> None:
    text = as_csv(PAIRS)
    assert refuse_text(text, kind="pairs", task="binary").code == "task_does_not_fit"
    assert refuse_text(text, kind="pairs", time="source").code == "field_does_not_fit"
    assert refuse_text(text, kind="pairs", source="target", target="target").code == "column_twice"
    assert refuse_text(text, kind="pairs", source="sauce").code == "column_not_found"
    assert refuse_text(as_csv(PAIRS, "a,b"), kind="pairs").code == "column_not_found"
