"""The stage `transfer`: the source's knowledge carried to the target, once for each seed."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial

from app.jobs.states import TRAINED, Stage
from workers.transfer.data import Data
from workers.transfer.methods.parts.pseudo_labels import self_trained
from workers.transfer.methods.parts.receipt import Transferred
from workers.transfer.networks.network import Network, unread
from workers.transfer.proof.evaluation import Outcome
from workers.transfer.training.fitting import Fit
from workers.work import Arms, Made, Work

_MANY = 0.02
"""Of the tokens: so many unknown ones are worth a word."""


def transfer(work: Work, source: Sequence[Network]) -> tuple[Made, Arms]:
    """Carry the source's knowledge to the target by the job's method, once for each seed."""
    done = work.journal.finished(Stage.TRANSFER)
    if done is None:
        work.begin(Stage.TRANSFER)
    measured: list[Outcome] = []
    fresh: Transferred | None = None
    for seed in work.seeds:
        run = f"transfer/{seed}"
        train: Callable[[], Transferred] = partial(transferred, work, source, work.target, run, seed)
        if seed == work.seeds[0]:
            train = partial(_kept, work, train)
        outcome, trained = work.trainings.outcome(Stage.TRANSFER, run, work.target, train)
        measured.append(outcome)
        if seed == work.seeds[0]:
            fresh = trained
    made = _made(work, fresh)
    if done is None:
        message = "The target network is trained."
        output = {"receipt": made.receipt, "findings": made.findings}
        work.journal.ended(Stage.TRANSFER, output, None, message)
    return made, {"transfer": measured}


def transferred(
    work: Work, source: Sequence[Network], data: Data, run: str, seed: int, stage: Stage = Stage.TRANSFER
) -> Transferred:
    """The job's method on this data with this seed, and pseudo-labels after it if they were asked for."""
    recipe = work.job.spec.method
    method = getattr(importlib.import_module(f"workers.transfer.methods.{recipe.kind}"), recipe.kind)
    of = source[0] if len(source) == 1 else source
    fit = work.trainings.fit(stage, run, work.job.spec.training, seed=seed)
    made = method(of, work.options, data, fit, **recipe.model_dump(exclude={"kind"}))
    return with_pseudo_labels(work, made, data, fit)


def with_pseudo_labels(work: Work, made: Transferred, data: Data, fit: Fit) -> Transferred:
    """The network trained on with the unlabelled rows it is sure of, if that was asked for."""
    threshold = work.job.spec.pseudo_labels
    return made if threshold is None else self_trained(made, data, fit, threshold)


def _made(work: Work, fresh: Transferred | None) -> Made:
    """What this attempt trained, or what an earlier one kept."""
    part = work.journal.part(Stage.TRANSFER, TRAINED)
    assert part is not None  # `_kept` wrote it before the outcome
    assert part.digest is not None
    assert part.value is not None
    if fresh is not None:
        return Made(fresh.network, part.digest, fresh.receipt, fresh.findings)
    kept = work.load(part.digest, work.target.signature, part.value["network"])
    return Made(kept, part.digest, part.value["receipt"], part.value["findings"])


def _kept(work: Work, train: Callable[[], Transferred]) -> Transferred:
    """The network of the first seed is durable before its outcome is, so it is there whenever that is."""
    made = train()
    left = unread(made.network, work.target.train.inputs)
    if left:
        made = replace(made, findings={**made.findings, "unread": left})
        message = f"Not all of the train rows is read: {_in_words(left)}. {_remedy(work, made.network, left)}"
        work.journal.event("data.unread", message, level="warning", **left)
    value = {"receipt": made.receipt, "findings": made.findings, "network": dict(made.network.options)}
    work.journal.keep_part(Stage.TRANSFER, TRAINED, digest=work.keep(made.network), value=value)
    return made


def _in_words(left: dict[str, float]) -> str:
    said = {
        "texts_cut": "of the texts are cut",
        "tokens_cut": "of the tokens stand behind the cut",
        "unknown_tokens": "of the tokens read are not in the vocabulary",
        "sequences_cut": "of the sequences are cut",
        "letters_cut": "of the letters stand behind the cut",
    }
    return ", ".join(f"{share:.1%} {said[name]}" for name, share in left.items())


def _remedy(work: Work, made: Network, left: dict[str, float]) -> str:
    """What to send to have more of it read."""
    remedies = []
    if set(left) - {"unknown_tokens"}:
        length = made.options.get("length")
        remedies.append(f"`network.length` says how much is read of each, here {length}; a larger one reads more.")
    if left.get("unknown_tokens", 0) >= _MANY:
        kind = work.job.spec.network.kind
        other = "another `preset`" if kind == "pretrained" else "a larger `network.max_tokens`"
        remedies.append(f"Words that are not known say nothing; take {other}.")
    return " ".join(remedies)
