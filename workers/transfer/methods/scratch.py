"""Training from scratch: the stage `source`, and the control arm on the target."""

from collections.abc import Mapping
from typing import Any

from workers.transfer.data import Data
from workers.transfer.methods.parts.probes import FROZEN, probe
from workers.transfer.methods.parts.receipt import Origin, Transferred, weight_values, write_receipt
from workers.transfer.networks.network import PARTS, build
from workers.transfer.training.fitting import Fit


def scratch(options: Mapping[str, Any], data: Data, fit: Fit) -> Transferred:
    """Build a network for the data and train all of it; initial weights come from the training's seed."""
    network = build(options, data, fit.training.seed)
    start = weight_values(network)
    history = fit(network, data)
    origin = Origin("new", "the network is trained from scratch")
    receipt = write_receipt(network, start, dict.fromkeys(PARTS, origin))
    return Transferred(network, receipt, history, start=start)


def random_frozen(options: Mapping[str, Any], data: Data, fit: Fit) -> Transferred:
    """The ablation: a head on a backbone of random weights, found as that of a linear probe is."""
    network = build(options, data, fit.training.seed)
    start = weight_values(network)
    history, findings = probe(network, data, fit)
    origin = Origin("new", "the network has random weights, and the head alone is trained")
    receipt = write_receipt(network, start, dict.fromkeys(PARTS, origin), FROZEN)
    return Transferred(network, receipt, history, findings, start)
