"""An attempt at a job of any kind: what a worker lends it, the files it reads, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from app.datasets.partition.rows_file import RowFacts, read_rows_file
from app.datasets.reading.description import Description
from app.datasets.reading.table import read
from app.jobs import transitions
from app.jobs.states import Stage
from app.storage import Storage
from workers.job_rows import DatasetFacts
from workers.journal import Journal
from workers.process_cache import ProcessCache
from workers.trained_rows import DatasetRows
from workers.transfer.data import Data, Signature, from_table
from workers.transfer.networks import network
from workers.transfer.networks.network import Network
from workers.transfer.out_of_memory import is_out_of_memory
from workers.transfer.training.features import FeatureStore
from workers.transfer.training.options import Stopped


class FileDamaged(Exception):
    """A file of the storage is not what was written; says which."""


@dataclass
class Attempt:
    """What a worker lends one attempt at a job, of whatever kind."""

    journal: Journal
    storage: Storage
    should_stop: Callable[[], str | None]
    checkpoint_seconds: float
    features: FeatureStore
    cache: ProcessCache
    preset_dir: Path
    devices: int = 1

    @property
    def job_id(self) -> str:
        """The job's id."""
        return self.journal.lease.job_id

    def go_on(self) -> None:
        """Nothing, unless the job is to stop: asked before each thing that takes a while.

        Raises:
            Stopped: it is.
        """
        reason = self.should_stop()
        if reason is not None:
            raise Stopped(reason)

    def begin(self, stage: Stage, progress: dict[str, Any]) -> None:
        """Mark a stage as running, unless the job is to stop.

        Raises:
            Stopped: it is.
        """
        self.go_on()
        self.journal.started(stage, progress)

    def tell(self, stage: Stage, fraction: float, seconds_remaining: float | None = None) -> None:
        """How far the job is, 0 to 1; written a few times a second at most."""
        told = {"stage": stage, "epoch": None, "epochs": None, "fraction": round(fraction, 4)}
        self.journal.progress({**told, "seconds_remaining": seconds_remaining})

    def succeed(self, result: dict[str, Any], message: str) -> None:
        """End the job with its result.

        Raises:
            LeaseLost: it is another's.
        """
        with self.journal.transaction() as session:
            transitions.succeed(session, self.journal.lease, result, message)

    def data(self, dataset: DatasetFacts) -> Data:
        """The rows of a data set, split."""
        return self.read(dataset)[0]

    def read(self, dataset: DatasetFacts) -> tuple[Data, DatasetRows]:
        """The same, and what tells the rows of the file apart."""
        description = dataset.description
        with self.storage.workspace() as folder, self.opened(dataset.digest, f"data set {dataset.ref}"):
            table = read(self.storage.require(dataset.digest), description, folder)
        facts, signature = self.row_facts(dataset), signature_of(description)
        features = [column.name for column in signature.columns] if description.kind == "tabular" else []
        data = replace(from_table(table, signature, facts.parts), units=_units(facts))
        return data, DatasetRows(table, facts, features)

    def row_facts(self, dataset: DatasetFacts) -> RowFacts:
        """What is kept of each row of a data set: its part, keys, group, cluster.

        Raises:
            FileDamaged: the file is not what was written.
        """
        with self.opened(dataset.rows_digest, f"rows of data set {dataset.ref}"):
            return read_rows_file(self.storage.require(dataset.rows_digest))

    def store_network(self, made: Network) -> str:
        """Write a network to storage; its digest."""
        with self.storage.workspace() as folder:
            path = folder / "network.keras"
            made.save(path)
            return self.storage.put(path)

    def load_network(
        self, digest: str, signature: Signature, options: Mapping[str, Any], what: str = "network it kept"
    ) -> Network:
        """The network that `store_network` wrote; `what` it is, in words.

        Raises:
            FileDamaged: its file is not what was written.
        """
        with self.storage.workspace() as folder, self.opened(digest, what):
            path = folder / "network.keras"
            path.symlink_to(self.storage.require(digest))
            return network.load(path, signature, options)

    @contextmanager
    def opened(self, digest: str, what: str) -> Iterator[None]:
        """What a damaged file makes any reader raise becomes a FileDamaged."""
        try:
            yield
        except Exception as error:
            if is_out_of_memory(error) or not self.storage.exists(digest) or self.storage.is_intact(digest):
                raise
            raise FileDamaged(
                f"Expected the file of the {what} as it was written. Received: other bytes "
                f"({type(error).__name__} while it was read)."
            ) from error


def signature_of(description: Description) -> Signature:
    """What a network trained on this data reads and answers."""
    columns = [
        {"name": column.input, "type": column.type}
        for column in description.columns
        if column.role == "feature"
    ]
    return Signature.from_dict(
        {
            "columns": columns,
            "label": description.target,
            "task": description.task,
            "classes": description.classes,
        }
    )


def _units(facts: RowFacts) -> npt.NDArray[np.uint64] | None:
    """What rows belong together by, if anything."""
    return facts.groups if facts.groups is not None else facts.clusters
