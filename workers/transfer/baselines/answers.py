"""What answers questions unread: the sentence of the context that is most like the question, whole."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from workers.transfer import text_metrics
from workers.transfer.baselines.translations import Translated
from workers.transfer.data import Array, Data, Rows

NAME = "similar_sentence"

JUDGED = 300
"""Validation rows that it is scored on at most, the first ones: as many as networks are."""

_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|(?<=[。！？])|\n+")  # noqa: RUF001


def choose(data: Data) -> Translated:
    """Its answers to the test rows, and its mean F1 on the validation rows, where there are any."""
    assert data.test is not None  # checked before the job was accepted
    scores: dict[str, float] = {}
    if data.validation is not None:
        some = data.validation.take(np.arange(min(JUDGED, len(data.validation))))
        _, statistics = _answered(data.train, some)
        scores[NAME] = float(text_metrics.metrics("span", statistics)["f1"].mean())
    texts, statistics = _answered(data.train, data.test)
    return Translated(NAME, "validation" if scores else "default", scores, texts, statistics)


def _answered(train: Rows, rows: Rows) -> tuple[list[str], Array]:
    asked = (values.tolist() for values in (rows.inputs["question"], rows.inputs["context"]))
    texts = [text for _, text in best_sentence(train.inputs["context"].tolist(), *asked)]
    return texts, text_metrics.statistics("span", rows.targets, texts)


def best_sentence(
    train_contexts: Sequence[str], questions: Sequence[str], contexts: Sequence[str]
) -> list[tuple[int, str]]:
    """Where the sentence begins, in code points, and its text: the highest cosine of tf-idf of words.

    How rare a word is follows from the sentences of the train contexts. Of equal ones the first is taken.
    """
    vectorizer = TfidfVectorizer(sublinear_tf=True, token_pattern=r"(?u)\w+")
    vectorizer.fit(
        [sentence for context in dict.fromkeys(train_contexts) for _, sentence in sentences(context)] or ["."]
    )
    found = []
    for question, context in zip(questions, contexts, strict=True):
        parts = list(sentences(context)) or [(0, str(context))]
        vectors = vectorizer.transform([sentence for _, sentence in parts])
        alike = (vectors @ vectorizer.transform([str(question)]).T).toarray().reshape(-1)
        found.append(parts[int(np.argmax(alike))])
    return found


def sentences(text: str) -> Iterator[tuple[int, str]]:
    """Each sentence and where it begins, by the signs that end one and by lines."""
    start = 0
    for match in [*_END.finditer(text), None]:
        end = len(text) if match is None else match.start()
        part = text[start:end]
        if part.strip():
            yield start + len(part) - len(part.lstrip()), part.strip()
        start = end if match is None else match.end()
