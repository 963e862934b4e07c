"""Features of rows of one class drawn together, of different classes apart, then a head on them.

SetFit (Tunstall et al. 2022) for few labels: n rows make n(n - 1)/2 pairs. Here a step sees all pairs within
its batch, each row computed once, where the paper draws pairs.
"""

from dataclasses import replace
from typing import Any

from keras import ops

from workers.transfer.data import Data
from workers.transfer.methods.parts.probes import FROZEN, Tuned, keep_better, probe, weights_of
from workers.transfer.networks.network import Network
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Objective, Seen
from workers.transfer.training.optimizer import Rates
from workers.transfer.training.options import History

FACTOR = 0.03
"""The learning rate on pairs, over the head's: few rows are soon told apart, and more spoils the features."""


def pairs(network: Network) -> Objective:
    """½ mean (1 - cos)² of pairs of one class + ½ mean cos² of pairs of two, of a batch's features.

    A pair weighs the product of its rows' weights. A batch without pairs of a sort has nothing of it.
    """
    tap = f"backbone/{network.backbone.layers[-1].name}"

    def term(seen: Seen) -> Any:
        rows = ops.shape(seen.weight)[0]
        unit = ops.normalize(ops.reshape(seen.taps[tap], (rows, -1)), axis=1)
        cosines = ops.matmul(unit, ops.transpose(unit))  # (b, b)
        y = ops.reshape(seen.y, (-1, 1))
        is_same = ops.cast(ops.equal(y, ops.transpose(y)), "float32")
        weights = seen.weight[:, None] * seen.weight[None, :] * (1.0 - ops.eye(rows))
        same = _mean((1.0 - cosines) ** 2, weights * is_same)
        return 0.5 * (same + _mean(cosines**2, weights * (1.0 - is_same)))

    return Objective("contrastive", (term,), (tap,))


def _mean(values: Any, weights: Any) -> Any:
    return ops.sum(values * weights) / ops.maximum(ops.sum(weights), 1e-7)


def contrasted_by_updates(
    network: Network, data: Data, fit: Fit, frozen: Rates, updates: int, *, mixes: bool
) -> Tuned:
    """So many updates on pairs at `FACTOR` of the rate, then the head in closed form; or the head alone.

    The head alone is kept where that validates better, as with `probes.tuned_by_updates`. Meanwhile
    validation rows are judged by the head that was there before.
    """
    assert fit.training.budget is not None
    history, first = probe(network, data, fit)
    before = weights_of(network)
    alone = {name: value for name, value in history.epochs[-1].items() if name.startswith("val_")}
    rate = fit.training.learning_rate * FACTOR
    updates = min(updates, fit.training.budget.max_updates)
    done = fit.done[1]
    history += _drawn(network, data, fit, frozen, learning_rate=rate, updates=updates)
    findings: dict[str, Any] = {
        "probe": {"updates": 0, **alone, **first},
        "contrastive": {"updates": fit.done[1] - done, "learning_rate": rate},
    }
    second, found = probe(network, data, fit)
    history += second
    after = {name: value for name, value in second.epochs[-1].items() if name.startswith("val_")}
    findings["contrastive"] |= after
    is_kept = keep_better(network, data, fit, before, alone, after, findings, mixes=mixes)
    findings |= found if is_kept else first
    findings["kept"] = "contrastive" if is_kept else "probe"
    return Tuned(history, before, frozen if is_kept else FROZEN, findings)


def contrasted_by_epochs(network: Network, data: Data, fit: Fit, share: float, frozen: Rates) -> Tuned:
    """Pairs first, at `FACTOR` of the rate; the head for a share of the epochs, and for one that is alone."""
    epochs = fit.training.epochs
    assert epochs is not None
    last = min(max(1, round(epochs * share)), max(1, epochs - 1))
    before = weights_of(network)
    findings: dict[str, Any] = {}
    history = None
    if epochs > last:
        rate = fit.training.learning_rate * FACTOR
        history = _drawn(network, data, fit, frozen, learning_rate=rate, epochs=epochs - last)
        findings["contrastive"] = {"epochs": epochs - last, "learning_rate": rate}
    head = fit(network, data, rates=FROZEN, epochs=last)
    findings["probe"] = {"epochs": last, "learning_rate": fit.training.learning_rate}
    whole = head if history is None else history + head
    return Tuned(whole, before, FROZEN if history is None else frozen, findings)


def _drawn(network: Network, data: Data, fit: Fit, frozen: Rates, **options: Any) -> History:
    """Train the backbone on pairs; meanwhile no network is handed out: its head is of other features."""
    if min(fit.training.batch_size, len(data.train)) < 2:
        raise ValueError(
            "Expected batches of at least 2 rows for contrastive, which learns from pairs within a batch. "
            f"Received: {min(fit.training.batch_size, len(data.train))}. Raise batch_size."
        )
    hooks, fit.hooks = fit.hooks, replace(fit.hooks, on_interim_network=None)
    try:
        rates = {**frozen, "head": 0.0}
        return fit(network, data, rates=rates, objective=pairs(network), **options)
    finally:
        fit.hooks = hooks
