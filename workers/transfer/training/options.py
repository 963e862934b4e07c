"""What a training is asked for, what it tells, and how it may end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from workers.transfer.networks.network import Network
from workers.transfer.training.features import FeatureStore
from workers.transfer.training.schedules import Schedule


class Stopped(Exception):
    """The run was asked to stop; its checkpoint has been saved."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TrainingDiverged(Exception):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Training:
    """Options of a run. The optimizer is Adam with Keras' defaults but for the learning rate.

    schedule: see `schedules.scales`; it spans one fit.
    patience: end after so many epochs without a lower validation loss and keep the best epoch's weights;
        None trains all epochs and keeps the last.
    class_weights: "balanced", rows/(classes · the class's rows), or a weight by class name, 1 if not named;
        a row's loss is multiplied by it.
    augment: changes of the examples that are drawn anew in each step, see `augmentation`; a frozen backbone's
        features are computed without.
    """

    epochs: int
    batch_size: int
    learning_rate: float
    seed: int
    shuffle: bool = True
    schedule: Schedule = "constant"
    patience: int | None = None
    class_weights: Mapping[str, float] | str | None = None
    augment: Sequence[str] | None = None


@dataclass(frozen=True)
class Hooks:
    """How a run talks to its surroundings.

    run: names the training among those of its stage, "" or for example `scratch/1`.
    on_epoch: called with `run`, the number of finished epochs and `loss`, `val_loss`, `accuracy`,
        `val_accuracy`, as far as there are validation rows and classes.
    should_stop: asked before every chunk; an answer other than None stops the run.
    checkpoint: a file to go on from; one of another training is left aside.
    save_checkpoint: called with a file that lives only during the call; None saves nothing.
    checkpoint_seconds: the time between two checkpoints within an epoch. At an epoch's end one is saved as
        well, if that takes no more than a twentieth of the time.
    save_result, load_result: make a file durable under a key, and find it again in a later attempt, so that
        it is not computed again.
    features: the cache of frozen parts' outputs, which later jobs share.
    on_interim_network: called during the training, for at most a twentieth of the time, with the best network
        so far (by validation loss where the training stops early, else the current one) and the finished
        epochs.
    """

    run: str = ""
    on_epoch: Callable[[str, int, dict[str, float]], None] | None = None
    should_stop: Callable[[], str | None] | None = None
    checkpoint: Path | None = None
    save_checkpoint: Callable[[Path], None] | None = None
    checkpoint_seconds: float = 30.0
    save_result: Callable[[str, Path], None] | None = None
    load_result: Callable[[str], Path | None] | None = None
    features: FeatureStore | None = None
    on_interim_network: "Callable[[Network, Sequence[Mapping[str, float]]], None] | None" = None


@dataclass(frozen=True)
class History:
    """What `on_epoch` was told, one entry an epoch, with its number as `epoch`."""

    epochs: list[dict[str, float]]

    def __add__(self, other: "History") -> "History":
        return History([*self.epochs, *other.epochs])
