"""DNA, RNA and protein: how often each run of letters occurs, and which letter stands where."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from workers.transfer.baselines.learners import Learner
from workers.transfer.baselines.linear import linear
from workers.transfer.baselines.readings import MOST_ROWS, MOST_VALUES, Inputs, Reading, as_they_are
from workers.transfer.baselines.trees import MOST_CLASSES, gradient_boosting
from workers.transfer.data import Array, Data, Rows
from workers.transfer.networks.inputs import sequence

LONGEST_RUN = {"nucleotide": 4, "protein": 2}
"""Letters of the longest k-mer: 340 of up to four letters of DNA, 420 of up to two of protein."""

BOOSTED_ROWS = 100
"""Train rows of proteins from which gradient boosting of k-mers is a candidate."""

MOST_POSITIONS = 512
"""Letters that are read by their place, from the start."""

_BLOCK_LETTERS = 1 << 22


def readings(data: Data, pool: Rows | None = None) -> list[Reading]:
    """k-mers; of DNA and RNA also the letter at each place; with a pool also beside the source's rows."""
    (column,) = data.signature.columns
    rows, classes = len(data.train), len(data.signature.classes)
    found = [_of_kmers(column.type, rows, classes)]
    if column.type == "nucleotide":
        found.append(_of_places(data))
    if pool is None:
        return found
    # Boosting thousands of pooled rows would take longer than all else together.
    pooled = [_of_kmers(column.type, 0, classes), *found[1:]]
    return found + [
        replace(one, learners={f"pooled_{name}": of for name, of in one.learners.items()}, pool=pool)
        for one in pooled
    ]


def _of_kmers(alphabet: str, rows: int, classes: int) -> Reading:
    learners: dict[str, Learner] = {"kmers": linear}
    if alphabet == "protein" and rows >= BOOSTED_ROWS and classes <= MOST_CLASSES:
        learners["kmers_gradient_boosting"] = gradient_boosting
    return Reading(learners, as_they_are("kmers"), partial(_kmers_of, alphabet))


def _kmers_of(alphabet: str, inputs: Inputs) -> Inputs:
    return {"kmers": kmers(inputs["sequence"], alphabet)}


def kmers(values: Array, alphabet: str) -> Array:
    """The shares of the k-mers of each length among those of the length, (n, Σ lettersᵏ) float32.

    Small letters are read as large ones, U as T; a run with any other sign in it is not counted.
    """
    letters, longest = sequence.CHANNELS[alphabet], LONGEST_RUN[alphabet]
    sizes = [len(letters) ** k for k in range(1, longest + 1)]
    whole = np.zeros((len(values), sum(sizes)), np.float32)
    for start, some in _blocks(values):
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
    table = np.full(256, -1, np.int64)
    for number, letter in enumerate(letters):
        table[[ord(letter), ord(letter.lower())]] = number
    if "T" in letters and "U" not in letters and len(letters) == 4:
        table[[ord("U"), ord("u")]] = table[ord("T")]
    text = "\n".join([*some, ""]).encode("latin-1", "replace")
    return table[np.frombuffer(text, np.uint8)]


def _of_places(data: Data) -> Reading:
    part = sequence.first(data.signature.columns, data.train.inputs, {"length": None, "kind": "convnet"})
    _, length, channels = part.output_shape
    if length > MOST_POSITIONS:
        length = MOST_POSITIONS
        part = sequence.first(data.signature.columns, {}, {"length": length, "kind": "convnet"})

    def prepare(inputs: Mapping[str, Array]) -> Inputs:
        blocks = list(sequence.blocks(part, [inputs["sequence"]]))
        return {"places": np.concatenate(blocks).reshape(-1, length * channels)}

    most = min(MOST_ROWS, MOST_VALUES // (length * channels))
    return Reading({"one_hot": linear}, as_they_are("places"), prepare, most)
