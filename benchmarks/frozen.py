"""A linear probe on a frozen backbone: the service against a script that runs the backbone in every epoch."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

from benchmarks import kinds
from benchmarks.asking import ask, warm
from benchmarks.report import Line
from benchmarks.service import Service, warm_service

EPOCHS = 20
BATCH = 32
OF_FORMULA, SECOND = 0.8, 10.0
"""The aims: of the speed-up that the formula allows, and of a second job over the first."""


def measure(folder: Path, data: Path) -> list[Line]:
    """One job, then a second one with another learning rate; the script and its parts in a warm process.

    With E epochs, c_f the backbone's seconds an epoch and c_h the head's, computing features once allows a
    speed-up of E(c_f + c_h) / (c_f + E c_h).
    """
    with warm_service(folder) as service, warm("benchmarks.probe") as keras:
        flowers = next(up for up in kinds.write(folder, data) if up.declared.get("name") == "flowers-all")
        service.upload(flowers.path, **flowers.declared)
        first, second = (_job(service, rate) for rate in (0.003, 0.002))
        naive, c_f, c_h = (
            ask(keras, json.dumps({"zip": str(flowers.path), "epochs": EPOCHS, "batch": BATCH, "part": part}))
            for part in ("naive", "backbone", "head")
        )
    allowed = EPOCHS * (c_f + c_h) / (c_f + EPOCHS * c_h)
    reached, again = naive / first["training"], first["training"] / second["training"]
    what = f"probe, {EPOCHS} epochs, 720 images of 224 x 224"
    return [
        Line(
            f"{what}: share of the speed-up of {allowed:.1f} that the formula allows",
            f"{first['training']:.2f} s",
            f"the backbone in every epoch: {naive:.2f} s, {reached:.1f} times",
            reached / allowed,
            f"at least {OF_FORMULA}",
            reached / allowed >= OF_FORMULA,
        ),
        Line(
            f"{what}: a second job's training, first over second",
            f"{second['training']:.2f} s",
            f"the first's: {first['training']:.2f} s",
            again,
            f"at least {SECOND:g}",
            again >= SECOND,
        ),
        Line(
            f"{what}: the whole of the second job, first over second",
            f"{second['whole']:.2f} s",
            f"the first: {first['whole']:.2f} s",
            first["whole"] / second["whole"],
            f"at least {SECOND:g}",
            first["whole"] / second["whole"] >= SECOND,
        ),
    ]


def _job(service: Service, rate: float) -> dict[str, float]:
    """Seconds of the stages that prepare and train, and from POST to succeeded."""
    job = service.run(
        {
            "model": "flowers",
            "source": {"preset": "efficientnet_lite0"},
            "target": {"dataset": "flowers-all"},
            "method": kinds.PROBE,
            "training": {"epochs": EPOCHS, "batch_size": BATCH, "learning_rate": rate},
            "evaluation": {"control": False},
        }
    )
    stages = {stage["stage"]: _seconds(stage["started_at"], stage["finished_at"]) for stage in job["stages"]}
    return {
        "training": stages["source"] + stages["transfer"],
        "whole": _seconds(job["created_at"], job["finished_at"]),
    }


def _seconds(begin: str, end: str) -> float:
    return (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
