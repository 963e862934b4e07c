"""SQuAD's JSON, versions 1 and 2: articles of paragraphs, each a context with its questions.

Rajpurkar et al., SQuAD: 100,000+ Questions for Machine Comprehension of Text (2016), and Know What You Don't
Know (2018). One article is in memory at a time.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa

from ..declaration import Declaration
from ..description import ReadOptions
from ..errors import DatasetError
from ..limits import Limits
from . import nested
from .stream import find_compression, open_stream

_BLOCK = 1 << 20
_COLUMNS = ["question", "context", "answers.text", "answers.answer_start", "is_impossible", "title", "id"]
_START = re.compile(r'\{\s*("version"\s*:\s*("[^"]*"|[\d.]+)\s*,\s*)?"data"\s*:\s*\[')
_BETWEEN = re.compile(r"[\s,]*")
_DECODER = json.JSONDecoder()


def recognise(path: Path, declaration: Declaration, limits: Limits | None = None) -> ReadOptions:
    """The same columns of every file; all of it is looked at.

    Raises:
        DatasetError: it is not built as SQuAD is, by article, paragraph and question.
    """
    found = {name for item in _items(path, limits) for name, value in item.items() if value is not None}
    return ReadOptions(
        columns=[name for name in _COLUMNS if name in found],
        compression=find_compression(path),
        encoding="utf-8",
        lists=["answers.text", "answers.answer_start"],
    )


def open_batches(path: Path, options: ReadOptions) -> Iterator[pa.RecordBatch]:
    """Batches of text columns, a question a row in the file's order; answers and their starts are JSON "
    "lists."""
    yield from nested.batches(_items(path, None), options)


def _items(path: Path, limits: Limits | None) -> Generator[dict[str, Any]]:
    for number, article in enumerate(_articles(path, limits or Limits()), start=1):
        where = f"article {number}"
        title = article.get("title") if isinstance(article, dict) else None
        for place, paragraph in enumerate(_listed(article, "paragraphs", where), start=1):
            within = f"{where}, paragraph {place}"
            questions = _listed(paragraph, "qas", within)
            for nth, asked in enumerate(questions, start=1):
                here = f"{within}, question {nth}"
                answers = [
                    one if isinstance(one, dict) else _refuse("an answer with a text", one, here)
                    for one in (_listed(asked, "answers", here) if "answers" in asked else [])
                ]
                yield {
                    "question": _text(asked, "question", here),
                    "context": _text(paragraph, "context", within),
                    "answers.text": [_text(one, "text", here) for one in answers],
                    "answers.answer_start": [one.get("answer_start") for one in answers],
                    "is_impossible": asked.get("is_impossible"),
                    "title": title if isinstance(title, str) else None,
                    "id": str(asked["id"]) if "id" in asked else None,
                }


def _listed(item: Any, key: str, where: str) -> list[Any]:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, list):
        raise _refused(f"`{key}`, a list", value, where)
    return value


def _text(item: Any, key: str, where: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, str):
        raise _refused(f"`{key}`, a text", value, where)
    return value


def _refuse(expected: str, value: Any, where: str) -> Any:
    raise _refused(expected, value, where)


def _refused(expected: str, value: Any, where: str) -> DatasetError:
    received = repr(value)[:80]
    error = {"row": None, "column": None, "expected": expected, "received": f"{received} in {where}"}
    message = f"Expected SQuAD's JSON, with {expected}, in {where}. Received: {received}."
    return DatasetError(
        "not_squad", message, "Correct it, or send the questions as CSV or JSON lines.", [error]
    )


def _articles(path: Path, limits: Limits) -> Generator[Any]:
    """The objects of the list `data`, each decoded once all of it is there."""
    with open_stream(path) as stream:
        decode = codecs.getincrementaldecoder("utf-8-sig")().decode
        text, place, wanted, done = "", None, _BLOCK, False
        while True:
            while not done and len(text) - (place or 0) < wanted:
                block = stream.read(_BLOCK)
                done = len(block) < 1
                text = text[place or 0 :] + decode(block, done)
                place = None if place is None else 0
            if place is None:
                place = _begin(text)
            between = _BETWEEN.match(text, place)
            place = between.end() if between else place
            if text.startswith("]", place):
                return
            try:
                article, place = _DECODER.raw_decode(text, place)
            except (ValueError, RecursionError) as error:
                if done:
                    raise _refused("articles that are whole", text[place : place + 80], f"{error}") from error
                wanted = max(_BLOCK, 2 * (len(text) - place))
                if wanted > 2 * limits.example_bytes:
                    raise _refused(
                        f"articles of at most {limits.example_bytes} bytes", "a longer one", "`data`"
                    ) from None
                continue
            wanted = 1
            yield article


def _begin(text: str) -> int:
    found = _START.match(text.lstrip())
    if found is None:
        raise _refused("`data`, the list of articles, first or after `version`", text[:80], "the file")
    return found.end() + len(text) - len(text.lstrip())
