"""Search for a structure: KerasTuner's oracles choose, this service's own loop trains."""

import contextlib
import io
import tempfile
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal

import keras_tuner

from workers.transfer.data import Data
from workers.transfer.fitting import Fit
from workers.transfer.network import build

Tuner = Literal["bayesian", "hyperband", "random"]


@dataclass(frozen=True)
class Trial:
    """A structure that was tried: the network's options, and its lowest validation loss."""

    number: int
    options: dict[str, Any]
    score: float
    epochs: int


@dataclass(frozen=True)
class Found:
    """The options of the best trial, and all trials in order."""

    options: dict[str, Any]
    trials: list[Trial]


def search(
    options: Mapping[str, Any],
    data: Data,
    fit: Fit,
    *,
    tuner: Tuner = "bayesian",
    trials: int = 10,
    epochs_per_trial: int | None = None,
    space: Mapping[str, Sequence[Any]] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    recall: Callable[[str], dict[str, Any] | None] | None = None,
    keep: Callable[[str, dict[str, Any]], None] | None = None,
) -> Found:
    """Try structures on the data; the one with the lowest validation loss is found.

    `space` lists values for options; all others stay as in `options`. Without it, the kind of network brings
    its own: `space(hp)` in its backbone's module. A trial has the training's seed and `epochs_per_trial`
    epochs, by default the training's; hyperband gives most trials fewer, and ends early if its brackets do.
    `recall` and `keep` hold finished trials by key: the oracle is led through them again, in order and with
    the same seed, so that a search that was interrupted goes on exactly.

    Raises:
        ValueError: there are no validation rows.
    """
    if data.validation is None:
        raise ValueError("Expected validation rows to search by. Received: none. Mark some rows validation.")
    most = epochs_per_trial or fit.training.epochs
    choose = _chooser(str(options["kind"]), space)
    found: list[Trial] = []
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        # KerasTuner 1.4.8 asks for the thread's name the old way.
        warnings.filterwarnings("ignore", "currentThread|getName", DeprecationWarning)
        oracle = _oracle(tuner, trials, most, fit.training.seed, choose)
        oracle._set_project_dir(folder, "search")
        while len(found) < trials:
            with contextlib.redirect_stdout(io.StringIO()):  # its table of hyperparameters
                asked = oracle.create_trial("tuner")
            if asked.status != "RUNNING":
                break
            chosen = {**options, **choose(asked.hyperparameters)}
            epochs = int(asked.hyperparameters.values.get("tuner/epochs", most))
            trial = _tried(len(found) + 1, chosen, epochs, data, fit, recall, keep, on_trial)
            found.append(trial)
            with contextlib.redirect_stdout(io.StringIO()):
                oracle.update_trial(asked.trial_id, {"score": trial.score})
                asked.status = "COMPLETED"
                oracle.end_trial(asked)
    best = min(found, key=lambda trial: trial.score)
    return Found(best.options, found)


def _tried(
    number: int,
    options: dict[str, Any],
    epochs: int,
    data: Data,
    fit: Fit,
    recall: Callable[[str], dict[str, Any] | None] | None,
    keep: Callable[[str, dict[str, Any]], None] | None,
    on_trial: Callable[[Trial], None] | None,
) -> Trial:
    key = f"trial {number}"
    known = recall and recall(key)
    if known:
        return Trial(number, known["options"], known["score"], known["epochs"])
    network = build(options, data, fit.training.seed)
    # A trial's graphs serve no other: they are not kept.
    own = Fit(fit.named(f"trial/{number}", epochs=epochs).training, fit.named(f"trial/{number}").hooks)
    history = own(network, data)
    trial = Trial(number, options, min(epoch["val_loss"] for epoch in history.epochs), epochs)
    if keep:
        keep(key, {"options": options, "score": trial.score, "epochs": epochs})
    if on_trial:
        on_trial(trial)
    return trial


def _chooser(
    kind: str, space: Mapping[str, Sequence[Any]] | None
) -> Callable[[keras_tuner.HyperParameters], dict[str, Any]]:
    """From hyperparameters to options of the network."""
    if space is None:
        of_kind: Callable[[keras_tuner.HyperParameters], dict[str, Any]]
        of_kind = import_module(f"workers.transfer.backbones.{kind}").space
        return of_kind

    def choose(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        return {name: values[hp.Choice(name, list(range(len(values))))] for name, values in space.items()}

    return choose


def _oracle(
    tuner: Tuner,
    trials: int,
    epochs: int,
    seed: int,
    choose: Callable[[keras_tuner.HyperParameters], dict[str, Any]],
) -> Any:
    hp = keras_tuner.HyperParameters()
    choose(hp)
    common = {
        "objective": keras_tuner.Objective("score", "min"),
        "seed": seed,
        "hyperparameters": hp,
        "allow_new_entries": False,
        "tune_new_entries": False,
    }
    if tuner == "hyperband":
        return keras_tuner.oracles.HyperbandOracle(max_epochs=epochs, **common)
    if tuner == "bayesian":
        return keras_tuner.oracles.BayesianOptimizationOracle(max_trials=trials, **common)
    if tuner == "random":
        return keras_tuner.oracles.RandomSearchOracle(max_trials=trials, **common)
    raise ValueError(f"Expected bayesian, hyperband or random. Received: {tuner!r}.")
