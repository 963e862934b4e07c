from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from app.db.session import Sessions
from app.jobs.states import Stage
from app.jobs.training import Training
from app.jobs.transitions import Lease
from app.storage import Storage
from tests.workers.conftest import accepted, claimed
from workers.costs import SPENT
from workers.journal import Journal
from workers.progress import Progress
from workers.trainings import Trainings
from workers.transfer.data import Column, Data, Rows, Signature
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.training.features import FeatureStore
from workers.transfer.training.options import TrainingDiverged

ROWS = Rows({"a": np.zeros(2, np.float32)}, np.zeros(2, np.float32), np.arange(2))


def test_equal_jobs_delete_no_checkpoints_of_each_other(
    sessions: Sessions, lease: Lease, tmp_path: Path
) -> None:
    accepted(sessions, "job_2")
    journals = [Journal(sessions, lease), Journal(sessions, claimed(sessions, "job_2"))]
    storage, features = Storage(tmp_path / "files"), FeatureStore(tmp_path / "features", 1 << 20)
    storage.prepare()
    path = tmp_path / "checkpoint.npz"
    kept = []
    for journal in journals:  # the second does all that the first did, and goes further
        trainings = Trainings(journal, storage, lambda: None, 30.0, Progress({}), features)
        save = trainings.fit(Stage.TRANSFER, "transfer/0", Training(epochs=9)).hooks.save_checkpoint
        assert save is not None
        for step in range(2 + 2 * len(kept)):
            with zipfile.ZipFile(path, "w") as file:
                file.writestr("about.npy", f"step {step}")
            save(path)
        kept.append(journal.checkpoints_of(Stage.TRANSFER))
    assert [len(digests) for digests in kept] == [2, 2]
    there = {file.name for file in storage.folder.rglob("*") if file.is_file()}
    assert there == {digest for digests in kept for digest in digests}


def test_a_training_that_diverged_leaves_what_it_took(
    sessions: Sessions, lease: Lease, tmp_path: Path
) -> None:
    journal, features = Journal(sessions, lease), FeatureStore(tmp_path / "features", 1 << 20)
    trainings = Trainings(journal, Storage(tmp_path / "files"), lambda: None, 30.0, Progress({}), features)
    fit = trainings.fit(Stage.CONTROL, "control/from_scratch/0", Training(epochs=9))

    def diverge() -> Transferred:
        fit.named("control/from_scratch/0/rate 0.01").cost.add(64, 0.5)
        raise TrainingDiverged

    data = Data(Signature((Column("a", "number"),), "y", "regression", ()), ROWS, ROWS, ROWS)
    with pytest.raises(TrainingDiverged):
        trainings.outcome(Stage.CONTROL, "control/from_scratch/0", data, diverge)
    (value,) = journal.values(Stage.CONTROL)
    told = {name: value[SPENT][name] for name in ("arm", "updates", "cpu_seconds")}
    assert told == {"arm": "control", "updates": 64, "cpu_seconds": 0.5}


@pytest.mark.parametrize("is_cut_off", [False, True])
def test_whether_a_training_was_cut_off_is_durable_with_what_it_came_to(
    sessions: Sessions, lease: Lease, tmp_path: Path, is_cut_off: bool
) -> None:
    journal, features = Journal(sessions, lease), FeatureStore(tmp_path / "features", 1 << 20)
    storage = Storage(tmp_path / "files")
    storage.prepare()
    outcome = Outcome(3, np.ones((2, 1)), None, [0.5], is_cut_off)
    for compute in (lambda: outcome, None):  # the second attempt computes nothing
        trainings = Trainings(journal, storage, lambda: None, 30.0, Progress({}), features)
        found = trainings.computed(Stage.CONTROL, "control/from_scratch/3", compute)  # type: ignore[arg-type]
        assert (found.seed, found.curve, found.is_cut_off) == (3, [0.5], is_cut_off)


def test_a_training_that_diverged_is_not_tried_again(
    sessions: Sessions, lease: Lease, tmp_path: Path
) -> None:
    journal, features = Journal(sessions, lease), FeatureStore(tmp_path / "features", 1 << 20)
    data = Data(Signature((Column("a", "number"),), "y", "regression", ()), ROWS, ROWS, ROWS)
    tries = []

    def diverge() -> Transferred:
        tries.append(1)
        raise TrainingDiverged("Expected a finite loss. Received: nan.")

    for _ in range(2):
        trainings = Trainings(
            journal, Storage(tmp_path / "files"), lambda: None, 30.0, Progress({}), features
        )
        with pytest.raises(TrainingDiverged, match="Received: nan"):
            trainings.outcome(Stage.CONTROL, "control/from_scratch/0", data, diverge)
    assert len(tries) == 1
