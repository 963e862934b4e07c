"""Which of the target's rows has something in the transfer been trained or validated on? Found once a job."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from app.datasets.partition.near_duplicates import near
from app.jobs.states import Stage
from app.storage import Storage
from workers import trained_rows
from workers.job_rows import DatasetFacts, JobFacts, PresetFacts, RowsFile, VersionFacts
from workers.journal import Journal
from workers.trained_rows import DatasetRows
from workers.transfer.data import Array, Data, Rows, Unlabelled
from workers.transfer.proof.known_rows import KnownRows
from workers.transfer.proof.rows_seen import overlap

Part = Rows | Unlabelled

SOURCE, TARGET, SEEN = "rows of the source", "rows of the target", "rows seen"
"""Keys of the parts of the stage `source` that hold files of rows, and what was found."""

_PARTS = ("test", "validation")


@dataclass(frozen=True, eq=False)
class Seen:
    """Which rows were seen, in the order of `Data.test` and `Data.validation`; and what the job tells."""

    test: Array
    validation: Array
    told: dict[str, Any]


@dataclass(frozen=True)
class JobRows:
    """Files of the rows that a job's networks are trained on, and the check against them: durable parts."""

    journal: Journal
    storage: Storage

    def kept(self, key: str) -> RowsFile | None:
        """The file that was kept under this key, by this attempt or an earlier one."""
        part = self.journal.part(Stage.SOURCE, key)
        if part is None or part.digest is None or part.value is None or not self.storage.exists(part.digest):
            return None
        return RowsFile(digest=part.digest, **part.value)

    def keep(self, key: str, dataset: DatasetFacts, rows: DatasetRows, *parts: Part | None) -> RowsFile:
        """Write some parts of a data set's rows, to be kept while the job or a version refers to the file."""
        numbers = np.sort(np.concatenate([part.numbers for part in parts if part is not None]))
        with self.storage.workspace() as folder:
            path = folder / "rows.parquet"
            rows.write(path, numbers)
            digest = self.storage.put(path)
        return self.refer(key, RowsFile(dataset.ref, digest, len(numbers)))

    def refer(self, key: str, file: RowsFile) -> RowsFile:
        """Keep a file that is there."""
        value = {"dataset": file.dataset, "rows": file.rows}
        self.journal.save_part(Stage.SOURCE, key, digest=file.digest, value=value)
        return file

    def find(
        self,
        job: JobFacts,
        data: Data,
        target: KnownRows,
        files: Sequence[RowsFile],
        unlabelled: KnownRows | None,
    ) -> Seen:
        """Hold the target's test and validation rows against the rows in these files, unless that was done.

        `target` are all rows of the target's data set, `unlabelled` those of its rows without a label that
        are trained on.
        """
        known = self._found()
        if known is not None:
            return known
        assert data.test is not None  # checked before the job was accepted
        held_out = np.zeros(0, np.int64) if data.validation is None else data.validation.numbers
        numbers = dict(zip(_PARTS, (data.test.numbers, held_out), strict=True))
        asked = np.zeros(len(target), bool)
        asked[np.concatenate(list(numbers.values()))] = True
        against = [(file, trained_rows.read(self.storage.require(file.digest))) for file in files]
        if unlabelled is not None and len(unlabelled):
            against.append((RowsFile(job.target.ref, "", len(unlabelled)), unlabelled))
        seen, overlaps = np.zeros(len(target), bool), []
        for file, trained in against:
            same = _name(file.dataset) == _name(job.target.ref)
            found = overlap(target, asked, trained, is_same_data=same, near=near)
            of_file = np.zeros(len(target), bool)
            of_file[asked] = found.seen
            seen |= of_file
            about = {"dataset": file.dataset, "rows": file.rows, "near": int(found.near.sum())}
            counts = {part: int(of_file[of].sum()) for part, of in numbers.items()}
            overlaps.append({**about, **counts, "overlap_not_tellable": not found.is_told_apart})
        told: dict[str, Any] = {"datasets": overlaps, "unknown": unknown(job)}
        for part, of in numbers.items():
            told |= {part: int(seen[of].sum()), f"{part}_rows": len(of)}
        return self._keep_found(Seen(seen[numbers["test"]], seen[numbers["validation"]], told))

    def seen_in(
        self, files: Sequence[RowsFile], dataset: DatasetFacts, known: KnownRows, numbers: Array
    ) -> Array:
        """Which rows of a data set, whose rows are all `known`, are among the rows in the files."""
        asked, seen = np.zeros(len(known), bool), np.zeros(len(known), bool)
        asked[numbers] = True
        for file in files:
            trained = trained_rows.read(self.storage.require(file.digest))
            same = _name(file.dataset) == _name(dataset.ref)
            seen[asked] |= overlap(known, asked, trained, is_same_data=same, near=near).seen
        marked: Array = seen[numbers]
        return marked

    def _found(self) -> Seen | None:
        part = self.journal.part(Stage.SOURCE, SEEN)
        if part is None or part.digest is None or part.value is None or not self.storage.exists(part.digest):
            return None
        with np.load(self.storage.require(part.digest), allow_pickle=False) as file:
            return Seen(file["test"], file["validation"], part.value)

    def _keep_found(self, seen: Seen) -> Seen:
        """What was found is told before it is kept: an attempt that dies in between tells it again."""
        _tell(self.journal, seen.told)
        with self.storage.workspace() as folder:
            path = folder / "seen.npz"
            np.savez(path, allow_pickle=False, test=seen.test, validation=seen.validation)
            digest = self.storage.put(path)
        self.journal.save_part(Stage.SOURCE, SEEN, digest=digest, value=seen.told)
        return seen


def uses_unlabelled(job: JobFacts) -> bool:
    """Whether something is trained on the target's rows without a label."""
    return job.spec.pseudo_labels is not None or job.spec.method.kind == "distillation"


def unknown(job: JobFacts) -> list[str]:
    """Presets, and versions without a record: nobody knows what they were trained on."""
    names = [source.ref for source in job.sources if isinstance(source, PresetFacts)]
    names += [name for source in job.sources if isinstance(source, VersionFacts) for name in source.unknown]
    for network in (job.spec.network, job.spec.source_network):
        if network.kind == "pretrained" and network.weights == "pretrained":
            names.append(network.preset)
    return list(dict.fromkeys(names))


def _name(ref: str) -> str:
    """A data set's name, which all its versions share."""
    return ref.rpartition("@")[0]


def _tell(journal: Journal, told: dict[str, Any]) -> None:
    if told["test"] or told["validation"]:
        of = ", ".join(one["dataset"] for one in told["datasets"] if one["test"] or one["validation"])
        message = (
            f"{told['test']} of {told['test_rows']} test rows and {told['validation']} of "
            f"{told['validation_rows']} validation rows of the target are among the rows of {of} that "
            "something in the transfer was trained or validated on. They are left out of every arm's "
            "comparison, and choose nothing."
        )
        journal.event("rows.seen", message, level="warning", **told)
    doubtful = [one["dataset"] for one in told["datasets"] if one["overlap_not_tellable"]]
    if doubtful:
        message = (
            f"Whether test rows of the target are among the rows of {', '.join(doubtful)} cannot be told: "
            "rows repeat or are much alike, or few columns are shared, so that such rows need not be the "
            "same. They were not left out. If both hold the same rows, a gain may come of that alone."
        )
        journal.event("rows.overlap_not_tellable", message, level="warning", datasets=doubtful)
