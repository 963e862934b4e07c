"""Baselines of pairs and questions."""

import numpy as np
import pytest

from workers.transfer import text_metrics
from workers.transfer.baselines.answers import best_sentence, sentences
from workers.transfer.baselines.translations import choose, copy_source, nearest_target
from workers.transfer.data import Column, Data, Rows, Signature

TEXT = "The tower was built in 1889. It stands in Paris!  Who built it? Gustave Eiffel did.\nIt is tall"


def test_the_nearest_train_pair_is_that_of_the_most_similar_source() -> None:
    sources = ["Ich habe einen Hund.", "Die Katze schläft.", "Wir essen Brot."]
    targets = ["I have a dog.", "The cat sleeps.", "We eat bread."]
    assert nearest_target(sources, targets, ["Die Katzen schlafen.", "Ich habe Hunde.", "?"]) == [
        "The cat sleeps.",
        "I have a dog.",
        "I have a dog.",
    ]
    assert nearest_target(sources, targets, []) == []
    assert copy_source(sources) == sources


def rows_of(sources: list[str], targets: list[str]) -> Rows:
    return Rows(
        {"source": np.array(sources, dtype=object)},
        np.array(targets, dtype=object),
        np.arange(len(sources)),
    )


@pytest.mark.parametrize(
    ("targets", "chosen"),
    [(["Paris 1889", "Berlin 1237"], "copy_source"), (["I have a dog", "We eat bread"], "nearest_target")],
)
def test_of_the_baselines_of_pairs_the_better_one_on_validation_rows_is_taken(
    targets: list[str], chosen: str
) -> None:
    sources = ["Paris 1889", "Berlin 1237"] if chosen == "copy_source" else ["Ich hab Hunde", "Wir essen"]
    shown = rows_of(sources, targets)
    train = rows_of(["Ich habe einen Hund", "Wir essen Brot"], ["I have a dog", "We eat bread"])
    signature = Signature((Column("source", "text"),), "target", "seq2seq")
    made = choose(Data(signature, train, shown, shown))
    assert (made.chosen, made.by, made.texts) == (chosen, "validation", targets)
    assert made.scores[chosen] == pytest.approx(1)
    told = text_metrics.values("seq2seq", made.statistics.sum(axis=0))
    assert (told["exact_match"], told["log_loss"]) == (1, None)
    unseen = choose(Data(signature, train, None, shown))
    assert (unseen.chosen, unseen.by, unseen.scores) == ("copy_source", "default", {})


def test_sentences_begin_where_they_stand_in_the_text() -> None:
    found = list(sentences(TEXT))
    assert [text for _, text in found][1:] == [
        "It stands in Paris!",
        "Who built it?",
        "Gustave Eiffel did.",
        "It is tall",
    ]
    assert all(TEXT[start : start + len(text)] == text for start, text in found)
    assert [text for _, text in sentences("他来了。我走了。")] == ["他来了。", "我走了。"]
    assert list(sentences("  ")) == []


def test_the_best_sentence_shares_the_rarest_words_with_the_question() -> None:
    asked = ["When was the tower built?", "Which Eiffel?", "Nothing common"]
    found = best_sentence([TEXT], asked, [TEXT] * 3)
    assert [text for _, text in found] == [
        "The tower was built in 1889.",
        "Gustave Eiffel did.",
        "The tower was built in 1889.",
    ]
    assert all(TEXT[start : start + len(text)] == text for start, text in found)
