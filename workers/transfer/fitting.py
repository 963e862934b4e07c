"""One training loop for everything: progress, stop, checkpoints, exact resume."""

import math
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from workers.transfer import checkpoints
from workers.transfer.checkpoints import Position
from workers.transfer.data import Array, Data, Rows, Task
from workers.transfer.network import PARTS, Network, Part, forward
from workers.transfer.steps import Steps, architecture

CHUNK_STEPS = 32
"""Steps a graph call takes; a stop is asked for and the loss looked at between two calls."""


class Stopped(Exception):
    """The run was asked to stop; its checkpoint has been saved."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TrainingDiverged(Exception):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Training:
    """Options of a run. The optimizer is Adam with Keras' defaults but for the learning rate."""

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    shuffle: bool = True


@dataclass(frozen=True)
class Hooks:
    """How a run speaks to the world around it.

    on_epoch: called with the number of finished epochs and `loss`, `val_loss`, `accuracy`, `val_accuracy`,
        as far as there are validation rows and classes.
    should_stop: asked before every chunk; an answer other than None stops the run.
    checkpoint: a file to go on from.
    save_checkpoint: called with a file that lives only during the call; None saves nothing.
    checkpoint_seconds: the time between two checkpoints.
    """

    on_epoch: Callable[[int, dict[str, float]], None] | None = None
    should_stop: Callable[[], str | None] | None = None
    checkpoint: Path | None = None
    save_checkpoint: Callable[[Path], None] | None = None
    checkpoint_seconds: float = 30.0


@dataclass(frozen=True)
class History:
    """What `on_epoch` was told, one entry an epoch, with its number as `epoch`."""

    epochs: list[dict[str, float]]


@dataclass(frozen=True)
class Fit:
    """Train a network in place. Methods receive one, with the options and the hooks bound.

    `traced` holds the graphs by architecture: `dataclasses.replace(fit, hooks=…)` shares them, so that
    source, transfer and control of a job trace once.
    """

    training: Training
    hooks: Hooks = Hooks()
    traced: dict[str, Steps] = field(default_factory=dict)

    def __call__(
        self,
        network: Network,
        data: Data,
        *,
        train: Sequence[Part] = ("backbone", "head"),
        learning_rate_factors: Mapping[Part, float] | None = None,
    ) -> History:
        """Train the last parts of the network on the train rows; the parts before stay as they are.

        The frozen parts' outputs are computed once, in inference mode. A part's learning rate is the
        training's times its factor (1 if not given).

        Raises:
            Stopped: `should_stop` gave a reason.
            TrainingDiverged: the loss is not finite.
            CheckpointMismatch: the checkpoint is of another run.
            ValueError: `train` does not name the network's last parts.
        """
        if not train or tuple(train) != PARTS[-len(train) :] or "preprocessing" in train:
            raise ValueError(f"Expected ('head',) or ('backbone', 'head') to train. Received: {train!r}.")
        task = data.signature.task
        parts = [network.part(part) for part in train]
        frozen = PARTS[: -len(train)]
        x, y = _features(network, frozen, data.train), data.train.targets
        held_out = None
        if data.validation is not None:
            held_out = _features(network, frozen, data.validation), data.validation.targets
        name = architecture(parts, task)
        if name not in self.traced:
            self.traced[name] = Steps(parts, task)
        factors = [(learning_rate_factors or {}).get(part, 1.0) for part in train]
        steps = self.traced[name]
        steps.begin(parts, self.training.learning_rate, factors)
        run = _Run(self.training, self.hooks, steps, task, x, y, held_out)
        history = run.go(lambda: checkpoints.fingerprint(asdict(self.training), name, factors, arrays=[x, y]))
        steps.end(parts)
        return history


def epoch_order(training: Training, epoch: int, rows: int) -> Array:
    """The order of the rows in an epoch: a function of seed and epoch, so a resumed run needs no state."""
    if not training.shuffle:
        return np.arange(rows)
    return np.random.Generator(np.random.Philox([training.seed, epoch])).permutation(rows)


def _features(network: Network, frozen: Sequence[Part], rows: Rows) -> Array:
    columns = [rows.inputs[column.name] for column in network.signature.columns]
    features = forward(network.part(frozen[0]), [x.reshape(-1, 1) for x in columns])
    for part in frozen[1:]:
        features = forward(network.part(part), features)
    return features


class _Run:
    """The state of one run: where it is and when it last saved."""

    def __init__(
        self,
        training: Training,
        hooks: Hooks,
        steps: Steps,
        task: Task,
        x: Array,
        y: Array,
        held_out: tuple[Array, Array] | None,
    ) -> None:
        self.training, self.hooks, self.steps, self.task = training, hooks, steps, task
        self.x, self.y, self.held_out = x, y, held_out
        self.position = Position(epoch=0, step=0, loss=0.0, right=0.0, history=[])
        self.saved_at = time.monotonic()
        self.fingerprint = ""

    def go(self, fingerprint: Callable[[], str]) -> History:
        """Train from the checkpoint, or from the start, to the last epoch."""
        if self.hooks.save_checkpoint or self.hooks.checkpoint:
            self.fingerprint = fingerprint()
        if self.hooks.checkpoint:
            self.position = checkpoints.read(self.hooks.checkpoint, self.fingerprint, self.steps.variables)
        while self.position.epoch < self.training.epochs:
            self._epoch()
        return History(self.position.history)

    def _epoch(self) -> None:
        order = epoch_order(self.training, self.position.epoch, len(self.x))
        batch = self.training.batch_size
        for step in range(self.position.step, math.ceil(len(order) / batch), CHUNK_STEPS):
            self._pause_between_chunks()
            rows = order[step * batch : (step + CHUNK_STEPS) * batch]
            loss, right = self.steps.train(self.x[rows], self.y[rows], batch)
            self.position.step = step + CHUNK_STEPS
            self.position.loss += loss
            self.position.right += right
            self._check_finite(loss)
        self._end_epoch(len(order))

    def _pause_between_chunks(self) -> None:
        reason = self.hooks.should_stop and self.hooks.should_stop()
        if reason:
            self._save()
            raise Stopped(reason)
        if time.monotonic() - self.saved_at >= self.hooks.checkpoint_seconds:
            self._save()

    def _end_epoch(self, rows: int) -> None:
        values = self._named("", self.position.loss, self.position.right, rows)
        if self.held_out:
            values |= self._named("val_", *self.steps.evaluate(*self.held_out), len(self.held_out[0]))
        epoch = self.position.epoch + 1
        self.position = Position(epoch, 0, 0.0, 0.0, [*self.position.history, {"epoch": epoch, **values}])
        if self.hooks.on_epoch:
            self.hooks.on_epoch(epoch, values)

    def _named(self, prefix: str, loss: float, right: float, rows: int) -> dict[str, float]:
        values = {f"{prefix}loss": loss / rows}
        return values if self.task == "regression" else {**values, f"{prefix}accuracy": right / rows}

    def _save(self) -> None:
        self.saved_at = time.monotonic()
        if not self.hooks.save_checkpoint:
            return
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "checkpoint.npz"
            checkpoints.write(path, self.fingerprint, self.position, self.steps.variables)
            self.hooks.save_checkpoint(path)

    def _check_finite(self, loss: float) -> None:
        if not math.isfinite(loss):
            raise TrainingDiverged(
                f"Expected a finite loss. Received: {loss} in epoch {self.position.epoch + 1} of "
                f"{self.training.epochs}. Lower learning_rate (now {self.training.learning_rate}), raise "
                "batch_size, or switch preprocessing on so that the inputs are scaled."
            )
