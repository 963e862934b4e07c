import re
import string
from collections import Counter

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from workers.transfer import text_metrics


def values(meant: list[str], said: list[str], losses=None) -> dict[str, float | None]:
    return text_metrics.values("seq2seq", text_metrics.statistics("seq2seq", meant, said, losses).sum(axis=0))


def test_the_same_sentences_have_the_best_score_of_all() -> None:
    same = values(["Tom runs home.", "It is a dog!"], ["Tom runs home.", "It is a dog!"])
    assert same == {"chrf": 1.0, "bleu": 1.0, "exact_match": 1.0, "log_loss": None}


def test_a_worked_example_has_the_bleu_and_chrf_of_its_counts() -> None:
    # Of 6, 5, 4, 3 sequences of words 5, 3, 1, 0 are right; none counts as half.
    found = values(["the cat sat on the mat"], ["the cat is on the mat"])
    assert found["bleu"] == pytest.approx((5 / 6 * 3 / 5 * 1 / 4 * (1 / 2) / 3) ** 0.25)
    assert 0 < found["chrf"] < 1


def test_a_sentence_that_is_too_short_is_punished_by_its_length() -> None:
    found = values(["a b c d e f g h"], ["a b c d"])
    assert found["bleu"] == pytest.approx(np.exp(1 - 8 / 4))


def test_the_log_loss_is_the_mean_over_tokens() -> None:
    assert values(["a", "b"], ["a", "c"], np.array([[3.0, 2], [1.0, 2]]))["log_loss"] == 1.0


SAID = ["Tom ran home.", "It isn't a dog, is it?", "No", "", 'He paid $1,000.50 for "it".', "x", "Ja & nein"]
MEANT = [
    "Tom ran home!",
    "Is it a dog?",
    "Yes",
    "Nothing at all",
    "He paid $1,000 for it.",
    "abcdef",
    "Ja & nein",
]


def test_bleu_and_chrf_are_those_of_sacrebleu_on_any_draw_of_the_rows() -> None:
    rng = np.random.default_rng(0)
    statistics = text_metrics.statistics("seq2seq", MEANT, SAID)
    for _ in range(20):
        rows = rng.integers(0, len(SAID), len(SAID))
        found = text_metrics.metrics("seq2seq", np.bincount(rows, minlength=len(SAID)) @ statistics)
        said, meant = [SAID[row] for row in rows], [[MEANT[row] for row in rows]]
        assert 100 * found["bleu"] == pytest.approx(BLEU().corpus_score(said, meant).score, abs=1e-9)
        assert 100 * found["chrf"] == pytest.approx(CHRF().corpus_score(said, meant).score, abs=1e-9)


def test_chinese_is_cut_into_its_signs_and_the_signature_says_so() -> None:
    meant, said = ["我今天很高兴、谢谢。", "他去了北京大学。"], ["我今天高兴、谢谢。", "她去了北京大学。"]
    expected = BLEU(tokenize="zh").corpus_score(said, [meant]).score
    assert 100 * (values(meant, said)["bleu"] or 0) == pytest.approx(expected, abs=1e-9)
    assert "tok:zh" in text_metrics.signatures(meant)["bleu"]
    assert "tok:13a" in text_metrics.signatures(["Hello."])["bleu"]
    assert "nc:6" in text_metrics.signatures(["Hello."])["chrf"]


def official_f1(said: str, meant: str) -> float:
    """`f1_score` of SQuAD's evaluate-v1.1.py, step by step."""
    words = []
    for text in (said, meant):
        text = "".join(sign for sign in text.lower() if sign not in set(string.punctuation))
        words.append(" ".join(re.sub(r"\b(a|an|the)\b", " ", text).split()).split())
    same = sum((Counter(words[0]) & Counter(words[1])).values())
    if same == 0:
        return 0.0
    precision, recall = same / len(words[0]), same / len(words[1])
    return 2 * precision * recall / (precision + recall)


def test_answers_to_questions_are_right_by_the_best_reference_as_squad_counts() -> None:
    meant = [((4, "the Denver Broncos"), (8, "Denver Broncos")), ((0, "in 1990."),), ((3, "a red house"),)]
    said = ["Denver Broncos!", "1990 or later", "green"]
    statistics = text_metrics.statistics("span", meant, said)
    best = [max(official_f1(one, text) for _, text in of) for one, of in zip(said, meant, strict=True)]
    assert statistics[:, 2] == pytest.approx(best)
    found = text_metrics.values("span", statistics.sum(axis=0))
    assert found == {"f1": pytest.approx(np.mean(best)), "exact_match": pytest.approx(1 / 3)}
    assert text_metrics.most_frequent("span", [*meant, meant[1]]) == "in 1990."
