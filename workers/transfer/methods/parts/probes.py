"""A head on a frozen backbone, and fine-tuning after it: in closed form, or by epochs that are named."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from workers.transfer.data import Array, Data
from workers.transfer.methods.parts.held_out import held_out
from workers.transfer.methods.parts.interpolation import wise_ft
from workers.transfer.networks.network import Network
from workers.transfer.training.closed_form import fit_head
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Objective
from workers.transfer.training.optimizer import Rates
from workers.transfer.training.options import History
from workers.transfer.training.rounds import is_better, is_watched

FROZEN: Rates = {"backbone": 0.0}

FINE_TUNING_FACTOR = 0.1
"""The learning rate of fine-tuning after a probe, over the probe's."""


class Tuned(NamedTuple):
    """Both phases; the weights between them; the rates of what was trained in the network that is kept."""

    history: History
    before: list[Array]
    rates: Rates
    findings: dict[str, Any]


def probe(network: Network, data: Data, fit: Fit) -> tuple[History, dict[str, Any]]:
    """Find the head alone: in closed form without an update, or by steps where epochs are named."""
    if not fit.training.in_updates:
        return fit(network, data, rates=FROZEN), {}
    history, report = fit_head(network, data, fit)
    return history, {"head": report}


def tuned_by_epochs(
    network: Network, data: Data, fit: Fit, share: float, frozen: Rates, objective: Objective
) -> Tuned:
    """The head for a share of the epochs, then all layers but the frozen at a tenth of the rate."""
    epochs = fit.training.epochs
    assert epochs is not None
    first = min(max(1, round(epochs * share)), max(1, epochs - 1))
    history = fit(network, data, rates=FROZEN, epochs=first)
    before = weights_of(network)
    findings = {"probe": {"epochs": first, "learning_rate": fit.training.learning_rate}}
    if epochs == first:  # of one epoch, the probe is all
        return Tuned(history, before, FROZEN, findings)
    rate = fit.training.learning_rate * FINE_TUNING_FACTOR
    history += fit(
        network, data, rates=frozen, epochs=epochs - first, learning_rate=rate, objective=objective
    )
    findings["fine_tuning"] = {"epochs": epochs - first, "learning_rate": rate}
    return Tuned(history, before, frozen, findings)


def tuned_by_updates(
    network: Network, data: Data, fit: Fit, frozen: Rates, objective: Objective, *, mixes: bool
) -> Tuned:
    """The head in closed form, then all layers but the frozen at a tenth of the rate; the better is kept.

    By what the budget chooses by on validation rows; of equal ones it is the head alone, and without enough
    such rows what was tuned. With `mixes` it is the best mix of both, see `interpolation`.
    """
    history, findings = probe(network, data, fit)
    before, rate = weights_of(network), fit.training.learning_rate * FINE_TUNING_FACTOR
    alone = {name: value for name, value in history.epochs[-1].items() if name.startswith("val_")}
    history += fit(network, data, rates=frozen, learning_rate=rate, objective=objective)
    findings["probe"] = {
        "updates": 0,
        **alone,
        "why": "The head is fitted in closed form and takes no updates, so probe_share is not used.",
    }
    after = held_out(network, data.validation).score.told() if data.validation is not None else {}
    findings["fine_tuning"] = {"learning_rate": rate, **after}
    is_kept = keep_better(network, data, fit, before, alone, after, findings, mixes=mixes)
    findings["kept"] = "fine_tuning" if is_kept else "probe"
    return Tuned(history, before, frozen if is_kept else FROZEN, findings)


def keep_better(
    network: Network,
    data: Data,
    fit: Fit,
    before: list[Array],
    alone: Mapping[str, float],
    after: Mapping[str, float],
    findings: dict[str, Any],
    *,
    mixes: bool,
) -> bool:
    """Whether what was tuned stays in the network, by both validations; else the weights of before return."""
    if mixes:
        findings["wise_ft"] = wise_ft(network, before, data)
        is_kept = bool(findings["wise_ft"]["a"] > 0)
    else:
        is_kept = not is_watched(fit.training, data) or is_better(fit.training.budget, after, alone)
    if not is_kept:
        network.model.set_weights(before)
    return is_kept


def weights_of(network: Network) -> list[Array]:
    """Copies of all weights, in the order of `get_weights`."""
    return [np.array(weight) for weight in network.model.get_weights()]
