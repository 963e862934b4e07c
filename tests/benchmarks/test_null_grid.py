"""The grid of jobs in which nothing can be transferred."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from app.jobs.schemas import JobRequest
from benchmarks.null_grid import JOBS, METHODS, NETWORKS, ROWS, jobs


def test_each_job_is_there_once_and_has_a_number_of_its_own() -> None:
    found = jobs()
    assert sorted(job.number for job in found) == list(range(JOBS))
    assert len({(job.kind, job.method, job.rows, job.declares_test) for job in found}) == JOBS


def test_the_first_jobs_are_a_fair_sample_of_the_grid() -> None:
    first = jobs()[:40]
    for name, values in {"kind": NETWORKS, "method": METHODS, "rows": ROWS}.items():
        counts = Counter(getattr(job, name) for job in first)
        assert set(counts) == set(values)
        assert max(counts.values()) <= 40 / len(values) + 3


def test_each_job_is_one_that_the_service_reads_at_its_defaults() -> None:
    for job in jobs():
        request = JobRequest.model_validate(job.request())
        assert request.evaluation.model_fields_set == set()
        assert request.training.model_fields_set == {"seed"}


def test_source_and_target_have_seeds_of_their_own() -> None:
    seeds = [set(range(job.request()["training"]["seed"], 100 * job.number + 100)) for job in jobs()]
    of_sources = {job.request()["source"]["training"]["seed"] for job in jobs()}
    assert len(of_sources) == JOBS
    assert sum(map(len, seeds)) == len(set.union(*seeds)) == 100 * JOBS
    assert not of_sources & set.union(*seeds)


@pytest.mark.parametrize("kind", NETWORKS)
def test_a_number_always_writes_the_same_files(kind: str, tmp_path: Path) -> None:
    job = next(job for job in jobs() if job.kind == kind and job.declares_test)
    written = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        written.append([upload.path.read_bytes() for upload in job.write(tmp_path / name)])
    assert written[0] == written[1]


def test_labels_of_the_source_are_coins_and_those_of_the_target_can_be_learnt(tmp_path: Path) -> None:
    job = next(
        job for job in jobs() if job.kind == "tabular" and job.rows == 2000 and job.task == "regression"
    )
    source, target = job.write(tmp_path)
    x, y = _read(source.path)
    assert abs(np.corrcoef(np.hstack([x, (y == "s1")[:, None]]).T)[-1, :-1]).max() < 4 / np.sqrt(len(x))
    x, y = _read(target.path)
    fitted = np.linalg.lstsq(np.hstack([x, np.ones((len(x), 1))]), y.astype(float), rcond=None)
    assert fitted[1][0] / len(y) < 0.8 * y.astype(float).var()


def test_declared_test_rows_come_beside_the_labelled_ones(tmp_path: Path) -> None:
    job = next(job for job in jobs() if job.kind == "text" and job.rows == 250 and job.declares_test)
    with job.write(tmp_path)[1].path.open(newline="", encoding="utf-8") as file:
        parts = Counter(row["split"] for row in csv.DictReader(file))
    assert parts == {"train": 200, "validation": 50, "test": 300}


def _read(path: Path) -> tuple[np.ndarray, np.ndarray]:
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))[1:]
    return np.array([row[:6] for row in rows], float), np.array([row[6] for row in rows])
