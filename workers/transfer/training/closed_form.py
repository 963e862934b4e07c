"""A head on a frozen backbone, fitted to convergence in one go and not by steps."""

import hashlib
import json
import platform
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy
import sklearn

from workers.transfer import tasks
from workers.transfer.data import Array, Data, Rows, Task
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.network import Network
from workers.transfer.training.features import outputs, stopwatch
from workers.transfer.training.fitting import Fit
from workers.transfer.training.linear_models import Fitted
from workers.transfer.training.options import History, Hooks, Stopped, TrainingDiverged
from workers.transfer.training.sampling import row_weights
from workers.transfer.training.strengths import (
    CHOICE_ROWS,
    FIXED,
    FOLDS,
    MOST_VALUES,
    STRENGTHS,
    Content,
    Fold,
    LinearModel,
    fit_linear,
)

BLOCK_ROWS = 4096


def fit_head(network: Network, data: Data, fit: Fit) -> tuple[History, dict[str, Any]]:
    """Put the best linear head of the backbone's outputs into the network; the history, and how it was found.

    The backbone is left as it is; of the head nothing is kept. See `strengths.fit_linear`: L2-regularised
    logistic regression, of a number ridge regression in the head's unit, with class weights as in a training.
    The history has one entry, of no updates. What was found is durable under the name of what it was found
    from, so that a later attempt, another seed or arm on the same features takes it; each fold is, too.

    Raises:
        Stopped: `should_stop` gave a reason; finished folds are kept.
        TrainingDiverged: the features, or the losses, are not finite.
        ValueError: classes that the data does not have are weighted.
    """
    seconds = stopwatch(fit.hooks.features)
    fit.close()
    weights = row_weights(fit.training, data)
    x, y = _features(network, data.train, fit), _targets(network, data.train)
    held_out = data.validation and (_features(network, data.validation, fit), data.validation)
    search = _Search(fit.hooks, seconds)
    model = search.run(x, y, weights, network)
    kernel, bias = (np.asarray(values, np.float32) for values in model.fitted)
    network.head.get_layer("output").set_weights([kernel, bias])
    told = _told(network, x, y, weights)
    if held_out:
        of_validation = _told(network, held_out[0], _targets(network, held_out[1]))
        told |= {f"val_{name}": value for name, value in of_validation.items()}
    _check_finite(list(told.values()), "losses of the head")
    epochs, updates = fit.done
    told["updates"] = float(updates)
    fit.count(1, 0, search.spent)
    if fit.hooks.on_epoch:
        fit.hooks.on_epoch(fit.hooks.run, epochs + 1, told)
    return History([{"epoch": epochs + 1, **told}]), model.report


def _features(network: Network, rows: Rows, fit: Fit) -> Array:
    x = outputs(network, ["preprocessing", "backbone"], rows.inputs, fit.hooks.features)
    for start in range(0, len(x), BLOCK_ROWS):
        _check_finite(x[start : start + BLOCK_ROWS], "outputs of the backbone")
    return x


def _targets(network: Network, rows: Rows) -> Array:
    is_number = network.signature.task == "regression"
    return tasks.unit_of(network.head).standardised(rows.targets) if is_number else rows.targets


def _told(network: Network, x: Array, y: Array, weights: Array | None = None) -> dict[str, float]:
    """The mean of the rows' weighted losses and, of classes, the share of right answers."""
    task = network.signature.task
    p = forward(tasks.in_units(network.head), x)
    losses = np.asarray(tasks.row_losses(task, y, p), np.float64)
    return {
        "loss": float((losses if weights is None else losses * weights).mean()),
        **({} if task == "regression" else {"accuracy": accuracy(task, y, p)}),
    }


def accuracy(task: Task, y: Array, p: Array) -> float:
    """The share of decisions that are right, as a training tells it."""
    decided = tasks.decide(task, p)
    return float((decided == y.reshape(decided.shape)).mean())


def _check_finite(values: Any, what: str) -> None:
    if not np.isfinite(values).all():
        raise TrainingDiverged(
            f"Expected finite {what}. Received: numbers that are not. Look at the source, whose training may "
            "have diverged, or switch preprocessing on so that the inputs are scaled."
        )


class _Search:
    """Finds a head, or what an earlier run of the stage found, and counts what this run spent on it.

    Only the run that computed a part counts it, in whichever attempt; `spent` are its CPU seconds.
    """

    def __init__(self, hooks: Hooks, seconds: Callable[[], float]) -> None:
        self.hooks, self.seconds, self.spent = hooks, seconds, 0.0
        self.key = ""

    def run(self, x: Array, y: Array, weights: Array, network: Network) -> LinearModel:
        task, classes = network.signature.task, len(network.signature.classes)
        content = Content.of(x, y, weights)
        self.key = f"head {_digest(content, task, classes)}"
        file = self.hooks.load_result and self.hooks.load_result(self.key)
        if file:
            return self._read(file)
        model = fit_linear(
            x, y, task, classes, weights, content, kept=self._kept, pause=lambda: _pause(self.hooks)
        )
        self.spent += self.seconds()
        if self.hooks.save_result:
            self._write(model, self.hooks.save_result)
        return model

    def _kept(self, name: str, compute: Callable[[], Fold]) -> Fold:
        key = f"{self.key} {name}"
        known = self.hooks.load_value and self.hooks.load_value(key)
        if known:
            self.spent += known["cpu_seconds"] if known["run"] == self.hooks.run else 0.0
            return known
        begun = time.process_time()
        fold = compute()
        if self.hooks.save_value:
            spent = {"run": self.hooks.run, "cpu_seconds": time.process_time() - begun}
            self.hooks.save_value(key, {**fold, **spent})
        return fold

    def _read(self, file: Path) -> LinearModel:
        with np.load(file, allow_pickle=False) as kept:
            about = json.loads(str(kept["about"]))
            self.spent = about["cpu_seconds"] if about["run"] == self.hooks.run else 0.0
            return LinearModel(Fitted(kept["kernel"], kept["bias"]), about["report"])

    def _write(self, model: LinearModel, save: Callable[[str, Path], None]) -> None:
        about = {"report": model.report, "run": self.hooks.run, "cpu_seconds": self.spent}
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "head.npz"
            np.savez(path, allow_pickle=False, about=np.array(json.dumps(about)), **model.fitted._asdict())
            save(self.key, path)


def _pause(hooks: Hooks) -> None:
    reason = hooks.should_stop and hooks.should_stop()
    if reason:
        raise Stopped(reason)


def _digest(content: Content, task: str, classes: int) -> str:
    """Of all that a head follows from."""
    settings = [STRENGTHS, FIXED, FOLDS, CHOICE_ROWS, MOST_VALUES]
    versions = [np.__version__, scipy.__version__, sklearn.__version__, platform.machine()]
    about = json.dumps([content.digest, task, classes, settings, versions])
    return hashlib.sha256(about.encode()).hexdigest()
