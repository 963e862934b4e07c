"""A hundred thousand small images: upload, validation and training, with the memory of API and worker."""

from __future__ import annotations

import io
import json
import time
import zipfile
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.report import Line
from benchmarks.service import Service, warm_service

IMAGES = 100_000
API_BYTES, WORKER_BYTES = 300 << 20, 3 << 30
"""The aims."""


def measure(folder: Path) -> list[Line]:
    """One upload, followed as a stream, and one job of an epoch on the source and one on the target."""
    path = _write(folder / "many.zip")
    with warm_service(folder) as service:
        rows, seconds = _upload(service, path)
        api = service.peak_memory() or 0
        job = service.run(
            {
                "model": "many",
                "source": {"dataset": "many"},
                "target": {"dataset": "many"},
                "network": {"kind": "convnet", "filters": [16], "dense_units": [32]},
                "training": {"epochs": 1, "batch_size": 256},
                "evaluation": {"control": False},
            }
        )
        worker = service.worker_peak_memory() or 0
    accuracy = job["result"]["metrics"]["transfer"]["accuracy"]
    uploaded = (
        f"{IMAGES:,} images of 28 x 28, uploaded and validated in {seconds:.1f} s, told {len(rows)} times"
    )
    return [
        Line(
            f"{uploaded}: the API's peak memory",
            f"{api / 2**20:.0f} MB",
            "-",
            api / API_BYTES,
            f"under {API_BYTES >> 20} MB",
            api < API_BYTES,
        ),
        Line(
            f"a job on them (accuracy {accuracy:.2f}): the worker's peak memory",
            f"{worker / 2**20:.0f} MB",
            "-",
            worker / WORKER_BYTES,
            f"under {WORKER_BYTES >> 20} MB",
            worker < WORKER_BYTES,
        ),
    ]


def _upload(service: Service, path: Path) -> tuple[list[int], float]:
    """The numbers of rows that were told on the way, and the seconds of it all."""
    begin = time.perf_counter()
    headers = {"accept": "text/event-stream"}
    rows: list[int] = []
    kind = ""
    with (
        path.open("rb") as file,
        service.http.stream("POST", "/v1/datasets?name=many", content=file, headers=headers) as stream,
    ):
        for line in stream.iter_lines():
            if line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: ") and kind == "validating":
                rows.append(json.loads(line.removeprefix("data: "))["rows"])
    if kind != "dataset":
        raise RuntimeError(f"Expected a data set. Received: {kind}.")
    return rows, time.perf_counter() - begin


def _write(path: Path) -> Path:
    """Grey noise with a bar whose place is the class."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(IMAGES):
            pixels = rng.integers(0, 200, (28, 28), dtype=np.uint8)
            label = number % 10
            pixels[:, 2 * label : 2 * label + 3] += 50
            out = io.BytesIO()
            Image.fromarray(pixels).save(out, "PNG", compress_level=1)
            archive.writestr(f"class {label}/{number}.png", out.getvalue())
    return path
