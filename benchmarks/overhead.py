"""What the service adds to training: its training stages against the same epochs in plain Keras."""

from __future__ import annotations

import json
import subprocess
from datetime import datetime
from pathlib import Path
from typing import Any

from benchmarks.asking import ask, warm
from benchmarks.data import write_split
from benchmarks.report import Line, ratio, seconds
from benchmarks.service import Service, example_job, warm_service

ROWS = 20_000
EPOCHS = 10
NETWORKS = ([64, 64], [512, 512])
AIM = 1.05


def measure(folder: Path, rounds: int) -> list[Line]:
    """The sides take turns; each round has a seed of its own, so that no source is found trained."""
    lines = []
    with warm_service(folder) as service, warm("benchmarks.plain") as keras:
        paths = [
            write_split(folder / f"large-{name}.csv", train=ROWS, test=100, seed=seed)
            for seed, name in enumerate(("source", "target"))
        ]
        for path in paths:
            service.upload(path)
        for units in NETWORKS:
            service_seconds, keras_seconds = [], []
            _ask(keras, paths, units, 0)
            for seed in range(1, rounds + 1):
                keras_seconds.append(_ask(keras, paths, units, seed))
                service_seconds.append(_training_stages(service, units, seed))
            compared = ratio(service_seconds, keras_seconds)
            what = f"training stages, {units} units, {ROWS:,} rows, {2 * EPOCHS} epochs"
            plain = f"plain Keras, as many steps a call: {seconds(keras_seconds)}"
            lines.append(
                Line(what, seconds(service_seconds), plain, compared, f"at most {AIM}", compared <= AIM)
            )
    return lines


def _training_stages(service: Service, units: list[int], seed: int) -> float:
    """Seconds of the stages `source` and `transfer`: reading the data, training, writing the networks."""
    asked = example_job(seed)
    job = service.run(
        {
            **asked,
            "source": {"dataset": "large-source"},
            "target": {"dataset": "large-target"},
            "network": {**asked["network"], "hidden_units": units},
            "training": {**asked["training"], "epochs": EPOCHS},
        }
    )
    return sum(_took(stage) for stage in job["stages"] if stage["stage"] in ("source", "transfer"))


def _took(stage: dict[str, Any]) -> float:
    if stage["reused"]:
        raise RuntimeError("Expected a job that trains its source. Received: one that found it trained.")
    begin, end = (datetime.fromisoformat(stage[name]) for name in ("started_at", "finished_at"))
    return (end - begin).total_seconds()


def _ask(process: subprocess.Popen[str], paths: list[Path], units: list[int], seed: int) -> float:
    source, target = map(str, paths)
    question = {"source": source, "target": target, "units": units, "epochs": EPOCHS, "seed": seed}
    return ask(process, json.dumps(question))
