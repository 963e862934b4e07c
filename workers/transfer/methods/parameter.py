"""Parameter transfer: start the same network on the target from the parameters learnt on the source."""

from collections.abc import Mapping
from typing import Any, Literal

from workers.transfer.data import Data
from workers.transfer.methods.parts import probes
from workers.transfer.methods.parts.contrastive import contrasted_by_epochs, contrasted_by_updates
from workers.transfer.methods.parts.gradual import gradual
from workers.transfer.methods.parts.interpolation import wise_ft as interpolate
from workers.transfer.methods.parts.lora import low_rank
from workers.transfer.methods.parts.receipt import Transferred, weight_values, write_receipt
from workers.transfer.methods.parts.regularisers import regulariser as regularise
from workers.transfer.methods.parts.schema_map import start as start_from
from workers.transfer.networks.network import Network, leaves
from workers.transfer.training.fitting import Fit
from workers.transfer.training.objective import Objective
from workers.transfer.training.optimizer import Rates


def parameter(
    source: Network,
    options: Mapping[str, Any],
    data: Data,
    fit: Fit,
    *,
    strategy: Literal["full", "linear_probe", "lp_ft", "gradual", "lora", "contrastive"] = "lp_ft",
    backbone_learning_rate_factor: float = 0.1,
    frozen_layers: int = 0,
    frozen_side: Literal["encoder", "decoder"] | None = None,
    probe_share: float = 0.5,
    rank: int = 4,
    contrastive_updates: int = 32,
    regulariser: Literal["l2_sp", "bss", "co_tuning"] | None = None,
    regulariser_strength: float | None = None,
    wise_ft: bool = False,
) -> Transferred:
    """Minimise the target's loss L_t from the source's parameters θ; the source is left as it is.

    What the target shares with the source by column, token and class is carried, see `schema_map.start`; the
    options are the source's. full: the backbone learns at the rate times `backbone_learning_rate_factor`.
    linear_probe: the head alone. lp_ft: the head, then all at a tenth of the rate (Kumar et al. 2022). In
    updates their head is fitted in closed form to the target's rows, and nothing of the source's is kept in
    it; lp_ft is the head alone where fine-tuning does not validate better. With named epochs it is
    trained by steps, in lp_ft for `probe_share` of them. gradual: one more block of layers each phase, see
    `gradual` (Howard & Ruder 2018). lora: the backbone's kernels move by products of the rank, merged at the
    end (Hu et al. 2021). contrastive: the backbone on pairs of rows for `contrastive_updates`, then the head,
    see `contrastive` (Tunstall et al. 2022). The first `frozen_layers` of the backbone's layers with weights
    stay the source's with full, lp_ft, gradual and contrastive; of a translation's so may one `frozen_side`.

    Raises:
        ValueError: no column matches, an unknown strategy, a regulariser where the labels do not train the
            backbone's weights, pairs of a task without one class a row, or no layer left to train.
    """
    if regulariser and strategy in ("linear_probe", "lora", "contrastive"):
        raise ValueError(
            f"Expected no regulariser with {strategy}, whose labels do not train the backbone's weights. "
            f"Received: {regulariser!r}."
        )
    task = data.signature.task
    if strategy == "contrastive" and task not in ("binary", "multiclass"):
        raise ValueError(f"Expected one class a row for contrastive. Received: a {task} task.")
    is_probe, seed = strategy == "linear_probe", fit.training.seed
    fitted = fit.training.in_updates and strategy in ("linear_probe", "lp_ft", "contrastive")
    network, origins = start_from(source, data, seed, stays_frozen=is_probe, fitted_head=fitted)
    start = weight_values(network)
    frozen = _frozen(network, frozen_layers)
    if frozen_side is not None:
        frozen = {**frozen, f"backbone/{frozen_side}": 0.0}
    objective = Objective()
    if regulariser:
        is_new = origins["head"].origin != "copied"
        asked = fit.training.regulariser_strength
        strength = asked if regulariser_strength is None else regulariser_strength
        objective = objective + regularise(regulariser, source, network, data, strength, has_new_head=is_new)
    adapted: list[str] = []
    findings: dict[str, Any] = {}
    before = probes.weights_of(network) if wise_ft else []
    if strategy == "full":
        rates: Rates = {"backbone": backbone_learning_rate_factor, **frozen}
        history = fit(network, data, rates=rates, objective=objective)
    elif strategy == "linear_probe":
        rates = probes.FROZEN
        history, findings = probes.probe(network, data, fit)
    elif strategy == "lp_ft" and fitted:
        tuned = probes.tuned_by_updates(network, data, fit, frozen, objective, mixes=wise_ft)
        history, before, rates, findings = tuned
    elif strategy == "lp_ft":
        tuned = probes.tuned_by_epochs(network, data, fit, probe_share, frozen, objective)
        history, before, rates, findings = tuned
    elif strategy == "contrastive" and fitted:
        tuned = contrasted_by_updates(network, data, fit, frozen, contrastive_updates, mixes=wise_ft)
        history, before, rates, findings = tuned
    elif strategy == "contrastive":
        tuned = contrasted_by_epochs(network, data, fit, probe_share, frozen)
        history, before, rates, findings = tuned
    elif strategy == "gradual":
        history, rates, findings = gradual(network, data, fit, objective, frozen)
    elif strategy == "lora":
        network, history, adapted = low_rank(network, data, fit, rank)
        rates, findings = {"backbone": 0.0}, {"rank": rank}
    else:
        raise ValueError(f"Expected a known strategy, such as lp_ft. Received: {strategy!r}.")
    if rates and not adapted:
        findings["rates"] = dict(rates)
    if wise_ft and "wise_ft" not in findings:
        findings["wise_ft"] = interpolate(network, before, data)
    receipt = write_receipt(network, start, origins, rates, adapted)
    return Transferred(network, receipt, history, findings, start, is_deterministic=fitted and is_probe)


def _layers(network: Network) -> list[str]:
    """The backbone's layers with weights, from the first to the last."""
    return [f"backbone/{path}" for path, layer in leaves(network.backbone) if layer.weights]


def _frozen(network: Network, count: int) -> Rates:
    """Factors of 0 for the first layers."""
    layers = _layers(network)
    if count and count >= len(layers):
        raise ValueError(
            f"Expected fewer than the backbone's {len(layers)} layers to freeze. Received: {count}. "
            "Lower frozen_layers, or use linear_probe."
        )
    return dict.fromkeys(layers[:count], 0.0)
