from __future__ import annotations

import zipfile
from pathlib import Path

from app.db.session import Sessions
from app.jobs.recipes import Training
from app.jobs.states import Stage
from app.jobs.transitions import Lease
from app.storage import Storage
from tests.workers.conftest import accepted, claimed
from workers.journal import Journal
from workers.progress import Progress
from workers.trainings import Trainings
from workers.transfer.training.features import FeatureStore


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
