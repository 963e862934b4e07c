"""Near-duplicates of texts, images and sequences stay in one part, or are told."""

from __future__ import annotations

import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from app.datasets.inspection import kept_rows
from app.datasets.inspection.near_rows import kept_together
from tests.stored import Inspected, inspected

WORDS = ["house", "river", "seldom", "yellow", "market", "quiet", "finger", "winter", "garden", "letter"]


def sentence(seed: int, words: int = 30) -> str:
    return " ".join(random.Random(seed).choices(WORDS, k=words))


def of_texts(
    folder: Path, rows: list[tuple[str, ...]], header: str = "text,label", **declared: str
) -> Inspected:
    path = folder / "texts.csv"
    path.write_text("\n".join([header, *(",".join(row) for row in rows)]) + "\n", encoding="utf-8")
    return inspected(path, kind="text", **declared)


def told(made: Inspected) -> dict[str, tuple[str, list[int]]]:
    return {notice.code: (notice.message, notice.rows) for notice in made.inspection.warnings}


def test_a_text_and_one_that_is_nearly_equal_are_in_one_part(tmp_path: Path) -> None:
    texts = [sentence(number) for number in range(120)]
    rows = [(text, "ab"[number % 2]) for number, text in enumerate(texts)]
    rows += [(f"{text.upper()}! ({number})", "ab"[number % 2]) for number, text in enumerate(texts)]
    made = of_texts(tmp_path, rows)
    facts = made.facts
    assert facts.clusters is not None
    assert facts.signatures is not None
    assert facts.signatures.shape == (240, 69)
    assert len(np.unique(facts.keys)) == 240
    assert len(np.unique(facts.clusters)) == 120
    assert (facts.clusters[:120] == facts.clusters[120:]).all()
    assert (facts.parts[:120] == facts.parts[120:]).all()
    assert set(facts.parts.tolist()) == {0, 1, 2}
    assert (made.inspection.profile.near_duplicates, made.inspection.profile.near_duplicates_searched) == (
        120,
        240,
    )
    message, shown = told(made)["near_duplicates"]
    assert message.startswith("120 texts nearly repeat an earlier one")
    assert message.endswith("each is in one part with those that it repeats.")
    assert shown == [121, 122, 123, 124, 125]
    assert "near_duplicates_apart" not in told(made)


def test_a_cluster_stays_where_it_is_when_a_data_set_grows(tmp_path: Path) -> None:
    rows = [(sentence(number), "ab"[number % 2]) for number in range(100)]
    before = of_texts(tmp_path, rows).facts
    more = [(sentence(number) + " again", "ab"[number % 2]) for number in range(40, 60)]
    after = of_texts(tmp_path, rows + more).facts
    assert before.clusters is not None
    assert after.clusters is not None
    unchanged = before.clusters == after.clusters[:100]
    assert unchanged.sum() >= 80  # others have a smaller key now
    assert (before.parts == after.parts[:100])[unchanged].all()
    assert (after.parts[40:60] == after.parts[100:]).all()


def test_with_a_given_split_those_that_stand_in_another_part_are_counted(tmp_path: Path) -> None:
    rows = [(sentence(number), "ab"[number % 2], "train") for number in range(30)]
    rows += [(sentence(number), "ab"[number % 2], "test") for number in range(100, 120)]
    rows += [(sentence(number) + " again", "ab"[number % 2], "test") for number in range(7)]
    message, shown = told(of_texts(tmp_path, rows, "text,label,split"))["near_duplicates"]
    assert "7 of them stand in another part of the split" in message
    assert shown == [51, 52, 53, 54, 55]


def test_more_texts_of_one_template_than_a_part_holds_are_split_by_their_keys_and_told(
    tmp_path: Path,
) -> None:
    template = "Dear customer your order {} was shipped today and will arrive at your house in a few days {}"
    rows = [(template.format(number, ""), "ab"[number % 2]) for number in range(60)] * 2
    rows += [(sentence(number), "ab"[number % 2]) for number in range(100)]
    made = of_texts(tmp_path, rows)
    message, shown = told(made)["near_duplicates_apart"]
    assert message.startswith("120 texts are so much alike")
    assert shown == [1, 2, 3, 4, 5]
    assert "stand in another part" in told(made)["near_duplicates"][0]
    assert (made.facts.parts[:60] == made.facts.parts[60:120]).all()
    assert set(made.facts.parts[:60].tolist()) == {0, 1, 2}


def test_a_class_of_one_template_is_trained_and_tested(tmp_path: Path) -> None:
    template = "Dear customer your order {} was shipped today and will arrive at your house in a few days"
    rows = [(template.format(number), "spam") for number in range(8)]
    rows += [(sentence(number), "ham") for number in range(200)]
    made = of_texts(tmp_path, rows)
    assert set(made.facts.parts[:8].tolist()) == {0, 1, 2}
    assert told(made)["near_duplicates_apart"][0].startswith("8 texts")
    assert "class_without_test_rows" not in told(made)


def test_the_same_text_under_another_label_is_told_but_not_one_that_is_only_near(tmp_path: Path) -> None:
    rows = [(sentence(number), "ab"[number % 2]) for number in range(40)]
    near = [(sentence(number) + " again", "ba"[number % 2]) for number in range(5)]
    assert "contradicting_labels" not in told(of_texts(tmp_path, rows + near))
    same = [(sentence(number).title() + "!", "ba"[number % 2]) for number in range(3)]
    message, shown = told(of_texts(tmp_path, rows + near + same))["contradicting_labels"]
    assert message.startswith("3 texts")
    assert shown == [46, 47, 48]


def test_empty_texts_repeat_nothing(tmp_path: Path) -> None:
    rows = [(sentence(number), "ab"[number % 2]) for number in range(40)] + [("", "a"), ("", "b")] * 3
    made = of_texts(tmp_path, rows)
    assert made.inspection.profile.near_duplicates == 0
    assert not {"near_duplicates", "contradicting_labels"} & set(told(made))


def test_rows_that_were_not_compared_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_rows, "SIGNED_ROWS", 50)
    rows = [(sentence(number), "ab"[number % 2]) for number in range(45)]
    near = [(sentence(number) + " again", "ab"[number % 2]) for number in range(10)]
    equal = [(sentence(number), "ab"[number % 2]) for number in range(10, 13)]
    made = of_texts(tmp_path, rows + near + equal)
    facts = made.facts
    assert facts.signatures is not None
    assert facts.clusters is not None
    assert facts.signatures[:50].any(axis=1).all()
    assert not facts.signatures[50:].any()
    assert made.inspection.profile.near_duplicates_searched == 50
    message = told(made)["near_duplicates"][0]
    assert message.startswith("8 texts nearly repeat")  # 5 of them, and 3 that are equal
    assert message.endswith("Only the first 50 rows were compared so.")
    assert (facts.clusters[10:13] == facts.clusters[55:]).all()
    assert (facts.parts[10:13] == facts.parts[55:]).all()


def test_sequences_and_pictures_that_are_nearly_equal_are_in_one_part(tmp_path: Path) -> None:
    draw = random.Random(0)
    strands = ["".join(draw.choices("ACGT", k=80)) for _ in range(60)]
    others = [strand.translate(str.maketrans("ACGT", "TGCA"))[::-1] for strand in strands]
    path = tmp_path / "sequences.csv"
    rows = [f"{strand},{'ab'[number % 2]}" for number, strand in enumerate(strands + others)]
    path.write_text("\n".join(["sequence,label", *rows]))
    parts = inspected(path, kind="sequence").facts.parts
    assert (parts[:60] == parts[60:]).all()

    packed = tmp_path / "pictures.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        for number in range(60):
            rough = np.random.default_rng(number).integers(0, 256, (5, 6, 3), np.uint8)
            picture = Image.fromarray(rough).resize((48, 40), Image.Resampling.BICUBIC)
            for form, options in (("png", {}), ("jpeg", {"quality": 80})):
                file = io.BytesIO()
                picture.save(file, form, **options)
                archive.writestr(f"{'ab'[number % 2]}/{number:03}.{form}", file.getvalue())
    made = inspected(packed)
    assert made.facts.clusters is not None
    assert len(np.unique(made.facts.clusters)) == 60
    parts_of: dict[int, set[int]] = {}
    for cluster, part in zip(made.facts.clusters.tolist(), made.facts.parts.tolist(), strict=True):
        parts_of.setdefault(cluster, set()).add(part)
    assert all(len(parts) == 1 for parts in parts_of.values())


def test_tables_are_not_compared(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("x,y\n" + "".join(f"{number},{'ab'[number % 2]}\n" for number in range(40)))
    made = inspected(path)
    assert made.facts.clusters is None
    assert made.facts.signatures is None
    assert made.inspection.profile.near_duplicates is None
    assert made.inspection.profile.near_duplicates_searched is None


@pytest.mark.parametrize(("rows", "together"), [(9, True), (10, True), (20, True), (21, False)])
def test_a_cluster_stays_together_if_it_has_ten_rows_or_no_more_than_a_part(
    rows: int, together: bool
) -> None:
    keys = np.arange(1, 201, dtype=np.uint64)
    near = keys.copy()
    near[:rows] = 1
    classes = np.zeros(200, np.int32)
    assert (kept_together(near, keys, classes, 0.1) == (near if together else keys)).all()
