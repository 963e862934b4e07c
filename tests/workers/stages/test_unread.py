"""A job tells what its network leaves out of the train rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sqlalchemy import select

from app.db.session import Sessions
from app.db.tables import Event
from app.jobs.transitions import Lease
from tests.workers.transfer import examples
from workers.journal import Journal
from workers.stages.unread import tell_unread
from workers.transfer.networks.network import Network, build

OWN_TOKENS = examples.NETWORKS["text"][0]
LETTERS = examples.NETWORKS["sequence"][0]


def _told(sessions: Sessions) -> list[Event]:
    with sessions() as session:
        return list(session.scalars(select(Event).where(Event.type == "data.unread")))


def _network(kind: str, **options: object) -> Network:
    of = OWN_TOKENS if kind == "text" else LETTERS
    return build({**of, **options}, examples.make(kind), 0)


@pytest.mark.parametrize(
    ("kind", "options", "texts", "words"),
    [
        (
            "text",
            {"length": 4},
            ["the film was bad"] * 3 + ["the film was bad I say I say"],
            ["25.0% of the texts are cut", "20.0% of the tokens", "`network.length`", "here 4"],
        ),
        (
            "text",
            {},
            ["the film was bad", "the opera was bad"],
            ["12.5% of the tokens read are not in the vocabulary", "a larger `network.max_tokens`"],
        ),
        (
            "sequence",
            {"length": 10},
            ["ACGTACGTAC", "ACGTACGTACGTACGTACGT"],
            ["50.0% of the sequences are cut", "33.3% of the letters", "`network.length`", "here 10"],
        ),
    ],
)
def test_an_event_tells_the_shares_and_the_option_that_reads_more(
    sessions: Sessions, lease: Lease, kind: str, options: dict, texts: list[str], words: list[str]
) -> None:
    shares = tell_unread(Journal(sessions, lease), _network(kind, **options), {kind: np.array(texts, object)})
    (event,) = _told(sessions)
    assert all(word in event.message for word in words), event.message
    assert event.message.count("`network.") == 1
    assert (event.level, event.data) == ("warning", shares)


def test_words_unknown_to_a_preset_name_the_preset(sessions: Sessions, lease: Lease) -> None:
    network = _network("text")
    network = replace(network, options={**network.options, "kind": "pretrained"})
    tell_unread(Journal(sessions, lease), network, {"text": np.array(["the opera was bad"], object)})
    (event,) = _told(sessions)
    assert "another `network.preset`" in event.message


def test_small_shares_are_no_event(sessions: Sessions, lease: Lease) -> None:
    texts = np.array(["the film was bad"] * 199 + ["the opera was bad"], object)
    assert tell_unread(Journal(sessions, lease), _network("text"), {"text": texts}) == {}
    pictures = examples.make("image")
    seen = build(examples.NETWORKS["image"][0], pictures, 0)
    assert tell_unread(Journal(sessions, lease), seen, pictures.train.inputs) == {}
    assert _told(sessions) == []
