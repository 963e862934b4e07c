"""One run over the epochs: chunks of steps, stop, early stopping, checkpoints, exact resume."""

import json
import math
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import keras
import numpy as np

from workers.transfer.data import Array, Task
from workers.transfer.networks.network import Network
from workers.transfer.tasks import unit_of
from workers.transfer.training import checkpoints
from workers.transfer.training.checkpoints import CheckpointMismatch, Position
from workers.transfer.training.feeding import Fed, taken
from workers.transfer.training.objective import Objective
from workers.transfer.training.optimizer import Rates
from workers.transfer.training.options import History, Hooks, Stopped, Training, TrainingDiverged
from workers.transfer.training.rounds import rounds
from workers.transfer.training.sampling import of_like_length, step_seeds
from workers.transfer.training.schedules import scales
from workers.transfer.training.steps import Parts, Steps, architecture

CHUNK_STEPS = 32
"""Steps a graph call takes; a stop is asked for and the loss looked at between two calls."""

INTERIM_PAUSES = 20
"""After an interim network was handed out, the next waits this many times as long as that took."""

SAVE_PAUSES = 20
"""After a checkpoint, the next at an epoch's end waits this many times as long as that took to save."""

FIRST_SAVE_SECONDS = 0.05
"""How long the first checkpoint is assumed to take."""


class TrainingRun:
    """The state of one run: where it is and when it last saved."""

    def __init__(
        self,
        steps: Steps,
        training: Training,
        hooks: Hooks,
        parts: Parts,
        rates: Rates,
        objective: Objective,
        read: Fed,
        task: Task,
        held_out: Fed | None,
        offset: int,
        network: Network,
        updates: int = 0,
        counted_from: float | None = None,
    ) -> None:
        self.steps, self.training, self.hooks, self.parts = steps, training, hooks, parts
        self.rates, self.objective, self.offset, self.network = rates, objective, offset, network
        self.task, self.unit = task, unit_of(network.head)
        self.read, self.held_out, self.lengths = read, held_out, read.lengths
        if training.patience is not None and self.held_out is None:
            raise ValueError(
                "Expected validation rows for early stopping. Received: none. Leave patience out."
            )
        self.position = Position(epoch=0, step=0, loss=0.0, right=0.0, history=[])
        self.kept: dict[int, list[Array]] = {}
        watched = 0 if held_out is None else len(held_out)
        self.rounds, self.updates = rounds(training, len(read), watched, offset), updates
        self.scales = scales(training.schedule, self.rounds.updates * self.rounds.most)
        self.counted_at = time.process_time() if counted_from is None else counted_from
        self.saved_at = self.interim_at = time.monotonic()
        self.interim_seconds, self.save_seconds = 0.0, FIRST_SAVE_SECONDS
        self.is_saved = True  # nothing has been done yet
        self.fingerprint = ""

    def train(self, key: str) -> History:
        """Train from the checkpoint, or from the start, to the last epoch."""
        self._begin()
        if self.hooks.save_checkpoint or self.hooks.checkpoint:
            self.fingerprint = self._fingerprint(key)
        if self.hooks.checkpoint:
            try:
                read = checkpoints.read(self.hooks.checkpoint, self.fingerprint, self.steps.variables)
                self.position, self.kept = read
            except CheckpointMismatch:
                self.kept = {}  # of another training, of other versions, or damaged: from the start then
        while not self._is_over():
            self._epoch()
            self._pause_between_epochs()
        for variable, value in zip(self.steps.weights, self._best(), strict=False):
            variable.assign(value)
        return self._end()

    def restore(self, file: Path) -> History:
        """Take what an earlier attempt came to."""
        self._begin()
        with np.load(file, allow_pickle=False) as kept:
            self.position = Position(**json.loads(str(kept["position"])))
            for number, variable in enumerate(self.steps.weights):
                variable.assign(kept[str(number)])
        return self._end()

    def values(self) -> list[Array]:
        """Copies of what this run came to: a method may change the network before they are written."""
        models = [*self.parts.values(), *self.objective.helpers]
        return [np.array(variable.numpy()) for model in models for variable in model.variables]

    def save(self, values: Sequence[Array], save_file: Callable[[Path], None]) -> None:
        """Write these values, as `restore` reads them."""
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "fit.npz"
            arrays = {str(number): value for number, value in enumerate(values)}
            position = np.array(json.dumps(self.position.__dict__))
            np.savez(path, allow_pickle=False, position=position, **arrays)
            save_file(path)

    def _begin(self) -> None:
        self.steps.begin(self.parts, self.objective, self.training.learning_rate, self.rates)

    def _end(self) -> History:
        self.steps.end(self.parts, self.objective.helpers)
        losses = [known["val_loss"] for known in self.position.history if "val_loss" in known]
        return History(self.position.history, self.rounds.is_cut_off(losses))

    @property
    def done(self) -> int:
        """The updates that were made."""
        return self.position.epoch * self.rounds.updates

    def spent(self) -> tuple[int, float]:
        """Updates and CPU seconds, of all attempts up to their last checkpoints."""
        begun = min(self.position.step, self.rounds.updates)  # of a round that did not end
        return self.done + begun, self.position.cpu_seconds

    def _fingerprint(self, key: str) -> str:
        shape = architecture(self.parts, self.task, self.rates, self.objective)
        kept = [*self.objective.extras.values(), *self.objective.anchors.values()]
        arrays = [self.read.y, self.read.weight, *kept]
        # A mapped file is called by what is in it.
        x = self.read.x
        mapped = str(x.filename) if isinstance(x, np.memmap) else None
        arrays += [] if mapped else keras.tree.flatten(x)
        about = [asdict(self.training), shape, dict(self.rates), self.unit, mapped and Path(mapped).name]
        return checkpoints.fingerprint(key, *about, arrays=arrays)

    def _is_over(self) -> bool:
        done = self.position.epoch
        return done >= self.rounds.most or self.rounds.is_over(done, self.position.lowest)

    def _epoch(self) -> None:
        order, batch, updates = self._order(), self.rounds.batch, self.rounds.updates
        begun = self.position.epoch * updates
        before = (self.offset + self.position.epoch) * updates
        for step in range(self.position.step, updates, CHUNK_STEPS):
            self._pause_between_chunks()
            rows = order[step * batch : (step + CHUNK_STEPS) * batch]
            extras = {name: values[rows] for name, values in self.objective.extras.items()}
            end = min(step + CHUNK_STEPS, updates)
            factors = self.scales[begun + step : begun + end]
            x, seeds = taken(self.read.x, rows), step_seeds(self.training, before + step, end - step)
            y, weight = self.read.y[rows], self.read.weight[rows]
            loss, right = self.steps.train(x, y, weight, extras, factors, seeds, batch)
            self.position.step, self.is_saved = step + CHUNK_STEPS, False
            self.position.loss += loss
            self.position.right += right
            self._check_finite(loss)
        self._end_epoch(self.read.count(order))

    def _order(self) -> Array:
        order, number = self.rounds.order(self.position.epoch), self.offset + self.position.epoch
        if self.lengths is None or not self.training.shuffle:
            return order
        return of_like_length(order, self.lengths, self.rounds.batch, self.training.seed, number)

    def _pause_between_chunks(self) -> None:
        reason = self.hooks.should_stop and self.hooks.should_stop()
        if reason:
            self._save()
            raise Stopped(reason)
        if not self.is_saved and time.monotonic() - self.saved_at >= self.hooks.checkpoint_seconds:
            self._save()

    def _pause_between_epochs(self) -> None:
        """Save, but after the last epoch, and where epochs are so short that it would take their time."""
        if self._is_over():
            return
        if time.monotonic() - self.saved_at >= SAVE_PAUSES * self.save_seconds:
            self._save()

    def _end_epoch(self, count: float) -> None:
        values = self._named("", self.position.loss, self.position.right, count)
        if self.held_out:
            held = self.held_out
            values |= self._named("val_", *self.steps.evaluate(held.x, held.y, held.weight), held.count())
            self._check_finite(values["val_loss"])
        epoch = self.position.epoch + 1
        if self.training.in_updates:
            values["updates"] = float(self.updates + epoch * self.rounds.updates)
        history = [*self.position.history, {"epoch": self.offset + epoch, **values}]
        self.position = replace(self.position, epoch=epoch, step=0, loss=0.0, right=0.0, history=history)
        if self.rounds.keeps_best:
            self._keep_best(epoch, [known["val_loss"] for known in history])
        self._cpu_seconds()
        if self.hooks.on_epoch:
            self.hooks.on_epoch(self.hooks.run, self.offset + epoch, values)

    def _keep_best(self, epoch: int, losses: Sequence[float]) -> None:
        """Keep this epoch's weights if they are the best so far, or those of the short training."""
        at = self.position
        if not at.lowest or losses[-1] < losses[at.lowest - 1]:
            at.lowest = epoch
        if self.rounds.may_be_best(epoch) and (not at.best or losses[-1] < losses[at.best - 1]):
            at.best = epoch
        if self.rounds.is_short(epoch):
            at.short = epoch
        known = {number: self.kept[number] for number in (at.best, at.short) if number in self.kept}
        if epoch in (at.best, at.short):
            known[epoch] = [np.array(variable.numpy()) for variable in self.steps.weights]
        self.kept = known

    def _best(self) -> list[Array]:
        """The weights to hand out; none where the last ones are."""
        best, short, history = self.position.best, self.position.short, self.position.history
        if best and short and self.rounds.is_better(history[short - 1], history[best - 1]):
            best = short
        return self.kept.get(best or short, [])

    def _cpu_seconds(self) -> float:
        """What the run has spent so far; an attempt that was killed counts up to its last checkpoint."""
        now = time.process_time()
        self.position.cpu_seconds += now - self.counted_at
        self.counted_at = now
        return self.position.cpu_seconds

    def _named(self, prefix: str, loss: float, right: float, count: float) -> dict[str, float]:
        values = {f"{prefix}loss": loss / count}
        return values if self.task == "regression" else {**values, f"{prefix}accuracy": right / count}

    def _save(self) -> None:
        begun = self.saved_at = time.monotonic()
        if not self.hooks.save_checkpoint:
            return
        self._cpu_seconds()
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.npz"
            checkpoints.write(path, self.fingerprint, self.position, self.steps.variables, self.kept)
            self.hooks.save_checkpoint(path)
        self.saved_at, self.is_saved = time.monotonic(), True
        self.save_seconds = self.saved_at - begun
        self._hand_out_interim()

    def _hand_out_interim(self) -> None:
        begun = time.monotonic()
        if (
            not self.hooks.on_interim_network
            or begun - self.interim_at < INTERIM_PAUSES * self.interim_seconds
            or not self.position.history
        ):
            return
        now = [variable.numpy() for variable in self.steps.weights] if self.kept else []
        for variable, value in zip(self.steps.weights, self._best(), strict=False):
            variable.assign(value)
        self.steps.end(self.parts, self.objective.helpers)
        for variable, value in zip(self.steps.weights, now, strict=False):
            variable.assign(value)
        self.hooks.on_interim_network(self.network, self.position.history)
        self.interim_at = time.monotonic()
        self.interim_seconds = self.interim_at - begun

    def _place(self) -> str:
        epoch, most = self.position.epoch + 1, self.rounds.most
        return f"round {epoch}" if self.training.in_updates else f"epoch {epoch} of {most}"

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            self._cpu_seconds()
            raise TrainingDiverged(
                f"Expected a finite loss. Received: {loss} in {self._place()}. Lower learning_rate "
                f"(now {self.training.learning_rate}), raise batch_size, or switch preprocessing on so "
                "that the inputs are scaled."
            )
