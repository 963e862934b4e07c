"""Which columns of a table are taken for texts or sequences."""

from __future__ import annotations

import random

import pytest

from app.datasets.inspection.kinds.writing import share_without_blanks
from app.datasets.reading.profile import Inspection
from tests.app.datasets.conftest import Inspect, Refuse

WORDS = ["good", "bad", "slow", "broken", "great", "price", "phone", "staff", "food", "train"]
ROWS = 60


def sentences(count: int = ROWS, words: int = 4) -> list[str]:
    draw = random.Random(0)
    return [" ".join(draw.choice(WORDS) for _ in range(words)) + f" {n}" for n in range(count)]


def letters(of: str, length: int, count: int = ROWS) -> list[str]:
    draw = random.Random(1)
    return ["".join(draw.choice(of) for _ in range(length)) for _ in range(count)]


def table(**columns: list[str]) -> str:
    lines = zip(*columns.values(), strict=True)
    return "\n".join([",".join(columns), *(",".join(line) for line in lines)]) + "\n"


LABELS = ["ab"[n % 2] for n in range(ROWS)]
COUNTED = [str(n + 1) for n in range(ROWS)]
PROTEINS = letters("ACDEFGHIKLMNPQRSTVWY", 30)
CHINESE = letters("的一是不了人我在有他这为之大来以个中上们", 5)


def codes(inspection: Inspection) -> dict[str, str]:
    return {notice.code: notice.message for notice in inspection.warnings}


@pytest.mark.parametrize(
    ("columns", "kind"),
    [
        ({"peptide": letters("ACDEFGHIKLMNPQRSTVWY", 9)}, "sequence"),
        ({"Sequence": letters("acgt", 8)}, "sequence"),
        ({"sequence": letters("ACGTacgt", 8)}, "sequence"),
        ({"mutatedSequence": letters("ACDEFGHIKLMNPQRSTVWY", 9)}, "sequence"),
        ({"id": COUNTED, "cdr3_aa": letters("ACDEFGHIKLMNPQRSTVWY", 9)}, "sequence"),
        ({"DNA sequence (5'-3')": letters("ACGT", 8)}, "sequence"),
        ({"protein_name": letters("ACDEFGHIKLMNPQRSTVWY", 9)}, "tabular"),
        ({"id": COUNTED, "cleaned_text": sentences(words=1)}, "text"),
        ({"id": [f"P{n:05}" for n in range(ROWS)], "sequence": PROTEINS}, "sequence"),
        ({"Id": COUNTED, "text": sentences(words=1)}, "text"),
        ({"tweet_id": COUNTED, "tweet": sentences()}, "text"),
        ({"userId": ["7"] * ROWS, "comment_text": sentences()}, "text"),
        ({"text": CHINESE}, "text"),
        ({"意见": CHINESE}, "text"),
        ({"anything": sentences()}, "text"),
        ({"text": [f"😀 {n}" if n % 2 else "" for n in range(ROWS)]}, "text"),
        ({"城市": letters("北京上海广州", 2)}, "tabular"),
        ({"city": [f"Town{n}" for n in range(ROWS)]}, "tabular"),
        ({"text": [f"A{n:03}" for n in range(ROWS)]}, "tabular"),
        ({"text": ["on time", "too late", "lost"] * 20}, "tabular"),
        ({"price": [f"{n}.5" for n in range(ROWS)], "review": sentences()}, "tabular"),
        ({"protein": [f"{n}.5" for n in range(ROWS)], "fat": COUNTED}, "tabular"),
        ({"sentence": sentences(), "review": sentences()}, "tabular"),
        ({"paid": ["1.5", "2"] * 30, "text": sentences()}, "tabular"),
    ],
)
def test_the_kind_follows_the_name_and_the_values(
    inspect_text: Inspect, columns: dict[str, list[str]], kind: str
) -> None:
    inspection = inspect_text(table(**columns, label=LABELS))
    assert inspection.description.kind == kind
    told = codes(inspection)
    assert ("kind_guessed" in told) == (kind != "tabular")
    assert ("columns_left_out" in told) == (kind != "tabular" and len(columns) > 1)


def test_a_table_with_texts_says_what_to_send_to_learn_from_them(inspect_text: Inspect) -> None:
    text = table(price=[f"{n}.5" for n in range(ROWS)], review=sentences(), label=LABELS)
    assert "declare `kind` as text and `input` as review" in codes(inspect_text(text))["kind_not_guessed"]
    assert inspect_text(text, kind="text", input="review").description.kind == "text"
    assert "kind_not_guessed" not in codes(inspect_text(text, kind="tabular"))


def test_texts_that_may_be_learnt_from_are_not_told_to_be_left_out(inspect_text: Inspect) -> None:
    reviews = [f"{text} number {n}" for n, text in enumerate(sentences())]
    text = table(price=[f"{n}.5" for n in range(ROWS)], review=reviews, label=LABELS)
    assert "identifier" not in codes(inspect_text(text))
    assert "-F ignore=review" in codes(inspect_text(text, kind="tabular"))["identifier"]


def test_many_rows_are_texts_as_few_are(inspect_text: Inspect) -> None:
    rows = 30_000
    text = table(anything=sentences(rows), label=["ab"[n % 2] for n in range(rows)])
    assert inspect_text(text).description.kind == "text"


def test_one_odd_letter_is_refused_with_its_row_and_makes_no_texts(refuse_text: Refuse) -> None:
    proteins = [*PROTEINS[:7], PROTEINS[7][:5] + "." + PROTEINS[7][5:], *PROTEINS[8:]]
    error = refuse_text(table(seq=proteins, label=LABELS))
    assert (error.code, error.errors[0]["row"]) == ("wrong_letters", 8)


@pytest.mark.parametrize(
    ("text", "share"),
    [
        ("这部电影很好", 1.0),
        ("今日はいい天気", 1.0),
        ("ภาษาไทยสวย", 1.0),
        ("ພາສາລາວ", 1.0),
        ("ភាសាខ្មែរ", 1.0),
        ("မြန်မာဘာသာ", 1.0),
        ("한국어 문장입니다", 0.0),
        ("Straßenbahn", 0.0),
        ("हिन्दी में", 0.0),
        ("12 !?", 0.0),
        ("ab好看", 0.5),
    ],
)
def test_writing_without_blanks_is_told_by_its_letters(text: str, share: float) -> None:
    assert share_without_blanks([text]) == pytest.approx(share, abs=0.01)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([str(n % 40) for n in range(240)], "multiclass"),
        ([str(n % 25 + 1) for n in range(240)], "multiclass"),
        ([str(n % 40 * 3) for n in range(240)], "regression"),
        ([str(n) for n in range(240)], "regression"),
        ([f"{n % 40}.5" for n in range(240)], "regression"),
    ],
)
def test_whole_numbers_from_0_without_a_gap_are_codes_of_classes_of_texts(
    inspect_text: Inspect, values: list[str], task: str
) -> None:
    inspection = inspect_text(table(text=sentences(240), label=values))
    assert (inspection.description.kind, inspection.description.task) == ("text", task)
    if task == "multiclass":
        assert "task_inferred" in codes(inspection)
    other = table(price=[f"{n}.5" for n in range(240)], size=["1.5", "2"] * 120, label=values)
    assert inspect_text(other).description.task == "regression"


@pytest.mark.parametrize("kind", ["text", "sequence"])
def test_the_same_input_under_two_labels_is_told(inspect_text: Inspect, kind: str) -> None:
    values = sentences(40) if kind == "text" else PROTEINS[:40]
    text = table(**{kind: [*values, *values]}, label=["a"] * 40 + ["b"] * 3 + ["a"] * 37)
    told = {notice.code: notice for notice in inspect_text(text, kind=kind).warnings}
    assert told["contradicting_labels"].rows == [41, 42, 43]
    numbers = table(**{kind: [*values, *values]}, label=[f"{n}.5" for n in range(80)])
    assert "contradicting_labels" not in codes(inspect_text(numbers, kind=kind))


def test_what_is_longer_than_what_is_read_is_told_with_what_to_send(inspect_text: Inspect) -> None:
    texts = [*sentences(ROWS - 1), "word " * 3000]
    told = codes(inspect_text(table(text=texts, label=LABELS)))
    assert '{"kind": "text_convnet", "length": 3000}' in told["long_texts"]
    told = codes(inspect_text(table(sequence=[*PROTEINS[1:], "MKV" * 2000], label=LABELS)))
    assert '{"kind": "sequence_convnet", "length": 6000}' in told["long_sequences"]
