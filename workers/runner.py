"""The one seam between the service and the learning: inputs from `app`, transfer, outputs to `app`.

A job is a row of stages. Each writes its output to storage before the next begins, and is not run again.
"""

from __future__ import annotations

import hashlib
import importlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cached_property
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

from app.datasets.reading import read
from app.datasets.schema import Description
from app.jobs.recipes import Training as TrainingOptions
from app.jobs.states import Stage
from app.storage import Storage
from workers.facts import DatasetFacts, JobFacts, VersionFacts
from workers.journal import Journal
from workers.progress import Progress
from workers.transfer import evaluation, export, network, scratch
from workers.transfer.checkpoints import CheckpointMismatch
from workers.transfer.data import Data, Signature, from_table
from workers.transfer.fitting import Fit, Hooks, Stopped, Training
from workers.transfer.network import Network, weights_digest
from workers.transfer.receipt import Transferred


@dataclass(frozen=True)
class Outcome:
    """What the service publishes: the version's facts, its files, and the job's result."""

    facts: dict[str, Any]
    artifacts: list[dict[str, Any]]
    result: dict[str, Any]


def versions() -> dict[str, str]:
    """The software that decides what comes out."""
    return {"model-transfer": version_of("model-transfer"), **export.versions()}


@dataclass
class Run:
    """One attempt at a job. Networks stay in memory from stage to stage, where an attempt made them."""

    job: JobFacts
    journal: Journal
    storage: Storage
    should_stop: Callable[[], str | None]
    checkpoint_seconds: float
    _traced: dict[str, Any] = field(default_factory=dict)

    def go(self) -> Outcome:
        """Run what earlier attempts have not finished.

        Raises:
            Stopped, LeaseLost: stop was asked for, or the job is another's.
            TrainingDiverged: the options do not fit the data.
        """
        source = self.source()
        transferred, receipt = self.transfer(source)
        control = self.control() if self.job.spec.evaluation.control else None
        evaluated = self.evaluate(transferred, control)
        return self.export(transferred, receipt, evaluated)

    # Inputs

    def data(self, dataset: DatasetFacts) -> Data:
        """The rows of a data set, split."""
        description = dataset.description
        table = read(self.storage.path(dataset.digest), description)
        plan = description.split
        return from_table(
            table,
            _signature(description),
            split_column=plan.column,
            seed=plan.seed,
            validation_fraction=plan.validation_fraction,
            test_fraction=plan.test_fraction,
        )

    @cached_property
    def target(self) -> Data:
        """The target's rows."""
        return self.data(self.job.target)

    @cached_property
    def options(self) -> dict[str, Any]:
        """The network's options."""
        return self.job.spec.network.model_dump()

    @cached_property
    def progress(self) -> Progress:
        """Progress over the stages that train."""
        spec = self.job.spec
        steps = {Stage.TRANSFER: _steps(spec.training, self.job.target.description)}
        if isinstance(self.job.source, DatasetFacts) and spec.source_training is not None:
            steps[Stage.SOURCE] = _steps(spec.source_training, self.job.source.description)
        if spec.evaluation.control:
            steps[Stage.CONTROL] = steps[Stage.TRANSFER]
        return Progress(steps)

    # Stages

    def source(self) -> Network:
        """Train the source network, or take it from where it is."""
        if isinstance(self.job.source, VersionFacts):
            return self._given_source(self.job.source)
        done = self.journal.finished(Stage.SOURCE)
        signature = _signature(self.job.source.description)
        if done is not None and done.output_digest is not None:
            return self._load(done.output_digest, signature)
        self._begin(Stage.SOURCE)
        key = self._source_key(self.job.source)
        known = self.journal.source_run(key)
        if known is not None and self.storage.exists(known.output_digest):
            message = "The same source training was done before; its network is reused."
            self.journal.ended(Stage.SOURCE, known.output, known.output_digest, message, reused=True)
            return self._load(known.output_digest, signature)
        if known is not None:
            self.journal.forget_source_run(key)
        assert self.job.spec.source_training is not None
        fit = self._fit(Stage.SOURCE, self.job.spec.source_training)
        data = self.data(self.job.source)
        made = self._trained(lambda fit: scratch.scratch(self.options, data, fit), fit)
        output = {"weights_sha256": weights_digest(made.network)}
        digest = self._keep(made.network)
        self.journal.ended(Stage.SOURCE, output, digest, "The source network is trained.", source_key=key)
        return made.network

    def _given_source(self, version: VersionFacts) -> Network:
        source = self._load(version.digest, Signature.from_dict(version.signature))
        if self.journal.finished(Stage.SOURCE) is None:
            self._begin(Stage.SOURCE)
            output = {"weights_sha256": weights_digest(source)}
            message = f"The source is {version.ref}."
            self.journal.ended(Stage.SOURCE, output, version.digest, message, reused=True)
        return source

    def transfer(self, source: Network) -> tuple[Network, dict[str, Any]]:
        """Carry the source's knowledge to the target by the job's method."""
        done = self.journal.finished(Stage.TRANSFER)
        if done is not None and done.output_digest is not None and done.output is not None:
            return self._load(done.output_digest, self.target.signature), done.output["receipt"]
        self._begin(Stage.TRANSFER)
        recipe = self.job.spec.method
        method = getattr(importlib.import_module(f"workers.transfer.methods.{recipe.kind}"), recipe.kind)
        fit = self._fit(Stage.TRANSFER, self.job.spec.training)
        options = recipe.model_dump(exclude={"kind"})
        made = self._trained(lambda fit: method(source, self.target, fit, **options), fit)
        digest = self._keep(made.network)
        self.journal.ended(
            Stage.TRANSFER, {"receipt": made.receipt}, digest, "The target network is trained."
        )
        return made.network, made.receipt

    def control(self) -> Network:
        """The same network from scratch, under the same budget and seed."""
        done = self.journal.finished(Stage.CONTROL)
        if done is not None and done.output_digest is not None:
            return self._load(done.output_digest, self.target.signature)
        self._begin(Stage.CONTROL)
        fit = self._fit(Stage.CONTROL, self.job.spec.training)
        made = self._trained(lambda fit: scratch.scratch(self.options, self.target, fit), fit)
        self.journal.ended(Stage.CONTROL, {}, self._keep(made.network), "The control network is trained.")
        return made.network

    def evaluate(self, transferred: Network, control: Network | None) -> dict[str, Any]:
        """Metrics of both on the target's test rows, the gain and the verdict."""
        done = self.journal.finished(Stage.EVALUATE)
        if done is not None and done.output is not None:
            return done.output
        self._begin(Stage.EVALUATE)
        asked = self.job.spec.evaluation
        assert self.target.test is not None  # checked before the job was accepted
        output = evaluation.prove(
            transferred,
            control,
            self.target.test,
            metric=asked.metric,
            confidence=asked.confidence,
            draws=asked.draws,
            seed=self.job.spec.training.seed,
        )
        self.journal.ended(Stage.EVALUATE, output, None, output["reason"])
        return output

    def export(self, transferred: Network, receipt: dict[str, Any], evaluated: dict[str, Any]) -> Outcome:
        """The files that a user downloads, each reloaded and compared before it is offered."""
        self._begin(Stage.EXPORT)
        lineage = self._lineage()
        assert self.target.test is not None
        rows = self.target.test
        expected = evaluation.predict(transferred, rows.inputs)
        card = self._card(evaluated, receipt, lineage)
        artifacts = []
        with self.storage.workspace() as folder:
            for format_, suffix, media_type, write in (
                ("keras", "keras", "application/zip", export.write_keras),
                ("bundle", "zip", "application/zip", lambda net, path: export.write_bundle(net, path, card)),
            ):
                path = folder / f"model.{suffix}"
                write(transferred, path)
                if format_ == "keras":
                    export.verify(path, transferred, rows.inputs, expected)
                size = path.stat().st_size
                artifact = {"format": format_, "suffix": suffix, "media_type": media_type, "size": size}
                artifacts.append({**artifact, "digest": self.storage.put(path)})
        output = {"artifacts": artifacts}
        self.journal.ended(Stage.EXPORT, output, None, "The files are written, reloaded and compared.")
        return Outcome(self._facts(transferred, receipt, evaluated, lineage), artifacts, _result(evaluated))

    # Parts of stages

    def _begin(self, stage: Stage) -> None:
        reason = self.should_stop()
        if reason is not None:
            raise Stopped(reason)
        self.journal.started(stage, self.progress.at(stage))

    def _fit(self, stage: Stage, options: TrainingOptions) -> Fit:
        def on_epoch(epoch: int, values: dict[str, float]) -> None:
            self.journal.epoch(stage, epoch, values, self.progress.at(stage, epoch, options.epochs))

        def save_checkpoint(path: Path) -> None:
            with self.storage.workspace() as folder:
                copy = folder / path.name
                copy.write_bytes(path.read_bytes())
                before = self.journal.checkpoint(stage, self.storage.put(copy))
            if before is not None:
                self.storage.delete(before)

        digest = self.journal.checkpoint_of(stage)
        hooks = Hooks(
            on_epoch=on_epoch,
            should_stop=self.should_stop,
            checkpoint=self.storage.path(digest) if digest and self.storage.exists(digest) else None,
            save_checkpoint=save_checkpoint,
            checkpoint_seconds=self.checkpoint_seconds,
        )
        return Fit(Training(**options.model_dump()), hooks, self._traced)

    def _trained(self, train: Callable[[Fit], Transferred], fit: Fit) -> Transferred:
        """Train from the checkpoint; one that belongs to other versions is left aside."""
        try:
            return train(fit)
        except CheckpointMismatch:
            return train(replace(fit, hooks=replace(fit.hooks, checkpoint=None)))

    def _keep(self, made: Network) -> str:
        with self.storage.workspace() as folder:
            path = folder / "network.keras"
            made.save(path)
            return self.storage.put(path)

    def _load(self, digest: str, signature: Signature) -> Network:
        with self.storage.workspace() as folder:
            path = folder / "network.keras"
            path.symlink_to(self.storage.path(digest))
            return network.load(path, signature, self.options)

    def _source_key(self, source: DatasetFacts) -> str:
        assert self.job.spec.source_training is not None
        parts = {
            "data": source.digest,
            "description": source.description.model_dump(mode="json"),
            "network": self.options,
            "training": self.job.spec.source_training.model_dump(mode="json"),
            "versions": versions(),
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def _lineage(self) -> dict[str, Any]:
        spec = self.job.spec
        kind = "version" if isinstance(self.job.source, VersionFacts) else "dataset"
        return {
            "job": self.job.name,
            "source": {kind: self.job.source.ref},
            "target": {"dataset": self.job.target.ref},
            "method": spec.method.model_dump(mode="json"),
            "training": spec.training.model_dump(mode="json"),
            "versions": versions(),
        }

    def _card(
        self, evaluated: dict[str, Any], receipt: dict[str, Any], lineage: dict[str, Any]
    ) -> dict[str, Any]:
        method = {name: value for name, value in lineage["method"].items() if name != "kind"}
        card = {
            "name": self.job.model,
            "method": f"{lineage['method']['kind']} transfer, {_listed(method)}",
            "source": self.job.source.ref,
            "dataset": self.job.target.ref,
            "seed": self.job.spec.training.seed,
            "metrics": evaluated["metrics"],
            "receipt": receipt,
            "lineage": lineage,
        }
        if evaluated["verdict"] is None:
            return card
        return {**card, **{name: evaluated[name] for name in ("verdict", "reason", "gain")}}

    def _facts(
        self, made: Network, receipt: dict[str, Any], evaluated: dict[str, Any], lineage: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "signature": made.signature.to_dict(),
            "network": self.options,
            "receipt": receipt,
            "metrics": evaluated["metrics"],
            "verdict": evaluated["verdict"],
            "gain": evaluated["gain"],
            "lineage": lineage,
            "weights_digest": weights_digest(made),
        }


def _signature(description: Description) -> Signature:
    columns = [
        {"name": column.name, "type": column.type}
        for column in description.columns
        if column.role == "feature"
    ]
    return Signature.from_dict(
        {
            "columns": columns,
            "label": description.label,
            "task": description.task,
            "classes": description.classes,
        }
    )


def _steps(training: TrainingOptions, description: Description) -> int:
    return training.epochs * -(-description.split.rows["train"] // training.batch_size)


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _result(evaluated: dict[str, Any]) -> dict[str, Any]:
    return {name: evaluated[name] for name in ("verdict", "reason", "gain", "metrics")}
