"""The stage `source`: the network or networks that knowledge comes from."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from typing import Any

from app.jobs.recipes import StructureTransfer
from app.jobs.recipes import Training as TrainingOptions
from app.jobs.states import Stage
from workers.facts import DatasetFacts, PresetFacts, VersionFacts
from workers.transfer.data import Data, Signature
from workers.transfer.methods import scratch
from workers.transfer.methods.parts.searching import Found, Trial, search
from workers.transfer.networks import network
from workers.transfer.networks.network import Network, weights_digest
from workers.transfer.networks.presets import manifests
from workers.work import Work, signature_of, versions


def source(work: Work) -> list[Network]:
    """The source network or networks: trained, searched for, or taken from where they are."""
    if isinstance(work.job.source, VersionFacts):
        return _given_sources(work)
    if isinstance(work.job.source, PresetFacts):
        return [_preset(work, work.job.source)]
    done = work.journal.finished(Stage.SOURCE)
    signature = signature_of(work.job.source.description)
    if done is not None and done.output_digest is not None and done.output is not None:
        return [work.load(done.output_digest, signature, done.output["network"])]
    work.begin(Stage.SOURCE)
    key = _source_key(work, work.job.source)
    known = work.journal.source_run(key)
    if known is not None and work.storage.is_intact(known.output_digest):
        message = "The same source stage was run before; its network is reused."
        work.journal.ended(Stage.SOURCE, known.output, known.output_digest, message, reused=True)
        return [work.load(known.output_digest, signature, known.output["network"])]
    if known is not None:
        work.journal.forget_source_run(key)
    made, findings = _new_source(work, work.data(work.job.source))
    output = {
        "weights_sha256": weights_digest(made),
        "network": dict(made.options),
        "findings": findings,
    }
    message = "The structure is found." if findings else "The source network is ready."
    work.journal.ended(Stage.SOURCE, output, work.keep(made), message, source_key=key)
    return [made]


def _new_source(work: Work, data: Data) -> tuple[Network, dict[str, Any]]:
    """A trained network; for structure transfer an untrained one, since only its structure is used."""
    spec = work.job.spec
    assert spec.source_training is not None
    options = {**spec.source_network.model_dump(mode="json"), **work.places}
    if not isinstance(spec.method, StructureTransfer):
        fit = work.trainings.fit(Stage.SOURCE, "source", spec.source_training)
        return scratch.scratch(options, data, fit).network, {}
    if spec.method.strategy == "reuse":
        return network.build(options, data, spec.source_training.seed), {}
    found = search_structure(work, Stage.SOURCE, options, data, spec.source_training)
    return network.build(found.options, data, spec.source_training.seed), _findings(found)


def search_structure(
    work: Work, stage: Stage, options: dict[str, Any], data: Data, training: TrainingOptions
) -> Found:
    """Look for a structure on this data; each trial is an event, and none is run twice."""
    method = work.job.spec.method
    assert isinstance(method, StructureTransfer)

    def on_trial(trial: Trial) -> None:
        message = f"Trial {trial.number}, {trial.epochs} epochs: validation loss {trial.score:.4g}."
        told = {
            "number": trial.number,
            "score": trial.score,
            "epochs": trial.epochs,
            "options": trial.options,
        }
        work.journal.event("trial.finished", message, stage=stage, **told)

    def recall(key: str) -> dict[str, Any] | None:
        part = work.journal.part(stage, key)
        return None if part is None else part.value

    return search(
        options,
        data,
        work.trainings.fit(stage, "search", training),
        tuner=method.tuner,
        trials=method.trials,
        epochs_per_trial=method.epochs_per_trial,
        space=method.space,
        on_trial=on_trial,
        recall=recall,
        keep=lambda key, value: work.journal.keep_part(stage, key, value=value),
    )


def _preset(work: Work, preset: PresetFacts) -> Network:
    """The pretrained backbone behind the target's inputs; its head is none yet."""
    done = work.journal.finished(Stage.SOURCE)
    if done is None:
        work.begin(Stage.SOURCE)
    options = {**work.job.spec.source_network.model_dump(mode="json"), **work.places}
    rows = f"{work.job.target.digest} {work.job.target.description.model_dump_json()}"
    made = work.cache.network(options, work.target, rows, work.job.spec.training.seed)
    if done is None:
        output = {"network": dict(made.options)}
        message = f"The source is the pretrained backbone {preset.ref}."
        work.journal.ended(Stage.SOURCE, output, None, message, reused=True)
    return replace(made, is_backbone_alone=True)


def _given_sources(work: Work) -> list[Network]:
    done = work.journal.finished(Stage.SOURCE)
    if done is None:
        work.begin(Stage.SOURCE)
    sources = [
        work.load(
            version.digest,
            Signature.from_dict(version.signature),
            {**version.network, **work.places},
            f"version {version.ref}",
        )
        for version in work.job.sources
        if isinstance(version, VersionFacts)
    ]
    if done is None:
        refs = ", ".join(source.ref for source in work.job.sources)
        output = {"weights_sha256": weights_digest(sources[0]), "network": dict(sources[0].options)}
        assert isinstance(work.job.source, VersionFacts)
        digest = work.job.source.digest
        work.journal.ended(Stage.SOURCE, output, digest, f"The source is {refs}.", reused=True)
    return sources


def _source_key(work: Work, source: DatasetFacts) -> str:
    assert work.job.spec.source_training is not None
    searched = isinstance(work.job.spec.method, StructureTransfer)
    preset = getattr(work.job.spec.source_network, "preset", None)
    parts = {
        "data": source.digest,
        "description": source.description.model_dump(mode="json"),
        "network": work.job.spec.source_network.model_dump(mode="json"),
        # A name may be fetched again in another version.
        "preset": manifests.read(manifests.path_of(work.preset_dir, preset)).get("origin")
        if preset
        else None,
        "training": work.job.spec.source_training.model_dump(mode="json"),
        "search": work.job.spec.method.model_dump(mode="json") if searched else None,
        "versions": versions(),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _findings(found: Found) -> dict[str, Any]:
    trials = [
        {"number": trial.number, "score": trial.score, "epochs": trial.epochs, "options": trial.options}
        for trial in found.trials
    ]
    return {"structure": found.options, "trials": trials}
