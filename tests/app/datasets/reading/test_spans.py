from __future__ import annotations

import unicodedata

from app.datasets.reading.spans import Span, find_span

TEXT = "Der Hund sah den Hund. \U0001f600 Der Hund lief."


def test_an_answer_is_taken_where_it_is_said_to_be() -> None:
    assert find_span(TEXT, "Hund", 17) == Span(17, 21, "Hund", 0)
    assert find_span(TEXT, "  Hund ", 15) == Span(17, 21, "Hund", 0)


def test_else_where_it_stands_nearest_or_first() -> None:
    assert find_span(TEXT, "Hund", 18) == Span(17, 21, "Hund", -1, 3)
    assert find_span(TEXT, "Hund", 99) == Span(29, 33, "Hund", -70, 3)
    assert find_span(TEXT, "Hund", None) == Span(4, 8, "Hund", None, 3)
    assert find_span(TEXT, "Katze", 3) is None
    assert find_span(TEXT, " ", 3) is None


def test_forms_of_unicode_do_not_hide_it() -> None:
    for form in ("NFC", "NFD"):
        text = unicodedata.normalize(form, "Ein Café in Köln, 한국어, é")
        for answer in ("Café", "Köln", "한국어"):
            span = find_span(text, unicodedata.normalize("NFD" if form == "NFC" else "NFC", answer), None)
            assert span is not None
            assert text[span.start : span.end] == span.text == unicodedata.normalize(form, answer)
