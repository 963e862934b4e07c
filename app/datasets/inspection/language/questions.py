"""Questions about passages as their batches go by: answers are found in them, mended, or refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.duplicates import SHOWN
from app.datasets.inspection.kinds.text import TextScan
from app.datasets.inspection.language.scripts import is_written_in, scripts_of
from app.datasets.partition.input_keys import keys_of_texts
from app.datasets.partition.keys import Keys, mix, text_keys
from app.datasets.partition.near_duplicates import clusters
from app.datasets.partition.shingles import Bytes
from app.datasets.partition.sides import units_of, while_few
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.language import Asked, asked, read_text
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Notice
from app.datasets.reading.spans import find_span
from app.datasets.reading.words import Part

LONG_ANSWER, LONG_CONTEXT = 15, 300
"""Words: an answer of more is rarely found whole, since spans have at most 20 tokens; a context of more is
read in windows that overlap."""
_REPORTED = 20
_UNITS = 3
_OTHER_WRITING = 0.5


class QuestionsScan:
    """The statistics of questions, contexts and answers, and where the answers stand."""

    def __init__(
        self, parts: dict[Part, str], languages: dict[Part, str], limits: Limits, unlabelled: bool
    ) -> None:
        self._names = parts
        self._language = languages.get("context")
        self._unlabelled = unlabelled
        self.texts = {part: TextScan(parts[part], limits) for part in _TEXTS}
        self._keys: list[Keys] = []
        self._signatures: list[Bytes] = []
        self._titles: list[Keys] = []
        self._empty: list[npt.NDArray[np.bool_]] = []
        self._errors: list[dict[str, Any]] = []
        self._bad = self._impossible = self._rows = 0
        self._impossible_rows: list[int] = []
        self._moved: list[tuple[int, int]] = []
        self._moved_count = self._furthest = self._odd = self._several = 0
        self._ambiguous: list[int] = []
        self._ambiguous_count = 0
        self._long_contexts = self._contexts = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch.

        Raises:
            RefusedExample: a text is too long.
        """
        rows = self._asked(batch)
        questions = pa.array([row.question for row in rows], pa.string())
        answers = pa.array([row.answers[0][0] if row.answers else None for row in rows], pa.string())
        self.texts["question"].add(questions)
        self.texts["answers"].add(answers)
        contexts = pc.dictionary_encode(pa.array([row.context for row in rows], pa.string()))
        _, signatures, keys = self.texts["context"].add(contexts.dictionary)
        self._count_long(contexts.dictionary)
        places = pc.fill_null(contexts.indices, len(keys)).to_numpy()
        of_context = np.append(keys, np.uint64(0))[places]
        self._signatures.append(
            np.concatenate([signatures, np.zeros_like(signatures[:1])])[places] if len(keys) else signatures
        )
        both = mix(of_context) + keys_of_texts(questions)
        self._keys.append(np.stack([of_context, both], axis=1))
        if "title" in self._names:
            self._titles.append(text_keys(read_text(batch[self._names["title"]])))
        self._empty.append(np.array([not row.answers for row in rows], np.bool_))
        for number, row in enumerate(rows, start=self._rows + 1):
            self._look(number, row)
        self._rows += batch.num_rows

    def _asked(self, batch: pa.RecordBatch) -> list[Asked]:
        try:
            return list(asked(batch, self._names))
        except ValueError:
            return [self._asked_alone(batch.slice(place, 1), place) for place in range(batch.num_rows)]

    def _asked_alone(self, row: pa.RecordBatch, place: int) -> Asked:
        try:
            return next(asked(row, self._names))
        except ValueError as error:
            self._refuse(self._rows + place + 1, "starts", "as many whole numbers as answers", str(error))
            return Asked(None, None, [], False)

    def _count_long(self, contexts: pa.Array) -> None:
        scripts = scripts_of(self._language or "")
        for text in contexts.to_pylist():
            self._contexts += 1
            self._long_contexts += text.count(" ") >= LONG_CONTEXT
            self._odd += scripts is not None and not is_written_in(text, scripts)

    def _look(self, row: int, found: Asked) -> None:
        if found.question is None and found.context is None and found.answers == []:
            return  # refused
        asked_of: tuple[tuple[Part, str | None], ...] = (
            ("question", found.question),
            ("context", found.context),
        )
        for part, text in asked_of:
            if text is None:
                self._refuse(row, part, f"a {part}", "nothing")
        if found.is_impossible:
            self._impossible += 1
            self._impossible_rows += [row] if len(self._impossible_rows) < SHOWN else []
            return
        if found.answers is None:
            if not self._unlabelled:
                self._refuse(row, "answers", "an answer", "nothing")
            return
        self._several += len(found.answers) > 1
        for text, start in found.answers if found.context is not None else ():
            self._find(row, found.context or "", text, start)

    def _find(self, row: int, context: str, text: str, start: int | None) -> None:
        span = find_span(context, text, start)
        if span is None:
            self._refuse(row, "answers", "an answer that stands in its context", repr(text[:60]))
        elif span.moved:
            self._moved_count += 1
            self._furthest = max(self._furthest, abs(span.moved))
            self._moved += [(row, span.moved)] if len(self._moved) < SHOWN else []
        elif span.moved is None and span.places > 1:
            self._ambiguous_count += 1
            self._ambiguous += [row] if len(self._ambiguous) < SHOWN else []

    def _refuse(self, row: int, part: Part, expected: str, received: str) -> None:
        self._bad += 1
        if len(self._errors) < _REPORTED:
            column = self._names.get(part)
            self._errors.append({"row": row, "column": column, "expected": expected, "received": received})

    @property
    def keys(self) -> Keys:
        """The keys of the context, and of context and question, (n, 2)."""
        return np.concatenate(self._keys)

    @property
    def signatures(self) -> Bytes:
        """Those of the contexts, (n, s)."""
        return np.concatenate(self._signatures)

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """Which rows have no answer, (n,)."""
        return np.concatenate(self._empty)

    @property
    def together(self) -> str | None:
        """The column of titles, if there are enough of them to split by."""
        return (
            self._names["title"] if self._titles and len(np.unique(self._article_keys())) >= _UNITS else None
        )

    def units(self, groups: Keys | None) -> Keys:
        """What stays in one part: an article, else equal and nearly equal contexts."""
        own = self.keys[:, 0]
        contexts = while_few(clusters(self.signatures, own), own)
        if groups is None and self.together is None:
            return contexts
        return units_of(self._article_keys() if groups is None else groups, contexts)

    def _article_keys(self) -> Keys:
        titles = np.concatenate(self._titles)
        return np.where(titles == 0, self.keys[:, 0], titles)

    def check(self) -> None:
        """Refuse what is no question with its answer, row by row.

        Raises:
            DatasetError: with the first rows and their number.
        """
        if self._bad:
            first = self._errors[0]
            more = f" ({self._bad} in all)" if self._bad > 1 else ""
            message = (
                f"Expected {first['expected']}. Received: {first['received']} in row {first['row']}{more}."
            )
            hint = (
                "Correct these rows, or leave them out. Answers are copied from their context, "
                "letter by letter."
            )
            raise DatasetError(
                "answer_not_in_context" if first["expected"].endswith("context") else "incomplete_question",
                message,
                hint,
                self._errors,
            )
        if self._impossible:
            rows = ", ".join(map(str, self._impossible_rows))
            expected = "questions that their context answers"
            received = (
                f"{self._impossible} of {self._rows} without an answer (is_impossible), such as "
                f"the rows {rows}"
            )
            told = [
                {"row": row, "column": None, "expected": expected, "received": "an impossible question"}
                for row in self._impossible_rows
            ]
            hint = "Networks here always answer by a span of the context: leave impossible questions out."
            raise DatasetError(
                "impossible_questions", f"Expected {expected}. Received: {received}.", hint, told
            )
        if self._odd > _OTHER_WRITING * max(self._contexts, 1):
            expected = f"contexts in the writing of {self._language}"
            message = f"Expected {expected}. Received: other letters in most of them."
            raise DatasetError("wrong_writing", message, "Correct `language`.", [])

    def notices(self) -> list[Notice]:
        """All of them."""
        return [*self._mended(), *self._first_of_several(), *self._several_told(), *self._lengths()]

    def _mended(self) -> list[Notice]:
        if not self._moved_count:
            return []
        shown = ", ".join(f"{row} ({by:+d})" for row, by in self._moved)
        message = (
            f"{self._moved_count} answers do not begin where was said, by up to {self._furthest} "
            "characters, such "
            f"as in the rows {shown}. Each was taken where it stands nearest to that."
        )
        rows = [row for row, _ in self._moved]
        return [Notice(code="starts_mended", column=self._names.get("starts"), rows=rows, message=message)]

    def _first_of_several(self) -> list[Notice]:
        if not self._ambiguous_count:
            return []
        message = (
            f"{self._ambiguous_count} answers stand several times in their context, and no start says "
            "which is "
            "meant: the first was taken. Add `answer_start`, if you know it."
        )
        return [
            Notice(
                code="answer_repeats", column=self._names["answers"], rows=self._ambiguous, message=message
            )
        ]

    def _several_told(self) -> list[Notice]:
        if not self._several:
            return []
        message = (
            f"{self._several} questions have several answers: the first is learnt, and in a test any of them "
            "counts as right."
        )
        return [Notice(code="several_answers", column=self._names["answers"], message=message)]

    def _lengths(self) -> list[Notice]:
        found = []
        long = self.texts["answers"].beyond(LONG_ANSWER)
        if long:
            message = (
                f"{long} of {self._rows} answers have more than {LONG_ANSWER} words. Spans of at most "
                "20 tokens are "
                "found, so that these are never found whole."
            )
            found.append(Notice(code="long_answers", column=self._names["answers"], message=message))
        if self._long_contexts:
            message = (
                f"{self._long_contexts} contexts have more than {LONG_CONTEXT} words; they are read in "
                "windows "
                "that overlap, which takes as much longer."
            )
            found.append(Notice(code="long_contexts", column=self._names["context"], message=message))
        return found


_TEXTS: Sequence[Part] = ("question", "context", "answers")
