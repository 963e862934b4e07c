"""A job tells of a source that was trained too long, or that learnt hardly anything."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import select

from app.db.session import Sessions
from app.db.tables import Event
from app.jobs.transitions import Lease
from tests.workers.transfer import examples
from workers.journal import Journal
from workers.stages.source_losses import source_losses, tell_losses
from workers.transfer.networks.network import build
from workers.transfer.proof.one_answer import one_answer_loss
from workers.transfer.tasks import LabelUnit

DATA = examples.make("text")
NETWORK = build(examples.NETWORKS["text"][0], DATA, 0)


def _epochs(*losses: float) -> list[dict[str, float]]:
    return [{"epoch": number, "loss": 0.1, "val_loss": loss} for number, loss in enumerate(losses, start=1)]


@pytest.mark.parametrize(
    ("shares", "keeps_best", "told"),  # of what one answer for all loses
    [
        ((0.5, 0.3, 0.31), False, []),
        ((0.5, 0.3, 0.9), True, []),
        ((0.5, 0.3, 0.5), False, ["source.overtrained"]),
        ((1.1, 0.98, 0.99), False, ["source.learnt_little"]),
        ((1.1, 0.98, 1.5), True, ["source.learnt_little"]),
        ((0.5, 0.3, 1.5), False, ["source.overtrained", "source.learnt_little"]),
    ],
)
def test_a_source_is_told_of_by_its_own_validation_losses(
    sessions: Sessions, lease: Lease, shares: tuple[float, ...], keeps_best: bool, told: list[str]
) -> None:
    one_answer = one_answer_loss(DATA, LabelUnit())
    losses = [share * one_answer for share in shares]
    found = source_losses(NETWORK, _epochs(*losses), DATA, keeps_best=keeps_best)
    assert found["one_answer"] == one_answer
    assert (found["best"], found["last"]) == (min(losses), losses[-1])
    assert losses[int(found["best_epoch"]) - 1] == found["best"]
    tell_losses(Journal(sessions, lease), found)
    with sessions() as session:
        events = session.scalars(select(Event).where(Event.type.startswith("source."))).all()
    assert [event.type for event in events] == told
    assert all(event.level == "warning" and event.data["best"] == min(losses) for event in events)


@pytest.mark.parametrize("kept", [False, True])
def test_a_source_that_keeps_its_best_weights_is_not_called_overtrained(kept: bool) -> None:
    found = source_losses(NETWORK, _epochs(0.5, 0.3, 0.9), DATA, keeps_best=kept)
    assert found["kept"] == (0.3 if kept else 0.9)


def test_without_validation_rows_nothing_is_told(sessions: Sessions, lease: Lease) -> None:
    found = source_losses(
        NETWORK, [{"epoch": 1, "loss": 9.0}], replace(DATA, validation=None), keeps_best=False
    )
    assert found == {}
    tell_losses(Journal(sessions, lease), found)
