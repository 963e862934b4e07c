"""Sentence pairs as their batches go by: what is refused and told of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from app.datasets.inspection.duplicates import SHOWN
from app.datasets.inspection.kinds.text import TextScan
from app.datasets.inspection.language.scripts import is_written_in, scripts_of
from app.datasets.partition.keys import Keys
from app.datasets.partition.near_duplicates import clusters
from app.datasets.partition.shingles import Bytes
from app.datasets.partition.sides import units_of, while_few
from app.datasets.reading.errors import DatasetError
from app.datasets.reading.language import read_text
from app.datasets.reading.limits import Limits
from app.datasets.reading.profile import Notice
from app.datasets.reading.words import Part

LONGEST = 48
"""Tokens that a network writes at most: a sentence has as many words at least."""
_COPIED = 0.9
"""Of all pairs: where the sides are the same, nothing is translated."""
_OTHER_WRITING = 0.5


class PairsScan:
    """The statistics of both sides, and which rows lack one."""

    def __init__(self, parts: dict[Part, str], languages: dict[Part, str], limits: Limits) -> None:
        self._names = parts
        self._languages = languages
        self.texts = {part: TextScan(parts[part], limits) for part in _SIDES}
        self._keys: list[Keys] = []
        self._signatures: list[Bytes] = []
        self._empty: list[npt.NDArray[np.bool_]] = []
        self._copied: list[int] = []
        self._odd: dict[Part, list[int]] = {part: [] for part in _SIDES}
        self._copies = self._long = self._rows = 0
        self._odd_count: dict[Part, int] = dict.fromkeys(_SIDES, 0)

    def add(self, batch: pa.RecordBatch) -> None:
        """Take in a batch.

        Raises:
            RefusedExample: a text is too long.
        """
        sides: list[pa.Array] = []
        keys: list[Keys] = []
        for part in _SIDES:
            values, signatures, of_side = self.texts[part].add(read_text(batch[self._names[part]]))
            sides.append(values)
            keys.append(of_side)
        self._signatures.append(signatures)  # of the targets
        self._keys.append(np.stack(keys, axis=1))
        there = pc.and_(pc.is_valid(sides[0]), pc.is_valid(sides[1]))
        self._empty.append(pc.invert(there).to_numpy(zero_copy_only=False))
        self._look(sides[0].to_pylist(), sides[1].to_pylist())
        self._rows += batch.num_rows

    def _look(self, sources: Sequence[str | None], targets: Sequence[str | None]) -> None:
        scripts = {part: scripts_of(self._languages.get(part, "")) for part in _SIDES}
        for row, (source, target) in enumerate(zip(sources, targets, strict=True), start=self._rows + 1):
            if source is None or target is None:
                continue
            if source.split() == target.split():
                self._copies += 1
                if len(self._copied) < SHOWN:
                    self._copied.append(row)
            self._long += max(source.count(" "), target.count(" ")) >= LONGEST
            for part, text in zip(_SIDES, (source, target), strict=True):
                wanted = scripts[part]
                if wanted is not None and not is_written_in(text, wanted):
                    self._odd_count[part] += 1
                    if len(self._odd[part]) < SHOWN:
                        self._odd[part].append(row)

    @property
    def keys(self) -> Keys:
        """The keys of source and target, (n, 2)."""
        return np.concatenate(self._keys)

    @property
    def signatures(self) -> Bytes:
        """Those of the targets, (n, s)."""
        return np.concatenate(self._signatures)

    @property
    def empty(self) -> npt.NDArray[np.bool_]:
        """Which rows lack a side, (n,)."""
        return np.concatenate(self._empty)

    def units(self, groups: Keys | None) -> Keys:
        """What stays in one part: equal and nearly equal targets, and who shares a source with them."""
        keys = self.keys
        targets = while_few(clusters(self.signatures, keys[:, 1]), keys[:, 1])
        return units_of(targets, keys[:, 0]) if groups is None else units_of(groups, targets)

    def check(self) -> None:
        """Refuse pairs that are none.

        Raises:
            DatasetError: most rows lack a side, nearly all sides are copies, or are not in the writing of
                their language.
        """
        empty, there = int(self.empty.sum()), self._rows - int(self.empty.sum())
        if 2 * empty > self._rows:
            rows = np.flatnonzero(self.empty)[:SHOWN] + 1
            expected = "a sentence on both sides in most rows"
            received = f"{empty} of {self._rows} rows lack one, such as the rows {_listed(rows.tolist())}"
            raise _refused("empty_sides", expected, received, "Leave rows without a translation out.")
        if self._copies > _COPIED * there:
            expected = "translations that differ from their sources"
            received = f"{self._copies} of {there} that are the same, such as in row {self._copied[0]}"
            raise _refused("copied_sides", expected, received, "Name the columns by `source` and `target`.")
        for part in _SIDES:
            if self._odd_count[part] > _OTHER_WRITING * there:
                expected = f"{part} sentences in the writing of {self._languages[part]}"
                received = (
                    f"other letters in {self._odd_count[part]} of {there}, such as in row "
                    f"{self._odd[part][0]}"
                )
                hint = "Correct `source_language` and `target_language`, or swap `source` and `target`."
                raise _refused("wrong_writing", expected, received, hint)

    def notices(self) -> list[Notice]:
        """All of them."""
        return [*self._sides(), *self._copies_told(), *self._writing(), *self._lengths(), *self._several()]

    def _sides(self) -> list[Notice]:
        rows = np.flatnonzero(self.empty)
        if not len(rows):
            return []
        message = f"{_of(len(rows), self._rows)} lack a sentence on one side; they are left out."
        return [Notice(code="empty_sides", rows=(rows[:SHOWN] + 1).tolist(), message=message)]

    def _copies_told(self) -> list[Notice]:
        if not self._copies:
            return []
        message = (
            f"In {_of(self._copies, self._rows)} the translation is the source itself. A network learns "
            "to copy "
            "from them; leave them out if they were not translated."
        )
        return [Notice(code="copied_sides", rows=self._copied, message=message)]

    def _writing(self) -> list[Notice]:
        return [
            Notice(
                code="wrong_writing",
                column=self._names[part],
                rows=self._odd[part],
                message=f"{_of(self._odd_count[part], self._rows)} of the column {self._names[part]} "
                f"are not in the writing of {self._languages[part]}. Are both sides in their columns?",
            )
            for part in _SIDES
            if self._odd_count[part]
        ]

    def _lengths(self) -> list[Notice]:
        if not self._long:
            return []
        message = (
            f"In {_of(self._long, self._rows)} a side has more than {LONGEST} words. A network reads "
            "and writes "
            f"at most {LONGEST} tokens, which are words or parts of them: it learns such pairs cut. "
            "Split them "
            "into sentences, or leave them out."
        )
        return [Notice(code="long_sentences", message=message)]

    def _several(self) -> list[Notice]:
        pairs = np.unique(self.keys[~self.empty], axis=0)
        found = []
        for place, (one, other) in enumerate((("source", "translations"), ("target", "sources"))):
            counts = np.unique(pairs[:, place], return_counts=True)[1]
            several = int((counts > 1).sum())
            if several:
                message = (
                    f"{several} different {one} sentences have several {other}, up to "
                    f"{int(counts.max())}. They "
                    "stay in one part as far as that can be; a test row counts as right by its own "
                    "translation."
                )
                found.append(
                    Notice(
                        code="several_translations" if place == 0 else "several_sources",
                        column=self._names[_SIDES[place]],
                        message=message,
                    )
                )
        return found


_SIDES: tuple[Part, Part] = ("source", "target")


def _of(count: int, rows: int) -> str:
    return f"{count} of {rows} rows ({count / rows:.1%})"


def _listed(rows: Sequence[int]) -> str:
    return ", ".join(map(str, rows))


def _refused(code: str, expected: str, received: str, hint: str) -> DatasetError:
    error = {"row": None, "column": None, "expected": expected, "received": received}
    return DatasetError(code, f"Expected {expected}. Received: {received}.", hint, [error])
