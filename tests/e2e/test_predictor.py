"""The predictor is killed while rows are asked for, and everybody hears an answer or when to ask again."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx2
import psutil

from tests.conftest import WriteCsv, wait_for
from tests.e2e.conftest import Service

CLIENTS = 6


def predictor(service: Service) -> list[psutil.Process]:
    found = psutil.Process(service.process.pid).children(recursive=True)
    return [process for process in found if _predicts(process)]


def _predicts(process: psutil.Process) -> bool:
    try:
        return "workers.predictor" in process.cmdline()
    except psutil.Error:  # it ended meanwhile
        return False


def test_a_killed_predictor_loses_no_request_and_is_started_again(
    service: Service, tmp_path: Path, write_csv: WriteCsv
) -> None:
    for seed, name in enumerate(("killed-source", "killed-target")):
        service.upload(name, write_csv(tmp_path / f"{name}.csv", 240, seed=seed), label="y")
    evaluation = {"control": False, "baseline": False, "seeds": 1}
    asked = {"training": {"epochs": 1}, "evaluation": evaluation, "model": "killed"}
    sides = {"source": {"dataset": "killed-source"}, "target": {"dataset": "killed-target"}}
    service.wait(service.post(**asked, **sides)["id"])
    told: list[httpx2.Response] = []
    answered, over = threading.Semaphore(0), threading.Event()

    def ask() -> None:
        with httpx2.Client(base_url=service.address, timeout=120) as http:
            while not over.is_set():
                body = {"instances": [{"a": 0.5, "b": 1, "c": 0, "city": "rome"}]}
                told.append(http.post("/v1/models/killed:predict", json=body))
                answered.release()

    clients = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for client in clients:
        client.start()
    try:
        wait_for(lambda: any(answer.status_code == 200 for answer in told), 120)
        assert {answer.status_code for answer in told} == {200}  # `serve` is ready when its predictor is
        (killed,) = predictor(service)
        killed.kill()
        before = len(told)
        wait_for(lambda: any(answer.status_code == 200 for answer in told[before + CLIENTS :]), 240)
    finally:
        over.set()
        for client in clients:
            client.join()
    assert {answer.status_code for answer in told} == {200, 503}
    assert all(answer.headers["retry-after"] == "1" for answer in told if answer.status_code == 503)
    answers = [answer.json()["predictions"][0] for answer in told if answer.status_code == 200]
    assert {one["class"] for one in answers} == {answers[0]["class"]}
    chances = [one["probabilities"]["pass"] for one in answers]  # of batches of different sizes
    assert max(chances) - min(chances) <= 1e-6
    assert predictor(service) != [killed]
