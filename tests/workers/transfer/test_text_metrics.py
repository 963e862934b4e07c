import numpy as np
import pytest

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
