"""Rows that were seen before are left out by the real processes, and the user is told."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np

from tests.e2e.conftest import Service

BY_HEART = {"epochs": 150, "batch_size": 32, "learning_rate": 0.01}
ASKED: dict[str, Any] = {
    "model": "seen",
    "network": {"kind": "mlp", "hidden_units": [256], "dropout": 0.0},
    "method": {"kind": "parameter", "strategy": "full"},
    "champion": "never",
}
LITTLE = {"epochs": 1, "learning_rate": 1e-5}


def _write(path: Path, x: np.ndarray, y: np.ndarray, order: str = "abcdefgh") -> Path:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*order, "y"])
        for values, label in zip(x, y, strict=True):
            writer.writerow([*values[["abcdefgh".index(name) for name in order]], ("no", "yes")[label]])
    return path


def _rows(rows: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(rows, 8)).round(6)


def test_coin_flips_that_the_source_knows_by_heart_are_never_helped(service: Service, tmp_path: Path) -> None:
    """Through a subset under another seed, in another order of columns, and through a version made before."""
    x, y = _rows(400, 0), np.random.default_rng(1).integers(0, 2, 400)
    service.upload("coins", _write(tmp_path / "coins.csv", x, y), label="y")
    subset = _write(tmp_path / "subset.csv", x[:300], y[:300], order="hgfedcba")
    service.upload("coins-subset", subset, label="y", seed="7")
    source = {"dataset": "coins", "training": BY_HEART}
    target = {"dataset": "coins-subset"}
    ended = service.wait(service.post(**ASKED, source=source, target=target, training=LITTLE)["id"])
    assert ended["state"] == "succeeded", ended["error"]
    result = ended["result"]
    seen = result["rows_seen"]
    assert result["verdict"] != "helped"
    assert seen["test"] > seen["test_rows"] / 2
    assert f"{seen['test']} of the {seen['test_rows']} test rows were left out" in result["reason"]
    events = service.http.get(f"/v1/jobs/{ended['id']}/events").json()["data"]
    assert [event["data"]["test"] for event in events if event["type"] == "rows.seen"] == [seen["test"]]
    page = service.http.get(f"/v1/jobs/{ended['id']}/report", headers={"accept": "text/html"}).text
    assert "Rows seen before" in page

    service.http.delete("/v1/datasets/coins")
    again = _write(tmp_path / "again.csv", x[:250], y[:250])
    service.upload("coins-again", again, label="y", seed="8")
    asked = {**ASKED, "source": {"version": result["version"]}, "target": {"dataset": "coins-again"}}
    later = service.wait(service.post(**asked, training=LITTLE)["id"])["result"]
    assert later["verdict"] != "helped"
    assert {one["dataset"] for one in later["rows_seen"]["datasets"]} == {"coins@1", "coins-subset@1"}
    assert later["rows_seen"]["test"] > later["rows_seen"]["test_rows"] / 2


def test_a_transfer_of_knowledge_is_helped_though_some_test_rows_were_seen(
    service: Service, tmp_path: Path
) -> None:
    x = _rows(900, 2)
    y = (x[:, 0] - x[:, 1] + x[:, 2] * x[:, 3] > 0).astype(int)
    service.upload("known", _write(tmp_path / "known.csv", x[:600], y[:600]), label="y")
    target = _write(tmp_path / "little.csv", x[570:870], y[570:870])
    service.upload("little", target, label="y", seed="7", test_fraction="0.4")
    asked = {"source": {"dataset": "known", "training": BY_HEART}, "target": {"dataset": "little"}}
    result = service.wait(service.post(**ASKED, **asked, training=LITTLE)["id"])["result"]
    assert 3 <= result["rows_seen"]["test"] <= 25
    assert result["gain"]["rows"] == result["rows_seen"]["test_rows"] - result["rows_seen"]["test"]
    assert result["verdict"] == "helped"
