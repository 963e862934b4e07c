from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from app.datasets.reading.table import read
from tests.app.datasets.conftest import Inspect, Refuse
from tests.stored import inspected

WORDS = ["river", "stone", "tower", "market", "bridge", "harbour", "meadow", "castle", "orchard", "mill"]


def context(n: int) -> str:
    first = f"Text {n}: the {WORDS[n % 10]} of the {n}. town was built in {1500 + 7 * n}"
    return f"{first} by \U0001f600 people of the café."


def questions(count: int = 24) -> list[dict[str, Any]]:
    rows = []
    for n in range(count):
        text = context(n)
        for asked, answer in (
            (f"When was town {n} built?", str(1500 + 7 * n)),
            (f"What of {n}?", "the café"),
        ):
            answers = {"text": [answer], "answer_start": [text.index(answer)]}
            rows.append({"title": f"Town {n // 2}", "context": text, "question": asked, "answers": answers})
    return rows


def squad(rows: list[dict[str, Any]], indent: int | None = None) -> str:
    articles: dict[str, dict[str, list[Any]]] = {}
    for row in rows:
        told = row["answers"]
        answers = [
            {"text": text, "answer_start": start}
            for text, start in zip(told["text"], told["answer_start"], strict=True)
        ]
        asked = {"id": row["question"], "question": row["question"], "answers": answers}
        articles.setdefault(row["title"], {}).setdefault(row["context"], []).append(asked)
    data = [
        {
            "title": title,
            "paragraphs": [{"context": text, "qas": asked} for text, asked in paragraphs.items()],
        }
        for title, paragraphs in articles.items()
    ]
    return json.dumps({"version": "1.1", "data": data}, indent=indent)


def lines(rows: list[dict[str, Any]]) -> str:
    return "\n".join(map(json.dumps, rows))


def changed(**of_first: Any) -> list[dict[str, Any]]:
    first, *others = questions()
    return [{**first, **of_first}, *others]


def test_each_form_of_the_same_questions_reads_alike(tmp_path: Path) -> None:
    rows = questions()
    flat = [
        {**row, "answer": row["answers"]["text"][0], "answer_start": row["answers"]["answer_start"][0]}
        for row in rows
    ]
    head = ["title", "context", "question", "answer", "answer_start"]
    cells = "\n".join(",".join(f'"{row[name]}"' for name in head) for row in flat)
    (tmp_path / "a.csv").write_text(",".join(head) + "\n" + cells + "\n")
    (tmp_path / "a.jsonl").write_text(lines(rows))
    (tmp_path / "a.json").write_text(squad(rows))
    (tmp_path / "indented.json").write_text(squad(rows, indent=2))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "a.parquet")
    found = []
    for name in ("a.csv", "a.jsonl", "a.json", "indented.json", "a.parquet"):
        made = inspected(tmp_path / name, **({"kind": "qa"} if name == "a.csv" else {}))
        described = made.inspection.description
        assert (described.kind, described.task, described.split.by) == ("qa", "span", "group")
        table = read(tmp_path / name, described)
        assert table["question"].to_pylist() == [row["question"] for row in rows]
        found.append((table["answers"].to_pylist(), made.facts.parts.tolist()))
    assert all(of == found[0] for of in found)
    for row, answers in zip(rows, found[0][0], strict=True):
        assert [row["context"][of["start"] : of["end"]] for of in answers] == row["answers"]["text"]


def test_an_article_is_in_one_part_and_each_part_has_about_its_share(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(squad(questions()))
    made = inspected(tmp_path / "a.json")
    titles = [row["title"] for row in questions()]
    assert all(
        len({p for t, p in zip(titles, made.facts.parts, strict=True) if t == title}) == 1 for title in titles
    )
    assert made.inspection.description.split.rows == {"train": 32, "validation": 8, "test": 8}


def test_a_start_that_is_off_is_mended_and_told(tmp_path: Path) -> None:
    text = context(0)
    rows = changed(answers={"text": ["the café"], "answer_start": [text.index("the café") - 3]})
    (tmp_path / "a.jsonl").write_text(lines(rows))
    inspection = inspected(tmp_path / "a.jsonl").inspection
    notice = next(notice for notice in inspection.warnings if notice.code == "starts_mended")
    assert notice.rows == [1]
    assert "up to 3 characters" in notice.message
    answer = read(tmp_path / "a.jsonl", inspection.description)["answers"][0].as_py()[0]
    assert answer == {"start": text.index("the café"), "end": text.index("the café") + 8, "text": "the café"}


def test_an_answer_is_found_in_another_form_of_unicode_and_kept_as_the_context_writes_it(
    tmp_path: Path,
) -> None:
    text = context(0).replace("é", "e\u0301")
    rows = changed(context=text, answers={"text": ["caf\xe9."], "answer_start": [0]})
    (tmp_path / "a.jsonl").write_text(lines([rows[0], *rows[2:]]))
    answer = read(tmp_path / "a.jsonl", inspected(tmp_path / "a.jsonl").inspection.description)["answers"][0]
    assert answer.as_py() == [{"start": text.index("caf"), "end": len(text), "text": "cafe\u0301."}]


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"answers": {"text": ["nowhere"], "answer_start": [3]}}, "answer_not_in_context"),
        ({"question": " "}, "incomplete_question"),
        ({"answers": {"text": ["the café"], "answer_start": [1, 2]}}, "incomplete_question"),
        ({"answers": {"text": [], "answer_start": []}}, "impossible_questions"),
        ({"is_impossible": True}, "impossible_questions"),
    ],
)
def test_a_question_that_cannot_be_learnt_is_refused_with_its_row(
    fields: dict[str, Any], code: str, refuse_text: Refuse
) -> None:
    error = refuse_text(lines(changed(**fields)), "a.jsonl")
    assert error.code == code
    assert error.errors[0]["row"] == 1


def test_several_answers_and_answers_without_a_start_are_told(inspect_text: Inspect) -> None:
    text = context(0)
    rows = changed(answers=[{"text": "café"}, {"text": "the café"}])
    rows[1]["answers"] = {"text": ["the"], "answer_start": [None]}
    inspection = inspect_text(lines(rows), "a.jsonl", language="en")
    told = {notice.code: notice.rows for notice in inspection.warnings}
    assert {"several_answers", "answer_repeats"} <= told.keys()
    assert told["answer_repeats"] == [2]
    assert inspection.description.languages == {"context": "en"}
    assert text.count("the") > 1


def test_a_test_context_is_asked_about_by_no_train_row_whatever_the_words_say(tmp_path: Path) -> None:
    rows = [{**row, "split": "test" if n in (0, 2, 3) else "train"} for n, row in enumerate(questions())]
    (tmp_path / "a.jsonl").write_text(lines(rows))
    made = inspected(tmp_path / "a.jsonl")
    assert made.facts.parts.tolist() == [2, 3, 2, 2] + [0] * 44
    assert made.inspection.description.split.left_out == 1


def test_files_that_are_not_built_as_squad_or_of_another_writing_are_refused(refuse_text: Refuse) -> None:
    broken = squad(questions()).replace('"qas"', '"asked"')
    assert refuse_text(broken, "a.json").code == "not_squad"
    assert refuse_text(squad(questions())[:-40], "a.json").code == "not_squad"
    assert refuse_text(squad(questions()), "a.json", kind="text").code == "kind_differs"
    assert refuse_text(squad(questions()), "a.json", language="ru").code == "wrong_writing"
