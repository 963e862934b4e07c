"""A client that a generator makes of the OpenAPI document does what a user would."""

from __future__ import annotations

import importlib
import io
import json
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from tests.conftest import WriteCsv
from tests.e2e.conftest import Service

PACKAGE = "generated_client"
CONFIG = {"post_hooks": [], "package_name_override": PACKAGE}  # it need not be beautiful


@pytest.fixture(scope="module")
def generated(service: Service, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModuleType]:
    """The client, imported from where it was made; a warning of the generator fails."""
    folder = tmp_path_factory.mktemp("generated")
    (folder / "openapi.json").write_bytes(service.http.get("/openapi.json").content)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    command = [
        sys.executable,
        "-m",
        "openapi_python_client",
        "generate",
        "--meta",
        "none",
        "--fail-on-warning",
    ]
    options = ["--path", "openapi.json", "--config", "config.json", "--output-path", PACKAGE]
    made = subprocess.run([*command, *options], cwd=folder, capture_output=True, text=True)
    assert made.returncode == 0, made.stdout + made.stderr
    sys.path.insert(0, str(folder))
    yield importlib.import_module(PACKAGE)
    sys.path.remove(str(folder))
    for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[name]


def part(name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.{name}")


def test_a_generated_client_uploads_starts_waits_and_downloads(
    service: Service, generated: ModuleType, tmp_path: Path, write_csv: WriteCsv
) -> None:
    models = part("models")
    source, target = (
        write_csv(tmp_path / f"{name}.csv", rows, seed=seed)
        for name, rows, seed in (("source", 200, 1), ("target", 120, 2))
    )
    with generated.Client(base_url=service.address, timeout=120, raise_on_unexpected_status=True) as client:
        file = part("types").File(io.BytesIO(source.read_bytes()), "source.csv", "text/csv")
        form = models.UploadDatasetFilesBody(file=file, name="generated-source", label="y")
        uploaded = part("api.datasets.upload_dataset").sync(client=client, body=form)
        assert isinstance(uploaded, models.DatasetView), uploaded
        raw = part("types").File(io.BytesIO(target.read_bytes()))
        uploaded = part("api.datasets.upload_dataset").sync(
            client=client, body=raw, name="generated-target", label="y", filename="target.csv"
        )
        assert isinstance(uploaded, models.DatasetView), uploaded

        request = models.JobRequest(
            model="generated",
            source=models.Source(dataset="generated-source"),
            target=models.Target(dataset="generated-target"),
            network=models.Mlp(hidden_units=[8]),
            training=models.Training(epochs=2, learning_rate=0.01),
            evaluation=models.Evaluation(seeds=1, baseline=False, draws=1000),
        )
        job = part("api.jobs.create_job").sync(client=client, body=request)
        assert isinstance(job, models.JobView), job
        while not job.terminal:
            job = part("api.jobs.get_job").sync(job.id, client=client, wait=100)
        assert job.state == models.State.SUCCEEDED, job
        assert job.network.hidden_units == [8]

        ref = job.result.version
        version = part("api.models.get_model_version").sync(ref, client=client)
        assert version.lineage.job == job.name
        assert {layer.part for layer in version.receipt.layers} >= {"backbone", "head"}
        report = part("api.jobs.get_job_report").sync(job.id, client=client)
        assert report.evaluation.metrics["transfer"].additional_properties.keys() >= {"accuracy"}
        events = part("api.jobs.list_job_events").sync(job.id, client=client)
        assert events.data[-1].type_ == "job.succeeded"
        downloaded = part("api.models.download_model_version").sync(ref, client=client)
        assert "config.json" in zipfile.ZipFile(downloaded.payload).namelist()
