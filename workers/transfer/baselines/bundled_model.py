"""A baseline's features by NumPy, and its answers from files. A bundle carries it; it imports nothing else.

What was learnt is plain JSON values, `features.json`. Its `kind` is

- `table`: `columns` in order, each with `input` and `type`. A number, a boolean or a date has `mean`,
  `variance`, `factor` and `most`: (x · factor - mean) / √variance within ± `most`, 0 where `varies` is false
  or x is missing, and then 1 where it is missing. A category has its known `values`: 1 at its place, the last
  for all others. Features `kept` are left in this order. `constants` are columns that no file has.
- `kmers`: the shares of all runs of 1 to `longest` of the `letters`, of each length by themselves.
- `tfidf`: `terms` with their `idf` in the first `length` characters: words and pairs (`analyzer` word) or
  characters in words (char_wb) of `ngrams` lengths, 1 + ln(count) times idf, of length 1 a row.

The answers are those of `model.onnx`, an ensemble of trees on these features, or of `linear.npz`: kernel
(d, m) and bias (m,), `link` softmax, sigmoid or none, and for classes without rows in training `spread`
(m, k) and `rest` (k,) that make of m probabilities all k.
"""

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

FEATURES, TREES, LINEAR = "features.json", "model.onnx", "linear.npz"

_DAYS = np.array([0, 31, 62, 93, 124, 155, 186, 217, 248, 279, 310, 341]) / 372
"""Of a year, where each month begins if all have 31 days, as the networks read dates."""

_BLOCK_LETTERS = 1 << 22
_ROWS = 1024


class Baseline:
    """What a folder's files answer for arrays of raw inputs, as a Keras model does."""

    def __init__(self, folder: Path) -> None:
        self._about = json.loads((folder / FEATURES).read_text(encoding="utf-8"))
        has_trees = (folder / TREES).exists()
        self._answers = _trees(folder / TREES) if has_trees else _linear(folder / LINEAR)

    def predict(self, inputs: Mapping[str, Array], batch_size: int = _ROWS, verbose: int = 0) -> Array:
        """Predictions (n, k): probabilities, or numbers in the label's unit."""
        rows = len(next(iter(inputs.values())))
        parts = [
            self._answers(features(self._about, {key: x[at : at + batch_size] for key, x in inputs.items()}))
            for at in range(0, max(rows, 1), batch_size)
        ]
        return np.concatenate(parts)


def features(about: Mapping[str, Any], inputs: Mapping[str, Array]) -> Any:
    """Features (n, d) float32 of raw inputs, each (n,); of texts the places and values of each row."""
    if about["kind"] == "table":
        return table(about, inputs)
    (values,) = inputs.values()
    if about["kind"] == "kmers":
        return kmers(values, about["letters"], about["longest"])
    return list(tfidf(about, values))


def table(about: Mapping[str, Any], inputs: Mapping[str, Array]) -> Array:
    """The features of columns side by side, those that vary, (n, d) float32."""
    rows = len(next(iter(inputs.values())))
    parts = []
    for column in about["columns"]:
        name = column["input"]
        constant = about["constants"].get(name)
        values = (
            np.full(rows, constant, np.float32)
            if constant is not None and name not in inputs
            else inputs[name]
        )
        if column["type"] == "category":
            parts.append(_one_hot(values.reshape(-1), column["values"]))
        else:
            parts.append(_scaled(date_parts(values) if column["type"] == "date" else values, column))
    if about["kept"] == []:
        return np.zeros((rows, 1), np.float32)
    return np.concatenate(parts, axis=1)[:, about["kept"]]


def _one_hot(values: Array, known: list[Any]) -> Array:
    """(n, known + 1), the last for what is not known."""
    place = {value: number for number, value in enumerate(known)}
    places = np.array([place.get(value, len(known)) for value in values.tolist()], np.int64)
    return np.eye(len(known) + 1, dtype=np.float32)[places]


def _scaled(values: Array, column: Mapping[str, Any]) -> Array:
    """The columns scaled, 0 for missing, and whether any is missing: (n, d + 1)."""
    matrix = values.reshape(len(values), -1)
    mean, variance, factor, most = (np.array(column[name]) for name in ("mean", "variance", "factor", "most"))
    with np.errstate(over="ignore"):  # far beyond the train rows
        x = (matrix.astype(np.float64) * factor - mean) / np.sqrt(variance)
    x = np.where(np.array(column["varies"]) & ~np.isnan(x), np.clip(x, -most, most), 0.0)
    missing = np.isnan(matrix).any(axis=1, keepdims=True)
    return np.concatenate([x, missing], axis=1).astype(np.float32)


def date_parts(values: Array) -> Array:
    """Years since 2000 with their fraction, month, day and hour, (n, 4) float32; NaN for "".

    Dates read `YYYY-MM-DD` or `YYYY-MM-DDTHH:MM:SS`.
    """
    parts = np.full((len(values), 4), np.nan)
    for row, value in enumerate(values.reshape(-1).tolist()):
        if value:
            year, month, day = int(value[:4]), int(value[5:7]), int(value[8:10])
            clock = value[11:19].split(":") if len(value) > 10 else ()
            hour = sum(int(one) / 60**power for power, one in enumerate(clock))
            fraction = _DAYS[month - 1] + (day - 1) / 372 + hour / (372 * 24)
            parts[row] = year - 2000 + fraction, month, day, hour
    return parts.astype(np.float32)


def kmers(values: Array, letters: str, longest: int) -> Array:
    """The shares of the k-mers of each length among those of the length, (n, Σ lettersᵏ) float32.

    Small letters are read as large ones, U as T; a run with any other sign in it is not counted.
    """
    sizes = [len(letters) ** k for k in range(1, longest + 1)]
    whole = np.zeros((len(values), sum(sizes)), np.float32)
    for start, some in _blocks(values.reshape(-1)):
        code = _codes(some, letters)
        row = np.repeat(np.arange(len(some)), [len(value) + 1 for value in some])
        run, first = code, 0
        for k, size in enumerate(sizes, start=1):
            if k > 1:  # the run that ends one letter later; -1 stays what is none
                run, after = run[:-1], code[k - 1 :]
                run = np.where((run < 0) | (after < 0), -1, run * len(letters) + after)
            is_run = run >= 0
            cells = row[: len(run)][is_run] * size + run[is_run]
            counts = np.bincount(cells, minlength=len(some) * size).reshape(len(some), size)
            shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
            whole[start : start + len(some), first : first + size] = shares
            first += size
    return whole


def _blocks(values: Array) -> Iterator[tuple[int, list[str]]]:
    start, some, letters = 0, list[str](), 0
    for place, value in enumerate(values.tolist()):
        some.append(value)
        letters += len(value)
        if letters >= _BLOCK_LETTERS:
            yield start, some
            start, some, letters = place + 1, [], 0
    if some:
        yield start, some


def _codes(some: list[str], letters: str) -> Array:
    """The number of each letter, -1 for any other sign, and -1 after each sequence."""
    codes = np.full(256, -1, np.int64)
    for number, letter in enumerate(letters):
        codes[[ord(letter), ord(letter.lower())]] = number
    if "T" in letters and "U" not in letters and len(letters) == 4:
        codes[[ord("U"), ord("u")]] = codes[ord("T")]
    text = "\n".join([*some, ""]).encode("latin-1", "replace")
    found: Array = codes[np.frombuffer(text, np.uint8)]
    return found


def tfidf(about: Mapping[str, Any], values: Array) -> Iterator[tuple[Array, Array]]:
    """Of each text the places of its terms and their values, as scikit-learn's TfidfVectorizer has them."""
    place = {term: number for number, term in enumerate(about["terms"])}
    idf = np.array(about["idf"], np.float64)
    for text in values.reshape(-1).tolist():
        known = Counter(place[term] for term in _terms(text[: about["length"]], about) if term in place)
        places = np.array(sorted(known), np.int64)
        x = np.array([1 + math.log(known[number]) for number in places.tolist()]) * idf[places]
        norm = math.sqrt(float((x**2).sum()))
        yield places, x / norm if norm else x


def _terms(text: str, about: Mapping[str, Any]) -> Iterator[str]:
    least, most = about["ngrams"]
    text = text.lower()
    if about["analyzer"] == "word":
        words = re.findall(r"(?u)\b\w+\b", text)
        for n in range(least, most + 1):
            yield from (" ".join(words[at : at + n]) for at in range(len(words) - n + 1))
        return
    for word in text.split():
        padded = f" {word} "
        for n in range(least, most + 1):
            yield from (padded[at : at + n] for at in range(max(1, len(padded) - n + 1)))
            if len(padded) <= n:  # a shorter word counts once
                break


def _trees(path: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    return lambda x: session.run(["predictions"], {"features": x})[0]


def _linear(path: Path) -> Any:
    with np.load(path, allow_pickle=False) as file:
        known = dict(file)

    def answers(x: Any) -> Array:
        kernel, bias = known["kernel"], known["bias"]
        scores = np.stack([values @ kernel[places] + bias for places, values in x])
        return _linked(scores, known)

    return answers


def _linked(scores: Array, known: Mapping[str, Array]) -> Array:
    link = str(known["link"])
    if link == "sigmoid":
        p: Array = 0.5 * (1 + np.tanh(scores / 2))  # without overflow
    elif link == "softmax":
        p = np.exp(scores - scores.max(axis=1, keepdims=True))
        p /= p.sum(axis=1, keepdims=True)
    else:
        return scores
    if "spread" in known:
        p = p @ known["spread"] + known["rest"]
    return p.astype(np.float32)
