"""Memory and open files of a worker after 20 jobs and after 200: does anything grow from job to job?"""

from __future__ import annotations

from pathlib import Path

import psutil

from benchmarks.service import Service, example_job, warm_service


def measure(folder: Path, jobs: int = 200, early: int = 20) -> list[str]:
    """Small jobs one after the other, each with a seed of its own, in a service with its defaults."""
    lines = []
    with warm_service(folder) as service:
        for number in range(1, jobs + 1):
            request = example_job(number)
            request["training"] = {**request["training"], "epochs": 2}
            service.run(request)
            if number in (early, jobs):
                lines.append((number, _of_worker(service)))
    return [f"after {number} jobs: {parts}" for number, parts in lines]


def _of_worker(service: Service) -> str:
    """Resident memory and open descriptors of the worker's parent and of the process that runs the jobs."""
    parts = []
    for child in psutil.Process(service.process.pid).children():
        if "celery" in " ".join(child.cmdline()):
            for name, process in [("parent", child), *(("job process", fork) for fork in child.children())]:
                mib = process.memory_info().rss / 2**20
                parts.append(f"{name} {mib:.0f} MiB, {process.num_fds()} open files")
    return "; ".join(parts)
