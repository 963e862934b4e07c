"""One training loop for everything: a network in place, its frozen parts computed once."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

import keras

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Rows
from workers.transfer.networks.network import PARTS, Network, Part, leaves
from workers.transfer.training.augmentation import Changes, augmentations
from workers.transfer.training.epoch_loop import TrainingRun
from workers.transfer.training.features import stopwatch
from workers.transfer.training.feeding import Features, Fed, fed, map_structure
from workers.transfer.training.objective import Objective
from workers.transfer.training.optimizer import Rates, rate_of
from workers.transfer.training.options import Cost, History, Hooks, Training, TrainingDiverged
from workers.transfer.training.rounds import exactly
from workers.transfer.training.sampling import row_weights
from workers.transfer.training.schedules import Schedule
from workers.transfer.training.steps import Parts, Steps, architecture


@dataclass
class Fit:
    """Train a network in place. Methods receive one, with the options and the hooks bound.

    A method may call it several times: the epochs count on, and what a finished call came to is durable as
    soon as the next begins. `traced` holds the graphs by architecture: `fit.named(…)` shares them, so that
    all trainings of a job trace once. Each batch is shared out among the process' `devices`. `cost` counts
    what its calls took, in this or an earlier attempt, and those of all fits that `named` makes of it.
    """

    training: Training
    hooks: Hooks = field(default_factory=Hooks)
    traced: dict[str, Steps] = field(default_factory=dict)
    devices: int = 1
    cost: Cost = field(default_factory=Cost)
    _calls: int = field(default=0, init=False)
    _epochs: int = field(default=0, init=False)
    _updates: int = field(default=0, init=False)
    _save_last: Callable[[], None] | None = field(default=None, init=False)

    def named(self, run: str, **training: object) -> "Fit":
        """A new fit of that name, with some options of the training replaced."""
        changed = replace(self.training, **training)  # type: ignore[arg-type]
        return Fit(changed, replace(self.hooks, run=run), self.traced, self.devices, self.cost)

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the CPU seconds of what is done beside the fit's calls, such as predictions a method needs.

        Those of features that are kept are told with these, see `FeatureUses`.
        """
        seconds = stopwatch(self.hooks.features)
        yield
        self.cost.add(0, seconds())

    def close(self) -> None:
        """Make what the last call came to durable: no other follows."""
        if self._save_last is not None:
            self._save_last()
        self._save_last = None

    def __call__(
        self,
        network: Network,
        data: Data,
        *,
        rates: Rates | None = None,
        epochs: int | None = None,
        updates: int | None = None,
        learning_rate: float | None = None,
        schedule: Schedule | None = None,
        objective: Objective | None = None,
    ) -> History:
        """Train the network's backbone and head on the train rows.

        `rates` are factors on the learning rate by path (`backbone`, `backbone/dense_1`, `head`; the longest
        counts, 1 if none does); a layer whose factor is 0 is frozen. A wholly frozen backbone's outputs are
        computed once, in inference mode. Epochs, learning rate and schedule are the training's unless given.
        With `updates` it takes so many, rounded up to whole rounds, and keeps the last weights.

        A regression is trained, and its losses are told, in the head's unit, see `tasks.unit_of`.

        Raises:
            Stopped: `should_stop` gave a reason.
            TrainingDiverged: the loss is not finite.
            ValueError: a rate's path leads nowhere, all is frozen, patience without validation rows, or
                classes that the data does not have are weighted.
        """
        rates, objective = dict(rates or {}), objective or Objective()
        seconds = stopwatch(self.hooks.features)
        training = replace(
            self.training if epochs is None else replace(self.training, epochs=epochs, budget=None),
            learning_rate=self.training.learning_rate if learning_rate is None else learning_rate,
            schedule=self.training.schedule if schedule is None else schedule,
        )
        if updates is not None:
            training = exactly(training, updates, len(data.train))
        trained, frozen = _trained_parts(network, rates)
        read = self._fed(network, frozen, data.train, row_weights(training, data))
        changes = augmentations(training.augment, network.signature) if frozen == ["preprocessing"] else ()
        held_out = None if data.validation is None else self._fed(network, frozen, data.validation)
        run = TrainingRun(
            self._prepared(trained, data, rates, objective, read.x, changes),
            training,
            self.hooks,
            trained,
            rates,
            objective,
            read,
            data.signature.task,
            held_out,
            offset=self._epochs,
            network=network,
            updates=self._updates,
            counted_from=time.process_time() - seconds(),
        )
        try:
            history = self._durable(run)
        except TrainingDiverged:  # such as at one rate of several
            self.cost.add(*run.spent())
            raise
        self.count(len(history.epochs), *run.spent())
        return history

    @property
    def done(self) -> tuple[int, int]:
        """Epochs, or rounds, and updates of all calls so far."""
        return self._epochs, self._updates

    def count(self, epochs: int, updates: int, cpu_seconds: float) -> None:
        """Add what a call took; later ones count on from there."""
        self._epochs += epochs
        self._updates += updates
        self.cost.add(updates, cpu_seconds)

    def _prepared(
        self, parts: Parts, data: Data, rates: Rates, objective: Objective, x: Features, changes: Changes
    ) -> Steps:
        dtypes = map_structure(lambda one: one.dtype.name, x)
        about = f"{dtypes} {' '.join(changes)} "
        name = about + architecture(parts, data.signature.task, rates, objective)
        if name not in self.traced:
            task = data.signature.task
            self.traced[name] = Steps(parts, task, rates, objective, dtypes, changes, self.devices)
        return self.traced[name]

    def _fed(self, network: Network, frozen: list[Part], rows: Rows, weight: Array | None = None) -> Fed:
        return fed(network, frozen, rows, weight, self.hooks.features)

    def _durable(self, run: TrainingRun) -> History:
        self.close()
        key = f"{self.hooks.run}/fit {self._calls}"
        self._calls += 1
        known = self.hooks.load_result and self.hooks.load_result(key)
        if known:
            return run.restore(known)
        history = run.train(key)
        if self.hooks.save_result:
            save, values = self.hooks.save_result, run.values()
            self._save_last = lambda: run.save(values, lambda path: save(key, path))
        return history


def _trained_parts(network: Network, rates: Rates) -> tuple[dict[Part, "keras.Model"], list[Part]]:
    """The parts from the first that is trained on, and those before it."""
    known = {
        path: rate_of(rates, path)
        for part in PARTS
        for leaf, layer in leaves(network.part(part))
        for path in (f"{part}/{leaf}", *(f"{part}/{leaf}/{weight.name}" for weight in layer.weights))
    }
    lost = [path for path in rates if not any(f"{leaf}/".startswith(f"{path}/") for leaf in known)]
    if lost:
        raise ValueError(f"Expected rates of {', '.join(known)}. Received: {lost[0]}. Correct the path.")
    trained = [part for part in PARTS if any(known[leaf] for leaf in known if leaf.startswith(f"{part}/"))]
    if not trained:
        raise ValueError(
            "Expected a layer to train. Received: rates of 0 for all layers. Leave out the rate of the head."
        )
    first = PARTS.index(trained[0])
    parts = {part: network.part(part) for part in PARTS[first:]}
    return {**parts, "head": tasks.in_units(network.head)}, list(PARTS[:first])
