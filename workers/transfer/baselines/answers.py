"""What answers questions unread: the sentence of the context that is most like the question, whole."""

import re
from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

_END = re.compile(r"(?<=[.!?。！？])[\"'”’)\]]*\s+|(?<=[。！？])|\n+")  # noqa: RUF001


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
