"""The trainings of a job, each with its name, checkpoint and durable outcome: none is paid twice."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from app.jobs.states import INTERIM, Stage
from app.jobs.training import DEFAULT_LEARNING_RATE
from app.jobs.training import Training as TrainingOptions
from app.storage import Storage
from workers.costs import SPENT, Spending, arm_of, owner
from workers.journal import Journal
from workers.progress import Progress
from workers.transfer import tasks
from workers.transfer.data import Array, Data, Rows
from workers.transfer.methods.parts.held_out import of_texts
from workers.transfer.methods.parts.receipt import Transferred, is_backbone_frozen
from workers.transfer.networks.network import Network
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.training.feature_uses import FeatureUses
from workers.transfer.training.features import FeatureStore, predict
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Budget, Hooks, Training, TrainingDiverged
from workers.transfer.training.steps import Steps


@dataclass
class Trainings:
    """What the trainings of a job share: where they write, when they stop, the traced graphs.

    prefix: stands before the name of each run, and of what it keeps.
    """

    journal: Journal
    storage: Storage
    should_stop: Callable[[], str | None]
    checkpoint_seconds: float
    progress: Progress
    features: FeatureStore
    devices: int = 1
    traced: dict[str, Steps] = field(default_factory=dict)
    prefix: str = ""
    _runs: dict[Stage, list[str]] = field(default_factory=dict)
    """The runs that began, in their order; of an outcome that is known, its name in their place."""
    _spending: dict[str, Spending] = field(default_factory=dict)

    def fit(self, stage: Stage, run: str, options: TrainingOptions, **changes: Any) -> Fit:
        """A fit of this name in the stage, with some options of the training replaced."""

        run = self._named(run)

        def on_epoch(run: str, epoch: int, values: dict[str, float]) -> None:
            run = self._named(run)  # a search names its trials itself
            runs = self._runs.setdefault(stage, [])
            runs += [run] if run not in runs else []
            finished = len(runs) - 1
            if options.epochs is not None:
                progress = self.progress.at(stage, epoch, max(epoch, options.epochs), finished)
            else:
                share = values["updates"] / _limits(options).max_updates
                progress = self.progress.at(stage, epoch, None, finished, share)
            self.journal.epoch(stage, run, epoch, values, progress)

        def save_checkpoint(path: Path) -> None:
            self._sign(path)
            digest = self._store(path)
            if oldest := self.journal.checkpoint(stage, digest):
                self.storage.delete(oldest)

        def save_result(key: str, path: Path) -> None:
            self.journal.save_part(stage, self._named(key), digest=self._store(path))

        def load_value(key: str) -> dict[str, Any] | None:
            part = self.journal.part(stage, self._named(key))
            return None if part is None or part.value is None else spending.without_features(part.value)

        def save_value(key: str, value: dict[str, Any]) -> None:
            self.journal.save_part(stage, self._named(key), value=spending.with_features(value))

        def save_interim(network: Network, epochs: Sequence[Mapping[str, float]]) -> None:
            before, now = self.journal.part(stage, INTERIM), _interim(self._runs[stage][-1], epochs)
            if before is not None and before.value is not None and _is_better_trial(before.value, now):
                return
            with self.storage.workspace() as folder:
                path = folder / "network.keras"
                network.save(path)
                self._sign(path)
                digest = self.storage.put(path)
            self.journal.save_part(stage, INTERIM, digest=digest, value=now)
            if before is not None and before.digest not in (None, digest):
                self.storage.delete(str(before.digest))

        spending = self._spent_by(stage, run)
        # Its trials at other rates have these hooks, too.
        is_the_model = stage is Stage.TRANSFER and run == f"transfer/{options.seed}"
        intact = (digest for digest in self.journal.checkpoints_of(stage) if self.storage.is_intact(digest))
        digest = next(intact, None)
        hooks = Hooks(
            run=run,
            on_epoch=on_epoch,
            should_stop=self.should_stop,
            checkpoint=None if digest is None else self.storage.require(digest),
            save_checkpoint=save_checkpoint,
            checkpoint_seconds=self.checkpoint_seconds,
            save_result=save_result,
            load_result=lambda key: self._find_file(stage, self._named(key)),
            save_value=save_value,
            load_value=load_value,
            features=self.features.told_to(spending.uses),
            on_interim_network=save_interim if is_the_model else None,
        )
        return Fit(_options(options, changes), hooks, self.traced, self.devices, spending.cost)

    def spent(self, stage: Stage, run: str, arm: str | None = None) -> dict[str, Any]:
        """What the fits of this name took, to be kept under `SPENT` with what they came to."""
        run = self._named(run)
        # All folds count together, whatever is trained in them.
        return self._spent_by(stage, run).told(arm_of(run) if self.prefix or arm is None else arm)

    def _spent_by(self, stage: Stage, run: str) -> Spending:
        name = owner(self.journal.lease.job_id, stage, run)
        return self._spending.setdefault(name, Spending(FeatureUses(name)))

    def outcome(
        self, stage: Stage, run: str, data: Data, train: Callable[[], Transferred], trials: int = 1
    ) -> tuple[Outcome, Transferred | None]:
        """What a training of this name came to; it is trained only if no attempt has done so before.

        `trials` is the number of trainings that it takes at most, those at rates that lose included.

        Raises:
            TrainingDiverged: it does, or did in an earlier attempt.
        """
        run = self._named(run)
        known = self._find_file(stage, f"outcome {run}")
        diverged = self.journal.part(stage, f"diverged {run}")
        if diverged is not None and diverged.value is not None:
            raise TrainingDiverged(diverged.value["message"])
        runs = self._runs.setdefault(stage, [])
        wanted = len(runs) + trials
        made = self._trained(stage, run, train) if known is None else None
        runs += [f"outcome {run}"] * (wanted - len(runs))
        if made is None:
            assert known is not None
            return _read(known), None
        outcome = self._observed(stage, run, made, data)
        self._keep(stage, run, outcome)
        return outcome, made

    def found(self, stage: Stage, run: str) -> None:
        """Count a training that was there before."""
        self._runs.setdefault(stage, []).append(f"outcome {run}")

    def computed(self, stage: Stage, run: str, compute: Callable[[], Outcome]) -> Outcome:
        """What something of this name that is no network came to, found once for all attempts."""
        run = self._named(run)
        known = self._find_file(stage, f"outcome {run}")
        if known is not None:
            return _read(known)
        outcome = compute()
        self._keep(stage, run, outcome)
        return outcome

    def _named(self, name: str) -> str:
        return name if name.startswith(self.prefix) else self.prefix + name

    def _keep(self, stage: Stage, run: str, outcome: Outcome) -> None:
        with self.storage.workspace() as folder:
            path = folder / "outcome.npz"
            _write(path, outcome)
            value = {SPENT: self.spent(stage, run)}
            self.journal.save_part(stage, f"outcome {run}", digest=self.storage.put(path), value=value)

    def _trained(self, stage: Stage, run: str, train: Callable[[], Transferred]) -> Transferred:
        """What the training made; one that diverged leaves what it took, since a job may do without it."""
        try:
            return train()
        except TrainingDiverged as error:
            told = {"message": str(error), SPENT: self.spent(stage, run)}
            self.journal.save_part(stage, f"diverged {run}", value=told)
            message = f"The training {run} diverged. {error}"
            self.journal.event("training.diverged", message, level="warning", stage=stage, run=run)
            raise

    def _observed(self, stage: Stage, run: str, made: Transferred, data: Data) -> Outcome:
        spending = self._spent_by(stage, run)
        seconds = spending.uses.stopwatch()
        outcome = observe(made, data, int(run.rpartition("/")[2]), self.features.told_to(spending.uses))
        spending.cost.add(0, seconds())
        return outcome

    def _find_file(self, stage: Stage, key: str) -> Path | None:
        part = self.journal.part(stage, key)
        if part is None or part.digest is None or not self.storage.exists(part.digest):
            return None
        return self.storage.require(part.digest)

    def _sign(self, path: Path) -> None:
        """Make a zip's bytes this job's own: of equal jobs one would else delete what the other needs."""
        with zipfile.ZipFile(path, "a") as file:
            file.comment = self.journal.lease.job_id.encode()

    def _store(self, path: Path) -> str:
        with self.storage.workspace() as folder:
            copy = folder / path.name
            shutil.copyfile(path, copy)
            return self.storage.put(copy)


def _interim(run: str, epochs: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    losses = [epoch["val_loss"] for epoch in epochs if "val_loss" in epoch]
    return {"run": run, "loss": min(losses, default=None), "epochs": list(epochs[-1:])}


def _is_better_trial(before: Mapping[str, Any], now: Mapping[str, Any]) -> bool:
    """Whether what is kept is of another trial, at another rate, and has the lower validation loss."""
    known = None not in (before["loss"], now["loss"])
    return bool(known and before["run"] != now["run"] and before["loss"] <= now["loss"])


def _options(asked: TrainingOptions, changes: Mapping[str, Any]) -> Training:
    """The options of a fit: those of the job at one learning rate, with some replaced."""
    values = asked.model_dump(exclude={"learning_rates", "budget"})
    budget = None if asked.epochs is not None else _limits(asked)
    rate = asked.learning_rate or DEFAULT_LEARNING_RATE
    return Training(**{**values, "budget": budget, "learning_rate": rate, **changes})


def _limits(asked: TrainingOptions) -> Budget:
    assert asked.budget is not None  # filled in when the job was accepted
    return Budget(**asked.budget.model_dump())


def observe(made: Transferred, data: Data, seed: int, features: FeatureStore | None = None) -> Outcome:
    """A training's predictions on test and validation rows, and its learning curve.

    Where answers are texts, those to the test rows, and their statistics.
    """
    assert data.test is not None  # checked before the job was accepted
    key = "val_loss" if data.signature.task == "regression" else "val_accuracy"
    frozen = is_backbone_frozen(made.receipt)
    curve = [epoch[key] for epoch in made.history.epochs if key in epoch]
    if data.signature.task in tasks.OF_TEXTS:
        texts, test = of_texts(made.network, data.test)
        # What validation rows are for, calibration, is of probabilities alone.
        return Outcome(seed, test, None, curve, made.history.is_cut_off, texts)

    def answers(rows: Rows) -> Array:
        return predict(made.network, rows.inputs, features, frozen_backbone=frozen)

    return Outcome(
        seed=seed,
        test=answers(data.test),
        validation=None if data.validation is None else answers(data.validation),
        curve=curve,
        is_cut_off=made.history.is_cut_off,
    )


def _write(path: Path, outcome: Outcome) -> None:
    held = {"validation": outcome.validation, "texts": outcome.texts}
    arrays: Mapping[str, Any] = {"test": outcome.test} | {
        name: values for name, values in held.items() if values is not None
    }
    told = {"seed": outcome.seed, "curve": list(outcome.curve), "is_cut_off": outcome.is_cut_off}
    about = json.dumps(told)
    np.savez(path, allow_pickle=False, about=np.array(about), **arrays)


def _read(path: Path) -> Outcome:
    with np.load(path, allow_pickle=False) as file:
        about = json.loads(str(file["about"]))
        validation, texts = file.get("validation"), file.get("texts")
        return Outcome(**about, test=file["test"], validation=validation, texts=texts)
