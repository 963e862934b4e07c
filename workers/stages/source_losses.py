"""Did the source learn its task, and did it stop in time? Told by its own validation losses."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from workers.journal import Journal
from workers.transfer.data import Data
from workers.transfer.networks.network import Network
from workers.transfer.proof.one_answer import one_answer_loss
from workers.transfer.tasks import OF_TEXTS, unit_of

RISE = 0.1
"""How far the last validation loss may lie above the lowest, as a share of the loss of one answer for all."""

HARDLY_BETTER = 0.95
"""Share of the loss of one answer for all, from which on a source knows hardly more than that answer."""

Losses = dict[str, float]


def source_losses(
    network: Network, epochs: Sequence[Mapping[str, float]], data: Data, *, keeps_best: bool
) -> Losses:
    """The lowest validation loss with its epoch, the last one, that of the weights kept, and of one answer.

    Empty without validation rows, and of texts, whose losses rise while they get better.
    """
    losses = [epoch["val_loss"] for epoch in epochs if "val_loss" in epoch]
    if data.validation is None or not losses or data.signature.task in OF_TEXTS:
        return {}
    best = min(losses)
    return {
        "best": best,
        "best_epoch": epochs[losses.index(best)]["epoch"],
        "last": losses[-1],
        "kept": best if keeps_best else losses[-1],
        "one_answer": one_answer_loss(data, unit_of(network.head)),
    }


def tell_losses(journal: Journal, losses: Losses) -> None:
    """Warn of a source that was trained too long, or that learnt hardly anything."""
    if not losses:
        return
    kept, best, one_answer = losses["kept"], losses["best"], losses["one_answer"]
    if kept - best > RISE * one_answer:
        message = (
            f"The source was trained too long: its validation loss was lowest, {best:.3g}, after epoch "
            f"{losses['best_epoch']:.0f} and is {kept:.3g} now. Such a source transfers worse. Send "
            "`source.training.patience`, or leave `epochs` out of the source's training."
        )
        journal.event("source.overtrained", message, level="warning", **losses)
    if kept > HARDLY_BETTER * one_answer:
        message = (
            f"The source learnt hardly anything: its validation loss is {kept:.3g}, and that of one answer "
            f"for all rows {one_answer:.3g}. There is little to transfer. Train it longer or at another "
            "`learning_rate`, or choose another source."
        )
        journal.event("source.learnt_little", message, level="warning", **losses)
