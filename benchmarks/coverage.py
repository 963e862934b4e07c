"""How often does the interval hold the true gain, and how often 0? Simulated, with known variances.

Row i of n is answered by training s of an arm with a score; the metric is the mean over the rows. An arm's
scores are its mean, the row's difficulty, what the training's seed adds to all rows, and noise of both. All
trainings of a transfer have one source, which adds as much as a seed does. The gain that is sought is the
mean over rows, seeds and sources. The intervals are those of `workers.transfer.proof.intervals`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from benchmarks.null import share
from workers.transfer.data import Array
from workers.transfer.proof.intervals import interval, of_rows, of_seeds

DRAWS, ROWS, BOOTSTRAP = 2000, 300, 1000
LEAST = 0.93
GAIN = 0.1


@dataclass(frozen=True)
class Setting:
    """Standard deviations: of a row's difficulty for an arm, of what a seed adds, and of noise of both.

    transfer: None for an arm that no seed enters, and which is fitted once.
    """

    name: str
    row: float
    transfer: float | None
    control: float
    noise: float = 0.0


SETTINGS = (
    Setting("rows alone", 0.25, 0.0, 0.0, 0.25),
    Setting("rows and seeds alike", 0.25, 0.03, 0.03, 0.25),
    Setting("seeds above all", 0.1, 0.05, 0.05, 0.1),
    Setting("the control's seeds above all", 0.1, 0.01, 0.05, 0.1),
    Setting("the control's seeds, a transfer fitted once", 0.15, None, 0.05),
    Setting("the control's seeds and rows, a transfer fitted once", 0.3, None, 0.05),
)
"""The last two are the hardest that were found: where the seeds' share is known least."""


class Held(NamedTuple):
    """In how many draws the interval held the true gain, in how many it lay above 0."""

    true: int
    helped: int


def coverage(setting: Setting, seeds: int, *, shared_source: bool, draws: int = DRAWS) -> Held:
    """Of the 95 % interval of a true gain of `GAIN`."""
    random = np.random.default_rng([47, seeds, shared_source, SETTINGS.index(setting)])
    weights = random.multinomial(ROWS, np.full(ROWS, 1 / ROWS), BOOTSTRAP).T / ROWS  # (rows, bootstrap)
    held = helped = 0
    for _ in range(draws):
        source = random.normal() * setting.control if shared_source else 0.0
        transfer = _scores(random, setting, setting.transfer, seeds) + source + GAIN
        control = _scores(random, setting, setting.control, seeds)
        gains = (transfer.mean(axis=0) - control.mean(axis=0)) @ weights
        parts = [
            of_rows(gains, ROWS),
            *of_seeds(list(transfer.mean(axis=1)), list(control.mean(axis=1)), shared_source=shared_source),
        ]
        low, high = interval(float(transfer.mean() - control.mean()), parts, 0.95)
        held += low <= GAIN <= high
        helped += low > 0
    return Held(held, helped)


def _scores(random: np.random.Generator, setting: Setting, spread: float | None, seeds: int) -> Array:
    """Of each training, on each row."""
    trainings = 1 if spread is None else seeds
    of_arm = random.normal(size=ROWS) * setting.row
    of_training = random.normal(size=(trainings, ROWS)) * setting.noise
    return of_arm + of_training + random.normal(size=(trainings, 1)) * (spread or 0.0)


def table() -> Iterator[str]:
    """A line for each setting, with 3 seeds and with 5, with a shared source and without."""
    yield (
        f"{DRAWS:,} draws of {ROWS} test rows and a true gain of {GAIN}. The 95% interval holds it (aim: "
        f"{LEAST}), and lies above 0:"
    )
    yield ""
    yield "| What varies | Seeds | Source | Holds it | Above 0 |"
    yield "| --- | ---: | --- | --- | ---: |"
    for setting in SETTINGS:
        for seeds in (3, 5):
            for shared in (False, True):
                of = coverage(setting, seeds, shared_source=shared)
                source = "trained once" if shared else "a preset, or none"
                found = f"{share(of.true, DRAWS)} | {of.helped / DRAWS:.3f}"
                yield f"| {setting.name} | {seeds} | {source} | {found} |"
