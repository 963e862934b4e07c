"""Baselines of pairs and questions."""

from workers.transfer.baselines.answers import best_sentence, sentences
from workers.transfer.baselines.translations import copy_source, nearest_target

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
