"""The stage `source`: the network or networks that knowledge comes from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from app.jobs.recipes import StructureTransfer
from app.jobs.states import Stage
from app.jobs.training import Training as TrainingOptions
from workers.attempt import signature_of
from workers.costs import SPENT
from workers.job_context import JobContext
from workers.job_rows import PresetFacts, RowsFile, VersionFacts
from workers.rows_seen import SOURCE
from workers.stages.retrained import retrain
from workers.stages.source_losses import Losses, tell_losses
from workers.stages.source_runs import known_run, source_key, train_source
from workers.transfer.data import Data, Signature
from workers.transfer.methods.parts.searching import SearchResult, Trial, search
from workers.transfer.networks import network
from workers.transfer.networks.network import Network, weights_digest


def source(context: JobContext) -> list[Network]:
    """The source network or networks: trained, searched for, or taken from where they are."""
    if isinstance(context.job.source, VersionFacts):
        return _given_sources(context)
    if isinstance(context.job.source, PresetFacts):
        return [_preset(context, context.job.source)]
    done = context.journal.finished(Stage.SOURCE)
    signature = signature_of(context.job.source.description)
    if done is not None and done.output_digest is not None and done.output is not None:
        retrain(context, context.job.source)  # its parts may have been dropped since the stage ended
        return [context.load_network(done.output_digest, signature, done.output["network"])]
    context.begin_stage(Stage.SOURCE)
    retrain(context, context.job.source)
    assert context.job.spec.source_training is not None
    key = source_key(context, context.job.source, context.job.spec.source_training)
    known = known_run(context, key)
    if known is not None:
        rows = RowsFile(context.job.source.ref, known.rows_digest, known.output["rows"])
        context.rows.refer(SOURCE, rows)
        message = "The same source stage was run before; its network is reused."
        tell_losses(context.journal, known.output.get("losses", {}))
        context.journal.ended(Stage.SOURCE, known.output, known.output_digest, message, reused=True)
        return [context.load_network(known.output_digest, signature, known.output["network"])]
    data, rows = context.source_data()
    made, findings, losses = _new_source(context, data)
    tell_losses(context.journal, losses)
    output = {
        "weights_sha256": weights_digest(made),
        "network": dict(made.options),
        "findings": findings,
        "losses": losses,
        "rows": rows.rows,
        "job": context.job.name,
        SPENT: context.trainings.spent(Stage.SOURCE, "search" if findings else "source"),
    }
    message = "The structure is found." if findings else "The source network is ready."
    digest = context.store_network(made)
    context.journal.ended(Stage.SOURCE, output, digest, message, source_key=key, rows_digest=rows.digest)
    return [made]


def _new_source(context: JobContext, data: Data) -> tuple[Network, dict[str, Any], Losses]:
    """A trained network; for structure transfer an untrained one, since only its structure is used."""
    spec = context.job.spec
    assert spec.source_training is not None
    options = {**spec.source_network.model_dump(mode="json"), **context.preset_location}
    if not isinstance(spec.method, StructureTransfer):
        made, losses = train_source(context, spec.source_training, "source", data)
        return made, {}, losses
    if spec.method.strategy == "reuse":
        return network.build(options, data, spec.source_training.seed), {}, {}
    found = search_structure(context, Stage.SOURCE, options, data, spec.source_training)
    return network.build(found.options, data, spec.source_training.seed), _findings(found), {}


def search_structure(
    context: JobContext, stage: Stage, options: dict[str, Any], data: Data, training: TrainingOptions
) -> SearchResult:
    """Look for a structure on this data; each trial is an event, and none is run twice."""
    method = context.job.spec.method
    assert isinstance(method, StructureTransfer)

    def on_trial(trial: Trial) -> None:
        named = method.epochs_per_trial is not None or training.epochs is not None
        length = f"{trial.epochs} {'epochs' if named else 'rounds'}"
        message = f"Trial {trial.number}, {length}: validation loss {trial.score:.4g}."
        details = {
            "number": trial.number,
            "score": trial.score,
            "epochs": trial.epochs,
            "options": trial.options,
        }
        context.journal.event("trial.finished", message, stage=stage, **details)

    def load_trial(key: str) -> dict[str, Any] | None:
        part = context.journal.part(stage, context.prefix + key)
        return None if part is None else part.value

    found = search(
        options,
        data,
        context.trainings.fit(stage, "search", training),
        tuner=method.tuner,
        trials=method.trials,
        epochs_per_trial=method.epochs_per_trial,
        space=method.space,
        on_trial=None if context.prefix else on_trial,  # those of folds would be many
        load_trial=load_trial,
        save_trial=lambda key, value: context.journal.save_part(stage, context.prefix + key, value=value),
    )
    if stage is Stage.CONTROL:
        value = {SPENT: context.trainings.spent(stage, "search", "control")}
        context.journal.save_part(stage, context.prefix + "search", value=value)
    return found


def _preset(context: JobContext, preset: PresetFacts) -> Network:
    """The pretrained backbone behind the target's inputs; its head is none yet."""
    done = context.journal.finished(Stage.SOURCE)
    if done is None:
        context.begin_stage(Stage.SOURCE)
    options = {**context.job.spec.source_network.model_dump(mode="json"), **context.preset_location}
    rows = f"{context.job.target.digest} {context.job.target.description.model_dump_json()}"
    made = context.cache.network(options, context.target, rows, context.job.spec.training.seed)
    if done is None:
        output = {"network": dict(made.options)}
        message = f"The source is the pretrained backbone {preset.ref}."
        context.journal.ended(Stage.SOURCE, output, None, message, reused=True)
    return replace(made, is_backbone_alone=True)


def _given_sources(context: JobContext) -> list[Network]:
    done = context.journal.finished(Stage.SOURCE)
    if done is None:
        context.begin_stage(Stage.SOURCE)
    sources = [
        context.load_network(
            version.digest,
            Signature.from_dict(version.signature),
            {**version.network, **context.preset_location},
            f"version {version.ref}",
        )
        for version in context.job.sources
        if isinstance(version, VersionFacts)
    ]
    if done is None:
        refs = ", ".join(source.ref for source in context.job.sources)
        output = {"weights_sha256": weights_digest(sources[0]), "network": dict(sources[0].options)}
        assert isinstance(context.job.source, VersionFacts)
        digest = context.job.source.digest
        context.journal.ended(Stage.SOURCE, output, digest, f"The source is {refs}.", reused=True)
    return sources


def _findings(found: SearchResult) -> dict[str, Any]:
    trials = [
        {"number": trial.number, "score": trial.score, "epochs": trial.epochs, "options": trial.options}
        for trial in found.trials
    ]
    return {"structure": found.options, "trials": trials}
