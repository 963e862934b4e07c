"""Search for a structure: KerasTuner's oracles choose, this service's own loop trains."""

import math
import tempfile
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any, Literal

import keras_tuner
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from workers.transfer.data import Data
from workers.transfer.networks.network import build
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Training

Tuner = Literal["bayesian", "hyperband", "random"]
Space = Mapping[str, Sequence[Any]]
Choose = Callable[[keras_tuner.HyperParameters], dict[str, Any]]


@dataclass(frozen=True)
class Trial:
    """A structure that was tried: the network's options, and its lowest validation loss."""

    number: int
    options: dict[str, Any]
    score: float
    epochs: int


@dataclass(frozen=True)
class SearchResult:
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
    space: Space | None = None,
    on_trial: Callable[[Trial], None] | None = None,
    load_trial: Callable[[str], dict[str, Any] | None] | None = None,
    save_trial: Callable[[str, dict[str, Any]], None] | None = None,
) -> SearchResult:
    """Try structures on the data; the one with the lowest validation loss is found.

    `space` lists values for options of the network, which it chooses among; all other options stay. Without
    it, the kind of network brings its own: `space(hp)` in its backbone's module. All trials have the
    training's seed. What all may take is `trials` times `epochs_per_trial` epochs, by default the training's,
    or, of a training without a number of them, the rounds that make its `min_updates`: hyperband
    (Li et al. 2018) tries more structures, most of them for a share of these epochs, and ends where the next
    trial would not fit. A space of no more than `trials` structures is tried in whole.

    `load_trial` and `save_trial` hold finished trials by key: the oracle sees them again, in order and with
    the same seed, so that a search that was interrupted goes on exactly.

    Raises:
        ValueError: no validation rows, an unknown tuner, or a space that does not fit the network.
        TrainingDiverged: in one of the trials.
    """
    if data.validation is None:
        raise ValueError(
            "Expected validation rows for the search. Received: none. Mark some rows `validation`."
        )
    most = epochs_per_trial or fit.training.epochs or _least_rounds(fit)
    choose = _chooser(options, space)
    found: list[Trial] = []
    spent = 0
    with tempfile.TemporaryDirectory() as folder, _known_warnings_ignored():
        oracle = _oracle(tuner, trials, most, fit.training.seed, choose)
        oracle._set_project_dir(folder, "search")  # it insists on writing a diary
        oracle.verbose = 0
        while True:
            with threadpool_limits(1):  # for such small matrices more threads take two to three times longer
                asked = oracle.create_trial("search")
            epochs = asked.hyperparameters.values.get("tuner/epochs", most)
            if asked.status != "RUNNING" or spent + epochs > trials * most:
                break
            spent += epochs
            chosen = Trial(
                len(found) + 1, {**options, **choose(asked.hyperparameters)}, score=math.nan, epochs=epochs
            )
            of_trial = replace(fit, training=_of_trial(fit.training, epochs, epochs_per_trial))
            found.append(_tried(chosen, data, of_trial, on_trial, load_trial, save_trial))
            oracle.update_trial(asked.trial_id, {"score": found[-1].score})
            asked.status = "COMPLETED"
            oracle.end_trial(asked)
    return SearchResult(min(found, key=lambda trial: trial.score).options, found)


def _tried(
    chosen: Trial,
    data: Data,
    fit: Fit,
    on_trial: Callable[[Trial], None] | None,
    load_trial: Callable[[str], dict[str, Any] | None] | None,
    save_trial: Callable[[str, dict[str, Any]], None] | None,
) -> Trial:
    """The trial with its score, remembered or trained for."""
    key, what = f"trial {chosen.number}", {"options": chosen.options, "epochs": chosen.epochs}
    known = load_trial(key) if load_trial else None
    if known and {name: known[name] for name in what} == what:
        fit.cost.add(**known["cost"])
        return replace(chosen, score=known["score"])
    before = replace(fit.cost)
    tried = replace(chosen, score=_train_trial(chosen, data, fit))
    if save_trial:
        updates, seconds = fit.cost.updates - before.updates, fit.cost.cpu_seconds - before.cpu_seconds
        cost = {"updates": updates, "cpu_seconds": seconds}
        save_trial(key, {**what, "score": tried.score, "cost": cost})
    if on_trial:
        on_trial(tried)
    return tried


def _train_trial(trial: Trial, data: Data, fit: Fit) -> float:
    """The lowest validation loss of the trial's structure."""
    network = build(trial.options, data, fit.training.seed)
    # The graphs of one structure serve no other: they are not kept.
    own = replace(fit.named(f"trial/{trial.number}"), traced={})
    return min(epoch["val_loss"] for epoch in own(network, data).epochs)


def _least_rounds(fit: Fit) -> int:
    budget = fit.training.budget
    assert budget is not None  # else there were epochs
    return math.ceil(budget.min_updates / budget.round_updates)


def _of_trial(training: Training, epochs: int, asked: int | None) -> Training:
    """A training of so many epochs, or of so many rounds where nobody named epochs."""
    if training.budget is None or asked is not None:
        return replace(training, epochs=epochs, budget=None)
    updates = epochs * training.budget.round_updates
    budget = replace(training.budget, min_updates=updates, max_updates=updates, patience_updates=None)
    return replace(training, budget=budget)


def _chooser(options: Mapping[str, Any], space: Space | None) -> Choose:
    """From hyperparameters to options of the network."""
    kind = options["kind"]
    if space is None:
        module = import_module(f"workers.transfer.networks.backbones.{kind}")
        if not hasattr(module, "space"):
            raise ValueError(
                f"Expected a search space, since {kind!r} has no default one. Received: none. Send space."
            )
        of_kind: Choose = module.space
        return of_kind
    wrong = [name for name in space if name == "kind" or name not in options or not space[name]]
    if wrong or not space:
        names = ", ".join(name for name in options if name != "kind")
        raise ValueError(
            f"Expected values to try for some of {names}. Received: {wrong[0] if wrong else 'none'}. "
            "Correct space, or leave it out."
        )

    def choose(hp: keras_tuner.HyperParameters) -> dict[str, Any]:
        # By number, since a value may be a list.
        return {name: values[hp.Choice(name, list(range(len(values))))] for name, values in space.items()}

    return choose


def _oracle(tuner: Tuner, trials: int, epochs: int, seed: int, choose: Choose) -> Any:
    hp = keras_tuner.HyperParameters()
    choose(hp)
    common = {
        "objective": keras_tuner.Objective("score", "min"),
        "seed": seed + 1,  # 0 would mean a random one
        "hyperparameters": hp,
        "allow_new_entries": False,
        "tune_new_entries": False,
    }
    oracles = keras_tuner.oracles
    if tuner not in ("bayesian", "hyperband", "random"):
        raise ValueError(f"Expected bayesian, hyperband or random. Received: {tuner!r}.")
    if math.prod(len(list(one.values)) for one in hp.space) <= trials:
        return oracles.GridSearchOracle(**common)
    if tuner == "hyperband":
        # As many iterations as the budget allows.
        return oracles.HyperbandOracle(max_epochs=epochs, hyperband_iterations=None, **common)
    if tuner == "random":
        return oracles.RandomSearchOracle(max_trials=trials, **common)
    # KerasTuner begins with three random trials a dimension, which would often be all there are.
    begin = max(3, trials // 3)
    return _Bayesian(max_trials=trials, num_initial_points=begin, **common)


class _Bayesian(keras_tuner.oracles.BayesianOptimizationOracle):  # type: ignore[misc]  # it has no types
    """Draws at random where the Gaussian process asks for a structure again: its score is known."""

    def populate_space(self, trial_id: str) -> dict[str, Any]:
        asked: dict[str, Any] = super().populate_space(trial_id)
        if asked["values"] is not None and self._duplicate(asked["values"]):
            asked = self._random_populate_space()
        return asked


@contextmanager
def _known_warnings_ignored() -> Iterator[None]:
    with warnings.catch_warnings():
        # KerasTuner 1.4.8 asks for the thread's name the old way.
        warnings.filterwarnings("ignore", "currentThread|getName", DeprecationWarning)
        # The Gaussian process has few points, and may have equal ones.
        warnings.filterwarnings("ignore", category=ConvergenceWarning)
        warnings.filterwarnings("ignore", "Predicted variances smaller than 0", UserWarning)
        yield
