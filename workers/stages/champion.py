"""How does the new network do beside its model's present champion, on rows that neither was trained on?"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from app.models.aliases import CHAMPION, holder
from workers.job_context import JobContext
from workers.job_rows import VersionFacts, read_version
from workers.transfer.data import Array, Signature
from workers.transfer.methods.parts.held_out import of_texts
from workers.transfer.networks.network import Network
from workers.transfer.proof.comparison import compare
from workers.transfer.proof.evaluation import default_metric
from workers.transfer.proof.verdict import silence
from workers.transfer.tasks import OF_TEXTS
from workers.transfer.training.features import predict


def beside_champion(context: JobContext, new: Array) -> dict[str, Any] | None:
    """What both say of the target's test rows, of which `new` are the new network's predictions.

    As plain values: the champion's `version`, whether they are `comparable`, and `why` not; else the
    `metric`, the `new` and the `champion` value, the difference with `low` and `high`, and the `rows`. The
    interval is that of two networks as they are: the test rows alone are drawn. None without a champion.
    """
    with context.journal.reading() as session:
        version = holder(session, context.job.workspace, context.job.model, CHAMPION)
        champion = None if version is None else read_version(session, version)
    if champion is None:
        return None
    signature, own = Signature.from_dict(champion.signature), context.target.signature
    if why := _apart(signature, own):
        return {"version": champion.ref, "comparable": False, "why": why}
    network = context.load_network(champion.digest, signature, champion.network, f"version {champion.ref}")
    test = context.target.test
    assert test is not None  # checked before the job was accepted
    kept = ~(context.seen.test | _seen_by(context, champion))
    y, units = test.targets[kept], context.test_units[kept]
    metric = context.job.spec.evaluation.metric or default_metric(own.task)
    unsaid = silence(
        own.task, metric, y, len(np.unique(units)), left_out=int((~kept).sum()), classes=len(own.classes)
    )
    before = _answers(network, own, context)[kept] if unsaid is None else None
    if before is None:
        why = f"too few test rows remain that neither was trained on: {len(y)}"
        if context.job.spec.evaluation.fold_count:
            why += "; the cross-validation judges how such networks are made, and not these two"
        return {"version": champion.ref, "comparable": False, "why": why}
    asked = context.job.spec.evaluation
    try:
        gain = compare(
            own.task,
            y,
            [new[kept]],
            [before],
            metric,
            units=units,
            confidence=asked.confidence,
            draws=asked.draws,
            seed=context.job.spec.training.seed,
        )
    except ValueError:
        why = f"the {metric} is not defined on the {len(y)} test rows"
        return {"version": champion.ref, "comparable": False, "why": why}
    told = {name: getattr(gain, name) for name in ("metric", "value", "low", "high", "rows")}
    values = {"new": gain.transfer, "champion": gain.control}
    return {"version": champion.ref, "comparable": True, "why": None, **told, **values}


def _apart(champion: Signature, own: Signature) -> str | None:
    """Why the champion cannot answer the target's rows, or answers something else."""
    if champion.kind != own.kind or champion.task != own.task:
        return f"the champion is for {champion.task} of {champion.kind}, not for {own.task} of {own.kind}"
    if sorted(champion.classes) != sorted(own.classes):
        return "the champion knows other classes"
    lacking = [column.name for column in champion.columns if column not in own.columns]
    if lacking and own.kind == "tabular":
        return f"the champion reads columns that the target lacks, such as {lacking[0]}"
    if lacking and champion.columns[0].type != own.columns[0].type:
        return "the champion reads another kind of input"
    return None


def _seen_by(context: JobContext, champion: VersionFacts) -> Array:
    """Which test rows it, its sources or ancestors were trained on, in the order of `Data.test`."""
    assert context.target.test is not None  # checked before the job was accepted
    numbers = context.target.test.numbers
    if not champion.trained_on:
        return np.zeros(len(numbers), bool)
    return context.rows.seen_in(champion.trained_on, context.job.target, context.known_rows, numbers)


def _answers(network: Network, own: Signature, context: JobContext) -> Array:
    """The champion's predictions by the target's classes."""
    test = context.target.test
    assert test is not None
    theirs = network.signature
    names = dict(zip([column.name for column in theirs.columns], _named(theirs, own), strict=True))
    inputs = {name: test.inputs[known] for name, known in names.items()}
    if own.task in OF_TEXTS:
        return of_texts(network, replace(test, inputs=inputs))[1]
    p = predict(network, inputs)
    if list(theirs.classes) == list(own.classes) or not own.classes:
        return p
    if own.task == "binary":
        return 1 - p
    places = [theirs.classes.index(name) for name in own.classes]
    chosen: Array = p[:, places]
    return chosen


def _named(theirs: Signature, own: Signature) -> list[str]:
    """The target's names of the champion's columns; what has one input is read whatever it is called."""
    if own.kind == "qa":
        return [column.name for column in theirs.columns]
    if own.kind != "tabular":
        return [own.columns[0].name]
    return [column.name for column in theirs.columns]
