"""DNA, RNA and protein: how often each run of letters occurs, and which letter stands where."""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from workers.transfer.baselines import bundled_model, sequence_layers
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
    letters, longest = sequence.CHANNELS[alphabet], LONGEST_RUN[alphabet]
    return Reading(
        learners,
        as_they_are("kmers"),
        partial(_kmers_of, alphabet),
        parts=partial(sequence_layers.kmers, letters, longest),
        about=lambda _: {"kind": "kmers", "letters": letters, "longest": longest},
    )


def _kmers_of(alphabet: str, inputs: Inputs) -> Inputs:
    return {"kmers": kmers(inputs["sequence"], alphabet)}


def kmers(values: Array, alphabet: str) -> Array:
    """The shares of the k-mers, (n, Σ lettersᵏ) float32, see `bundled_model`."""
    return bundled_model.kmers(values, sequence.CHANNELS[alphabet], LONGEST_RUN[alphabet])


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
    parts = partial(sequence_layers.places, part)
    return Reading({"one_hot": linear}, as_they_are("places"), prepare, most, parts=parts)
