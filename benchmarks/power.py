"""How often is a transfer that helps said to help, with 3 seeds and with 5? And do the intervals hold?

100 tasks of `known_answers.shared_features`: source and target know the same hidden features, 40 rows train
and 600 declared rows test, none validates. Each is a whole job at the defaults; with 5 seeds it goes on from
what it has with 3. How often the intervals hold the true gain is simulated, see `coverage`.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import coverage, known_answers, ledger
from benchmarks.null import commit, measured_of, said, share

TASKS, TRAIN_ROWS, TEST_ROWS = 100, 40, 600
LEAST = 88
SEEDS = (3, 5)
_COLUMNS = (
    "Seeds",
    "Helped",
    "No difference",
    "Hurt",
    "No verdict",
    "Control",
    "Transfer",
    "Mean gain",
    "Mean half width",
)


def measure(out: Path, shard: str, most: int | None) -> Iterator[str]:
    """Run what is not in the file yet, and write a line of each task to it."""
    done = {one["number"] for one in ledger.read([out])}
    left = [number for number in ledger.of_shard(range(TASKS), shard) if number not in done]
    of = commit()
    for measured in ledger.measure(left[:most], run):
        ledger.append(out, {**measured, "commit": of})
        verdicts = ", ".join(f"{measured[str(seeds)]['verdict']} with {seeds} seeds" for seeds in SEEDS)
        yield f"{measured['number']}: {verdicts}, {measured['cpu_seconds']:.0f} s"


def run(number: int) -> dict[str, Any]:
    """What the job of one task says with each number of seeds, in a process that has TensorFlow."""
    from benchmarks.in_process import Workplace

    with tempfile.TemporaryDirectory(prefix="model-transfer-power-") as folder:
        place = Workplace(Path(folder) / "service")
        begun = time.process_time()
        try:
            uploads = known_answers.write_tables(
                Path(folder), "power", (TRAIN_ROWS, 0, TEST_ROWS), number, shuffled=False
            )
            for upload in uploads:
                place.store(upload)
            request = {
                "model": "power",
                "source": {"dataset": "power-source"},
                "target": {"dataset": "power-target"},
                "evaluation": {"seeds": SEEDS[0]},
                "champion": "never",
            }
            job = place.accept(request)
            found = {str(SEEDS[0]): said(place.run(job))}
            for seeds in SEEDS[1:]:
                place.ask_for_seeds(job, seeds)
                found[str(seeds)] = said(place.run(job))
        finally:
            place.close()
        seconds = time.process_time() - begun
    return {"number": number, **found, "cpu_seconds": round(seconds, 1)}


def summary(found: Sequence[dict[str, Any]]) -> list[str]:
    """How many were `helped`, and how wide the intervals were; then the simulated coverage."""
    lines = [
        f"{measured_of(found, f'{TASKS} tasks')} Aim: `helped` in {LEAST}.",
        "",
        f"| {' | '.join(_COLUMNS)} |",
        "| ---: | --- |" + " ---: |" * (len(_COLUMNS) - 2),
    ]
    for seeds in map(str, SEEDS):
        of = [one[seeds] for one in found]
        if not of:
            continue
        verdicts = [one["verdict"] for one in of]
        gains = [one["gain"] for one in of if one["gain"]]
        cells = [seeds, share(verdicts.count("helped"), len(of))]
        cells += [str(verdicts.count(verdict)) for verdict in ("no difference", "hurt", None)]
        cells += [f"{np.mean([gain[arm] for gain in gains]):.3f}" for arm in ("control", "transfer")]
        cells.append(f"{np.mean([gain['value'] for gain in gains]):+.3f}")
        cells.append(f"{np.mean([(gain['high'] - gain['low']) / 2 for gain in gains]):.3f}")
        lines.append("| " + " | ".join(cells) + " |")
    return [*lines, "", *coverage.table()]
