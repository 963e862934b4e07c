"""What a training is asked for, what it tells, and how it may end."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from workers.transfer.networks.network import Network
from workers.transfer.training.features import FeatureStore
from workers.transfer.training.schedules import Schedule

ChosenBy = Literal["accuracy", "loss"]
"""What the better one is judged by on held-out rows: by accuracy means by loss, too, where that is equal."""


class Stopped(Exception):
    """The run was asked to stop; its checkpoint has been saved."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class TrainingDiverged(Exception):
    """The loss is no longer a finite number."""


@dataclass(frozen=True)
class Budget:
    """Limits of a run in updates, steps of the optimizer on one batch, in rounds; see `rounds.Rounds`.

    It ends once `min_updates` are done and neither `patience_updates` nor `patience_rounds` have brought a
    lower validation loss, or with `max_updates`. The weights of the lowest loss are kept; with fewer than
    `few_validation_rows` validation rows not those from before `min_updates`; but in their place the ones
    after `short_epochs` epochs (0: none) if these are better, `chosen_by` validation loss, or by accuracy and
    then by loss. Fewer validation rows than `least_validation_rows` choose nothing: it takes
    `epochs_without_validation` epochs, but at least `min_updates`, and keeps the last weights; as it does,
    after `max_updates`, where `patience_updates` is None. What a search tries is compared on the validation
    rows, or, where these are so few, by `search_folds` folds of the train rows.
    """

    round_updates: int = 32
    min_updates: int = 300
    patience_updates: int | None = 150
    patience_rounds: int = 3
    max_updates: int = 3000
    epochs_without_validation: int = 20
    few_validation_rows: int = 100
    short_epochs: int = 0
    chosen_by: ChosenBy = "loss"
    least_validation_rows: int = 30
    search_folds: int = 3


@dataclass(frozen=True)
class Training:
    """Options of a run. The optimizer is Adam with Keras' defaults but for the learning rate.

    epochs, budget: one of them; a number of epochs, or limits in updates.
    schedule: see `schedules.scales`; it spans one fit, of a budget all of its updates.
    patience: end after so many epochs without a lower validation loss and keep the best epoch's weights;
        None trains all epochs and keeps the last.
    class_weights: "balanced", rows/(classes · the class's rows), or a weight by class name, 1 if not named;
        a row's loss is multiplied by it.
    augment: changes of the examples that are drawn anew in each step, see `augmentation`; a frozen backbone's
        features are computed without.
    regulariser_strength: of a method's regulariser, where the method is given none; None is its default.
    """

    epochs: int | None
    batch_size: int
    learning_rate: float
    seed: int
    shuffle: bool = True
    schedule: Schedule = "constant"
    patience: int | None = None
    class_weights: Mapping[str, float] | str | None = None
    augment: Sequence[str] | None = None
    budget: Budget | None = None
    regulariser_strength: float | None = None

    def __post_init__(self) -> None:
        if (self.epochs is None) == (self.budget is None):
            raise ValueError(
                f"Expected epochs or a budget. Received: {'neither' if self.epochs is None else 'both'}."
            )

    @property
    def in_updates(self) -> bool:
        """Whether it ends by its budget, and not after a number of epochs."""
        return self.budget is not None


@dataclass
class Cost:
    """What a training took: steps of the optimizer, and seconds of this process on all its processors."""

    updates: int = 0
    cpu_seconds: float = 0.0

    def add(self, updates: int, cpu_seconds: float) -> None:
        """Count more."""
        self.updates += updates
        self.cpu_seconds += cpu_seconds

    def __str__(self) -> str:
        """For people."""
        updates = f"{self.updates:,} update{'' if self.updates == 1 else 's'}"
        return f"{updates}, {told_seconds(self.cpu_seconds)}"


def told_seconds(seconds: float) -> str:
    """CPU seconds, for people."""
    digits = 0 if seconds >= 100 or not seconds else 1 if seconds >= 1 else 2
    return f"{seconds:,.{digits}f} CPU seconds"


@dataclass(frozen=True)
class Hooks:
    """How a run talks to its surroundings.

    run: names the training among those of its stage, "" or for example `scratch/1`.
    on_epoch: called with `run`, the number of finished epochs, or rounds of a budget, and `loss`, `val_loss`,
        `accuracy`, `val_accuracy`, as far as there are validation rows and classes; with a budget also with
        the `updates` that the fit has done.
    should_stop: asked before every chunk; an answer other than None stops the run.
    checkpoint: a file to go on from; one of another training is left aside.
    save_checkpoint: called with a file that lives only during the call; None saves nothing.
    checkpoint_seconds: the time between two checkpoints within an epoch. At an epoch's end one is saved as
        well, if that takes no more than a twentieth of the time.
    save_result, load_result: make a file durable under a key, and find it again in a later attempt, so that
        it is not computed again.
    save_value, load_value: the same of a few plain JSON values.
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
    save_value: Callable[[str, dict[str, Any]], None] | None = None
    load_value: Callable[[str], dict[str, Any] | None] | None = None
    features: FeatureStore | None = None
    on_interim_network: "Callable[[Network, Sequence[Mapping[str, float]]], None] | None" = None


@dataclass(frozen=True)
class History:
    """What `on_epoch` was told, one entry an epoch, with its number as `epoch`.

    is_cut_off: the last of its fits still learnt when its budget ended, see `Rounds.is_cut_off`.
    """

    epochs: list[dict[str, float]]
    is_cut_off: bool = False

    def __add__(self, other: "History") -> "History":
        return History([*self.epochs, *other.epochs], other.is_cut_off)
