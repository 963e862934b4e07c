"""What a network leaves out of its train rows, told where that is much: texts cut, words unknown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from workers.journal import Journal
from workers.transfer.networks.network import Network, unread

_MANY = {
    "texts_cut": 0.06,
    "tokens_cut": 0.05,
    "unknown_tokens": 0.02,
    "sequences_cut": 0.06,
    "letters_cut": 0.05,
}
"""Shares from which on it is worth a word: by default 5 % of texts are cut."""

_WORDS = {
    "texts_cut": "of the texts are cut",
    "tokens_cut": "of the tokens stand behind the cut",
    "unknown_tokens": "of the tokens read are not in the vocabulary",
    "sequences_cut": "of the sequences are cut",
    "letters_cut": "of the letters stand behind the cut",
}


def tell_unread(journal: Journal, network: Network, inputs: Mapping[str, Any]) -> dict[str, float]:
    """The shares of the train rows that are not read, told in an event; none where all of them are small."""
    left = unread(network, inputs)
    if not any(share >= _MANY[name] for name, share in left.items()):
        return {}
    shares = ", ".join(f"{share:.1%} {_WORDS[name]}" for name, share in left.items())
    message = f"Not everything in the train rows is read: {shares}. {_remedy(network, left)}"
    journal.event("data.unread", message, level="warning", **left)
    return left


def _remedy(network: Network, left: Mapping[str, float]) -> str:
    """What to send to have more of it read."""
    remedies = []
    if set(left) - {"unknown_tokens"}:
        remedies.append(
            f"`network.length` says how much is read of each, here {network.options.get('length')}; a larger "
            "one reads more."
        )
    if left.get("unknown_tokens", 0) >= _MANY["unknown_tokens"]:
        other = (
            "another `network.preset`"
            if network.options["kind"] == "pretrained"
            else "a larger `network.max_tokens`"
        )
        remedies.append(f"Words that are not known say nothing; take {other}.")
    return " ".join(remedies)
