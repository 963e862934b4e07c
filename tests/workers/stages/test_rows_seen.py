"""Labels of a flipped coin are never learnt to be `helped`, by whatever way their rows were seen before.

Each network is large enough to know its source by heart, and each transfer is `helped` once the check is
switched off: `overlap` is given no rows then.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from PIL import Image
from sqlalchemy import select

from app.db.tables import TrainedRows
from app.jobs.sweeper import forget_parts, orphans
from app.main import create_app
from tests.stored import store
from tests.workers.conftest import claimed
from workers import rows_seen
from workers.heartbeat import Heartbeat
from workers.tasks import Services, _attempt
from workers.trained_rows import DatasetRows
from workers.trainings import Trainings
from workers.transfer.training.options import Stopped

BY_HEART = {"epochs": 150, "batch_size": 32, "learning_rate": 0.01}
LITTLE = {"epochs": 1, "batch_size": 32, "learning_rate": 1e-5}
"""So little that what the source knows by heart is not forgotten."""

LARGE = {"kind": "mlp", "hidden_units": [256], "dropout": 0.0}


@pytest.fixture(scope="module")
def client(services: Services) -> Iterator[TestClient]:
    """The API beside that worker, with a source of coin flips."""
    with TestClient(create_app(services.settings)) as client:
        store(client, "flips", _table(X, Y, train=160, validation=20), label="y")
        yield client


def _flips(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(rows, 8)).round(6), rng.integers(0, 2, rows)


X, Y = _flips(200, 0)


def _table(
    x: np.ndarray,
    y: np.ndarray,
    *,
    train: int,
    validation: int,
    order: str = "abcdefgh",
    unlabelled: np.ndarray | None = None,
) -> bytes:
    """A CSV file: the first rows train, those after them validate, the others are test rows."""
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow([*order, "y", "split"])
    places = ["abcdefgh".index(name) for name in order]
    for number, (values, label) in enumerate(zip(x, y, strict=True)):
        part = "train" if number < train else "validation" if number < train + validation else "test"
        writer.writerow([*values[places], ("no", "yes")[label], part])
    for values in [] if unlabelled is None else unlabelled:
        writer.writerow([*values[places], "", "train"])
    return out.getvalue().encode()


def _result(client: TestClient, services: Services, **asked: Any) -> dict[str, Any]:
    """The result of a job that this process runs."""
    request = {"model": "m", "network": LARGE, "training": LITTLE, "champion": "never", **asked}
    request["evaluation"] = {"seeds": 3, "baseline": False, **request.get("evaluation", {})}
    request.setdefault("method", {"kind": "parameter", "strategy": "full"})
    if "dataset" in request["source"]:
        request["source"] = {"training": BY_HEART, **request["source"]}
    elif "network" not in asked:
        del request["network"]
    answer = client.post("/v1/jobs", json=request)
    assert answer.status_code == 202, answer.text
    job = _attempted(client, services, answer.json()["id"])
    assert job["state"] == "succeeded", job["error"]
    result: dict[str, Any] = job["result"]
    return result


def _attempted(client: TestClient, services: Services, job_id: str) -> dict[str, Any]:
    """The job after one more attempt."""
    lease = claimed(services.sessions, job_id)
    _attempt(services, lease, Heartbeat(services.sessions, lease, services.settings, lambda: False))
    job: dict[str, Any] = client.get(f"/v1/jobs/{job_id}").json()
    return job


@pytest.fixture
def switched_off(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """No row was ever seen."""

    def blind(target: Any, asked: Any, trained: Any, **about: Any) -> Any:
        return overlap(target, asked, trained.of(np.zeros(0, np.int64)), **about)

    overlap = rows_seen.overlap
    monkeypatch.setattr(rows_seen, "overlap", blind)
    return monkeypatch


def _never_helped(
    client: TestClient, services: Services, off: pytest.MonkeyPatch, **asked: Any
) -> dict[str, Any]:
    """What the job came to; without the check the same job is told to have helped."""
    told = _result(client, services, **asked)
    assert told["rows_seen"]["test"] == 0
    assert told["verdict"] == "helped", told["reason"]
    off.undo()
    result = _result(client, services, **asked)
    assert result["verdict"] != "helped"
    assert result["rows_seen"]["test"] > 0
    return result


def test_a_subset_of_the_source_in_another_order_of_columns_is_never_helped(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    content = _table(X[:120], Y[:120], train=60, validation=20, order="hgfedcba")
    store(client, "subset", content, label="y")
    asked = {"source": {"dataset": "flips"}, "target": {"dataset": "subset"}}
    result = _never_helped(client, services, switched_off, **asked)
    assert (result["verdict"], result["gain"]) == (None, None)
    assert result["reason"].startswith(
        "40 of the 40 test rows were left out, since something in the transfer"
    )
    seen = result["rows_seen"]
    assert (seen["test"], seen["validation"], seen["datasets"][0]["dataset"]) == (40, 20, "flips@1")
    assert seen["datasets"][0]["rows"] == 180
    report = client.get(f"/v1/jobs/{client.get('/v1/jobs').json()['data'][0]['id']}/report")
    assert report.json()["evaluation"]["rows_seen"] == seen
    lineage = client.get(f"/v1/models/{result['version']}").json()["lineage"]
    assert lineage["trained_on"] == {"datasets": ["flips@1", "subset@1"], "unknown": []}


def _numbered(content: bytes, start: int) -> bytes:
    """The file with a column that counts its rows."""
    header, *lines = content.decode().split()
    told = [f"{number},{line}" for number, line in enumerate(lines, start)]
    return "\n".join([f"row,{header}", *told]).encode()


def test_a_subset_whose_rows_are_numbered_anew_is_never_helped(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    content = _table(X[:160], Y[:160], train=160, validation=0)
    store(client, "numbered", _numbered(content, 0), label="y")
    content = _table(X[:100], Y[:100], train=40, validation=0)
    store(client, "numbered anew", _numbered(content, 1), label="y")
    asked = {"source": {"dataset": "numbered"}, "target": {"dataset": "numbered anew"}}
    result = _never_helped(client, services, switched_off, **asked)
    assert result["rows_seen"]["test"] == 60


def test_a_source_with_copies_of_one_class_hides_none(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    rows = np.concatenate([np.arange(160), np.repeat(np.flatnonzero(Y[:160]), 3)])
    store(client, "balanced", _table(X[rows], Y[rows], train=len(rows), validation=0), label="y")
    x, y = _flips(40, 12)
    content = _table(np.concatenate([x, X[:60]]), np.concatenate([y, Y[:60]]), train=40, validation=0)
    store(client, "part anew", content, label="y")
    asked = {"source": {"dataset": "balanced"}, "target": {"dataset": "part anew"}}
    asked["evaluation"] = {"seeds": 5}  # of fewer the interval is wide
    result = _never_helped(client, services, switched_off, **asked)
    assert result["rows_seen"]["test"] == 60


def test_a_grown_version_is_never_helped_by_the_rows_that_trained_the_one_before(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    """With another split than the one before, as a declared one or one by time may be."""
    x, y = _flips(60, 1)
    store(client, "noise", _table(X[:160], Y[:160], train=160, validation=0), label="y")
    rows = np.concatenate([X[60:120], x, X[:60]]), np.concatenate([Y[60:120], y, Y[:60]])
    store(client, "noise", _table(*rows, train=80, validation=0), label="y")
    asked = {"source": {"dataset": "noise@1"}, "target": {"dataset": "noise@2"}}
    result = _never_helped(client, services, switched_off, **asked)
    assert (result["rows_seen"]["test"], result["rows_seen"]["test_rows"]) == (60, 100)
    assert result["gain"]["rows"] == 40
    assert result["reason"].startswith("60 of the 100 test rows were left out")


def _sweep(services: Services) -> None:
    """Delete all files that nothing needs."""
    forget_parts(services.sessions, 0)
    for digest in orphans(services.sessions, services.storage, -60, 0):
        services.storage.delete(digest)


def _unrelated(client: TestClient, name: str, seed: int, **more: Any) -> None:
    store(client, name, _table(*_flips(60, seed), train=40, validation=0, **more), label="y")


def test_what_an_ancestor_two_generations_back_was_trained_on_is_seen_by_all_that_came_of_it(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    _unrelated(client, "second", 2)
    _unrelated(client, "third", 3)
    store(client, "fourth", _table(X[:120], Y[:120], train=40, validation=0), label="y")
    first = _result(client, services, source={"dataset": "flips"}, target={"dataset": "second"})["version"]
    second = _result(client, services, source={"version": first}, target={"dataset": "third"})["version"]
    for name in ("second", "third"):
        client.delete(f"/v1/datasets/{name}")
    client.delete(f"/v1/models/{first}")
    _sweep(services)
    asked = {"source": {"version": second}, "target": {"dataset": "fourth"}}
    result = _never_helped(client, services, switched_off, **asked)
    assert [one["dataset"] for one in result["rows_seen"]["datasets"]] == ["flips@1", "second@1", "third@1"]
    assert [one["test"] for one in result["rows_seen"]["datasets"]] == [80, 0, 0]


DISTILLED = {
    "method": {"kind": "distillation", "alpha": 0.1},
    "network": LARGE,
    "training": {**BY_HEART, "epochs": 100},
}


@pytest.mark.slow
def test_what_a_teacher_was_trained_on_is_seen_by_its_student(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    """Which learns the labels of rows without one from the teacher, who knows them by heart."""
    near = X[60:120] + 1e-4  # other rows by their keys, the same to the teacher
    content = _table(X[:120], Y[:120], train=60, validation=0, unlabelled=near)
    store(client, "taught", content, label="y")
    asked = {"source": {"dataset": "flips"}, "target": {"dataset": "taught"}}
    result = _never_helped(client, services, switched_off, **asked, **DISTILLED)
    seen = {one["dataset"]: one["test"] for one in result["rows_seen"]["datasets"]}
    assert seen == {"flips@1": 60, "taught@1": 0}


@pytest.mark.slow
def test_rows_that_got_pseudo_labels_are_seen_by_all_that_comes_of_it(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    """The labels are those of a source that knows nearly equal rows by heart."""
    near = X[:100] + 1e-4
    content = _table(*_flips(140, 4), train=120, validation=0, unlabelled=near)
    store(client, "round", content, label="y")
    store(client, "after", _table(near, Y[:100], train=40, validation=0), label="y")
    target = {"dataset": "round", "pseudo_labels": 0.9}
    first = _result(client, services, source={"dataset": "flips"}, target=target)["version"]
    asked = {"source": {"version": first}, "target": {"dataset": "after"}}
    result = _never_helped(client, services, switched_off, **asked)
    seen = {one["dataset"]: (one["rows"], one["test"]) for one in result["rows_seen"]["datasets"]}
    assert seen == {"flips@1": (180, 0), "round@1": (220, 60)}


def test_test_rows_that_get_pseudo_labels_in_the_same_job_are_seen(
    client: TestClient, services: Services
) -> None:
    content = _table(*_flips(80, 5), train=40, validation=0, unlabelled=_flips(80, 5)[0][40:52])
    store(client, "itself", content, label="y")
    target = {"dataset": "itself", "pseudo_labels": 0.9}
    result = _result(client, services, source={"dataset": "flips"}, target=target)
    assert [one["test"] for one in result["rows_seen"]["datasets"]] == [0, 12]
    assert result["rows_seen"]["datasets"][1]["dataset"] == "itself@1"
    unused = _result(client, services, source={"dataset": "flips"}, target={"dataset": "itself"})
    assert unused["rows_seen"]["test"] == 0


def _pictures(count: int, seed: int = 0) -> tuple[list[Image.Image], np.ndarray]:
    """Pictures of a few large patches, and the flips of a coin."""
    rng = np.random.default_rng(seed)
    patches = rng.integers(0, 256, (count, 4, 4)).astype(np.uint8)
    pictures = [Image.fromarray(of).resize((24, 24), Image.Resampling.BICUBIC) for of in patches]
    return pictures, rng.integers(0, 2, count)


def _archive(pictures: list[Image.Image], labels: np.ndarray, parts: list[str], **how: Any) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        lines = ["file_name,y,split"]
        for number, (picture, label, part) in enumerate(zip(pictures, labels, parts, strict=True)):
            file, name = io.BytesIO(), f"{number}.{how['format'].lower()}"
            picture.save(file, **how)
            archive.writestr(name, file.getvalue())
            lines.append(f"{name},{('no', 'yes')[label]},{part}")
        archive.writestr("metadata.csv", "\n".join(lines))
    return out.getvalue()


@pytest.mark.slow
def test_pictures_saved_anew_are_never_helped(
    client: TestClient, services: Services, switched_off: pytest.MonkeyPatch
) -> None:
    pictures, labels = _pictures(120)
    source = _archive(pictures, labels, ["train"] * 120, format="PNG")
    store(client, "pictures", source, "pictures.zip", label="y")
    again = [picture.resize((32, 32)) for picture in pictures[:100]]
    parts = ["train"] * 40 + ["test"] * 60
    target = _archive(again, labels[:100], parts, format="JPEG", quality=90)
    store(client, "again", target, "again.zip", label="y")
    network = {
        "kind": "convnet",
        "filters": [16],
        "dense_units": [128],
        "dropout": 0.0,
        "image_size": [24, 24],
    }
    asked = {"source": {"dataset": "pictures"}, "target": {"dataset": "again"}, "network": network}
    result = _never_helped(client, services, switched_off, **asked)
    (overlap,) = result["rows_seen"]["datasets"]
    assert overlap["test"] == overlap["near"] >= 55


def test_a_true_transfer_is_helped_though_a_tenth_of_its_test_rows_were_seen(
    client: TestClient, services: Services
) -> None:
    rng = np.random.default_rng(6)
    x = rng.normal(size=(560, 8)).round(6)
    y = (x[:, 0] - x[:, 1] + x[:, 2] * x[:, 3] > 0).astype(int)
    store(client, "true source", _table(x[:400], y[:400], train=360, validation=40), label="y")
    rows = np.r_[400:420, 0:14, 420:546]  # 20 train; of 140 test rows 14 are the source's
    store(client, "true target", _table(x[rows], y[rows], train=20, validation=0), label="y")
    result = _result(client, services, source={"dataset": "true source"}, target={"dataset": "true target"})
    assert (result["rows_seen"]["test"], result["rows_seen"]["test_rows"]) == (14, 140)
    assert result["gain"]["rows"] == 126
    assert result["verdict"] == "helped"


def test_a_source_that_is_kept_from_an_earlier_job_is_kept_with_its_rows(
    client: TestClient, services: Services
) -> None:
    """Under another name, too: the same file is the same source."""
    store(client, "same flips", _table(X, Y, train=160, validation=20), label="y")
    store(client, "part", _table(X[:120], Y[:120], train=60, validation=20), label="y")
    for name in ("flips", "same flips"):
        result = _result(client, services, source={"dataset": name}, target={"dataset": "part"})
        assert [one["dataset"] for one in result["rows_seen"]["datasets"]] == [f"{name}@1"]
        assert result["rows_seen"]["test"] == 40
    assert client.get("/v1/jobs").json()["data"][0]["stages"][0]["reused"] is True


def test_a_damaged_file_of_trained_rows_is_told_by_its_data_set(
    client: TestClient, services: Services
) -> None:
    for seed, name in enumerate(("any", "another"), start=9):
        store(client, name, _table(*_flips(70, seed), train=30, validation=0), label="y")
    first = _result(client, services, source={"dataset": "flips"}, target={"dataset": "any"})["version"]
    with services.sessions() as session:
        (own,) = session.scalars(select(TrainedRows.digest).where(TrainedRows.dataset == "any@1"))
    services.storage.require(own).write_bytes(b"damaged")
    request = {"model": "m", "source": {"version": first}, "target": {"dataset": "another"}}
    job = _attempted(client, services, client.post("/v1/jobs", json=request).json()["id"])
    assert (job["state"], job["error"]["code"]) == ("failed", "file_damaged")
    assert "rows of data set any@1" in job["error"]["message"]


@pytest.mark.parametrize(
    "asked",
    [
        {"training": {**LITTLE, "patience": 1}},
        {"method": {"wise_ft": True}},
        pytest.param(
            {"method": {"kind": "structure", "strategy": "search", "trials": 1}}, marks=pytest.mark.slow
        ),
    ],
    ids=["early stopping", "WiSE-FT", "search of the control"],
)
def test_where_all_validation_rows_were_seen_nothing_is_chosen_by_them(
    client: TestClient, services: Services, asked: dict[str, Any]
) -> None:
    name = f"chosen-{len(client.get('/v1/datasets').json()['data'])}"
    x, y = _flips(70, 7)
    rows = np.concatenate([x[:30], X[:10], x[30:]]), np.concatenate([y[:30], Y[:10], y[30:]])
    store(client, name, _table(*rows, train=30, validation=10), label="y")
    result = _result(client, services, source={"dataset": "flips"}, target={"dataset": name}, **asked)
    assert (result["rows_seen"]["validation"], result["rows_seen"]["test"]) == (10, 0)
    assert result["gain"]["rows"] == 40
    lineage = client.get(f"/v1/models/{result['version']}").json()["lineage"]
    assert lineage["training"]["patience"] is None
    assert "wise_ft" not in lineage["findings"]


def test_an_attempt_that_goes_on_takes_what_the_one_before_found_and_tells_it_once(
    client: TestClient, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    store(client, "paused", _table(X[:120], Y[:120], train=60, validation=20), label="y")
    request = {"model": "m", "network": LARGE, "training": LITTLE, "champion": "never"}
    request |= {"source": {"dataset": "flips", "training": BY_HEART}, "target": {"dataset": "paused"}}
    job_id = client.post("/v1/jobs", json=request).json()["id"]

    def pause(*_: Any) -> None:
        raise Stopped("pause")

    def never(*_: Any, **__: Any) -> None:
        raise AssertionError("it was found before")

    with monkeypatch.context() as first:
        first.setattr(Trainings, "outcome", pause)
        assert _attempted(client, services, job_id)["state"] == "paused"
    client.post(f"/v1/jobs/{job_id}:resume")
    monkeypatch.setattr(rows_seen, "overlap", never)
    monkeypatch.setattr(DatasetRows, "write", never)
    job = _attempted(client, services, job_id)
    assert job["state"] == "succeeded", job["error"]
    assert (job["result"]["rows_seen"]["test"], job["result"]["rows_seen"]["validation"]) == (40, 20)
    events = client.get(f"/v1/jobs/{job_id}/events").json()["data"]
    assert [event["level"] for event in events if event["type"] == "rows.seen"] == ["warning"]


def test_rows_that_are_equal_by_chance_stay_and_the_job_says_so(
    client: TestClient, services: Services
) -> None:
    rng = np.random.default_rng(8)
    for name, rows in (("few values", 300), ("few values too", 120)):
        x = rng.integers(0, 2, (rows, 8)) * np.array([1, 1, 1, 0, 0, 0, 0, 0])
        store(client, name, _table(x, rng.integers(0, 2, rows), train=60, validation=20), label="y")
    result = _result(client, services, source={"dataset": "few values"}, target={"dataset": "few values too"})
    (overlap,) = result["rows_seen"]["datasets"]
    assert (overlap["test"], overlap["overlap_not_tellable"]) == (0, True)
    assert result["gain"]["rows"] == 40
    job = client.get("/v1/jobs").json()["data"][0]
    events = client.get(f"/v1/jobs/{job['id']}/events").json()["data"]
    (told,) = [event for event in events if event["type"] == "rows.overlap_not_tellable"]
    assert "among the rows of few values@1 cannot be told" in told["message"]


def test_the_test_rows_of_a_data_set_that_is_source_and_target_were_not_seen_but_its_validation_rows_were(
    client: TestClient, services: Services
) -> None:
    result = _result(client, services, source={"dataset": "flips"}, target={"dataset": "flips"})
    assert (result["rows_seen"]["test"], result["rows_seen"]["validation"]) == (0, 20)
