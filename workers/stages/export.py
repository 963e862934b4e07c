"""The stage `export`: the files that a user downloads, and what the service says of the version."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Any

import numpy as np

from app.datasets import reading
from app.datasets.reading.description import Description
from app.jobs.states import Stage
from workers.job_context import Arms, JobContext, StoredNetwork, versions
from workers.job_rows import PresetFacts, VersionFacts
from workers.stages.arm_models import COMPARED, COMPARED_TEXTS, Written, temperature_of, write_models
from workers.stages.champion import beside_champion
from workers.stages.control import Compared
from workers.stages.folds import Folds
from workers.stages.held_out_rows import answered
from workers.transfer.delivery import export as exporting
from workers.transfer.delivery import row_tables
from workers.transfer.delivery.predictions import write_out_of_fold, write_predictions
from workers.transfer.methods.parts.receipt import is_backbone_frozen
from workers.transfer.networks.network import in_sequence, leaves, weights_digest
from workers.transfer.tasks import OF_TEXTS
from workers.transfer.training.features import predict

PARQUET = "application/vnd.apache.parquet"


@dataclass(frozen=True)
class Outcome:
    """What the service publishes: the version's facts, its files, those of its rows, and the job's result."""

    facts: dict[str, Any]
    artifacts: list[dict[str, Any]]
    trained_rows: list[dict[str, Any]]
    result: dict[str, Any]


def export(
    context: JobContext,
    made: StoredNetwork,
    arms: Arms,
    evaluated: dict[str, Any],
    compared: Compared,
) -> Outcome:
    """The files that a user downloads, each reloaded and compared before it is offered."""
    context.begin_stage(Stage.EXPORT)
    transferred = made.network
    champion = beside_champion(context, arms["transfer"][0].test)
    lineage = {**_lineage(context, made, evaluated["cost"]), "champion": champion}
    assert context.target.test is not None
    inputs = context.target.test.inputs
    is_table = transferred.signature.kind == "tabular"
    if not is_table:
        inputs = {
            name: values[:COMPARED] for name, values in inputs.items()
        }  # large networks take their time
    if transferred.signature.task in OF_TEXTS:
        inputs = {name: values[:COMPARED_TEXTS] for name, values in context.target.test.inputs.items()}
    frozen = is_backbone_frozen(made.receipt)
    expected = (
        arms["transfer"][0].texts[:COMPARED_TEXTS]
        if arms["transfer"][0].texts is not None
        else predict(transferred, inputs, context.features, frozen_backbone=frozen and not is_table)
    )
    digest = weights_digest(transferred)
    card = _card(context, evaluated, made.receipt, lineage)
    read = reader(context.job.target.description)
    with context.storage.workspace() as folder:
        model, bundle = folder / "model.keras", folder / "model.zip"
        # What was made durable after the training is what is compared and offered: it is not written anew.
        model.symlink_to(context.storage.require(made.digest))
        exporting.verify(model, transferred, digest, inputs, expected, context.cache.loaded)
        exporting.write_bundle(transferred, bundle, card, read, model)
        files = [Written("transfer", "keras", model, made.digest), Written("transfer", "bundle", bundle, "")]
        files += write_models(context, arms, evaluated, card, read, folder)
        artifacts = [_stored(context, file) for file in files]
        artifacts.append(_predictions(context, arms, compared.folds, folder / "predictions.parquet"))
        artifacts += _rows(context, arms, compared, folder)
    output = {"artifacts": artifacts}
    context.journal.ended(Stage.EXPORT, output, None, "The files are written, reloaded and compared.")
    facts = _facts(context, made, evaluated, lineage, digest)
    rows = [asdict(file) for file in context.version_trained_on]
    return Outcome(facts, artifacts, rows, {**_result(evaluated), "champion": champion})


def _predictions(context: JobContext, arms: Arms, folds: Folds | None, path: Path) -> dict[str, Any]:
    """What all arms predicted on test rows, or in folds: whoever wants to can work out the proof again."""
    test, keys = context.target.test, context.row_facts(context.job.target).keys[:, 0]
    assert test is not None
    answers = {
        arm: [(one.seed, one.test if one.texts is None else one.texts) for one in outcomes]
        for arm, outcomes in arms.items()
    }
    if folds is None:
        write_predictions(
            path,
            context.target.signature,
            test,
            answers,
            keys=keys[test.numbers],
            units=context.test_units,
            seen=context.seen.test,
        )
    else:
        rows = folds.labelled.rows
        write_out_of_fold(
            path,
            context.target.signature,
            rows,
            folds.repeats(),
            keys=keys[rows.numbers],
            units=folds.labelled.units,
            seen=folds.labelled.seen,
            test=answers,
            tested=np.isin(rows.numbers, test.numbers),
        )
    about = _stored(context, Written("all", "predictions", path, ""))
    return {**about, "media_type": PARQUET}


def _rows(context: JobContext, arms: Arms, compared: Compared, folder: Path) -> list[dict[str, Any]]:
    """The rows that models get wrong, with all answers; and where labels were doubted, those to correct."""
    signature, told, held = (
        context.target.signature,
        answered(context, arms, compared.folds),
        compared.held_out,
    )
    files = []
    if told is not None and "transfer" in told.answers:
        path = folder / "wrong_rows.parquet"
        row_tables.write_wrong_rows(path, signature, told.rows, told.answers)
        files.append({**_stored(context, Written("all", "wrong_rows", path, "")), "media_type": PARQUET})
    if held is not None:
        path = folder / "doubtful_labels.csv"
        row_tables.write_doubtful_labels(path, signature, held.rows, held.answers, held.issues)
        files.append(
            {**_stored(context, Written("all", "doubtful_labels", path, "")), "media_type": "text/csv"}
        )
    return files


def reader(description: Description) -> exporting.Reader:
    """The service's own reading of files, and what it settled for the target's."""
    folder = Path(reading.__file__).parent
    files = {
        f"reading/{path.relative_to(folder).as_posix()}": path.read_bytes()
        for path in sorted(folder.rglob("*.py"))
    }
    rules = description.reading.model_dump(mode="json", exclude_none=True)
    return exporting.Reader(files, rules, {name: version_of(name) for name in reading.PACKAGES})


def _stored(context: JobContext, file: Written) -> dict[str, Any]:
    """A file, put in storage if it is not there yet, as the service speaks of it."""
    size = file.path.stat().st_size  # before it is moved away
    return {
        "arm": file.arm,
        "format": file.format,
        "suffix": file.path.suffix[1:],
        "media_type": "application/zip",
        "size": size,
        "digest": file.digest or context.storage.put(file.path),
    }


def _lineage(context: JobContext, made: StoredNetwork, cost: dict[str, Any]) -> dict[str, Any]:
    spec = context.job.spec
    kinds = {VersionFacts: "version", PresetFacts: "preset"}
    kind = kinds.get(type(context.job.source), "dataset")
    return {
        "job": context.job.name,
        "source": {kind: ", ".join(source.ref for source in context.job.sources)},
        "target": {"dataset": context.job.target.ref},
        "method": spec.method.model_dump(mode="json"),
        "training": context.training.model_dump(mode="json"),
        "trained_on": {
            "datasets": sorted({file.dataset for file in context.version_trained_on}),
            "unknown": context.seen.told["unknown"],
        },
        "versions": versions(),
        "findings": {**_source_findings(context), **made.findings},
        "cost": cost,
        "backbone": {
            "layers": sum(1 for _, layer in leaves(made.network.backbone) if layer.weights),
            "blocks": sum(1 for layer in made.network.backbone.layers if layer.weights),
            "in_sequence": in_sequence(made.network.backbone),
        },
    }


def _source_findings(context: JobContext) -> dict[str, Any]:
    done = context.journal.finished(Stage.SOURCE)
    return (done.output or {}).get("findings", {}) if done is not None else {}


def _card(
    context: JobContext, evaluated: dict[str, Any], receipt: dict[str, Any], lineage: dict[str, Any]
) -> dict[str, Any]:
    method = {name: value for name, value in lineage["method"].items() if name != "kind"}
    card = {
        "name": context.job.model,
        "method": f"{lineage['method']['kind']} transfer, {_listed(method)}",
        "source": context.job.source.ref,
        "dataset": context.job.target.ref,
        "seed": context.job.spec.training.seed,
        "temperature": temperature_of(evaluated, "transfer"),
        "metrics": evaluated["metrics"],
        "signatures": (evaluated["translations"] or {}).get("signatures", {}),
        "proof": evaluated["proof"],
        "rows_seen": evaluated["rows_seen"],
        "control": evaluated["control"],
        "baseline": evaluated["baseline"],
        "recommendation": evaluated["recommendation_reason"],
        "choices": evaluated["choices"],
        "calibration": evaluated["calibration"],
        "receipt": receipt,
        "findings": lineage["findings"],
        "cost": lineage["cost"],
        "lineage": lineage,
    }
    return {**card, **{name: evaluated[name] for name in ("verdict", "reason", "gain")}}


def _facts(
    context: JobContext, made: StoredNetwork, evaluated: dict[str, Any], lineage: dict[str, Any], digest: str
) -> dict[str, Any]:
    return {
        "signature": made.network.signature.to_dict(),
        # Where a preset lies is a matter of this machine.
        "network": {
            name: value for name, value in made.network.options.items() if name not in context.preset_location
        },
        "receipt": made.receipt,
        "metrics": evaluated["metrics"],
        "verdict": evaluated["verdict"],
        "gain": evaluated["gain"],
        "lineage": lineage,
        "weights_digest": digest,
    }


def _listed(values: dict[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items() if value is not None)


def _result(evaluated: dict[str, Any]) -> dict[str, Any]:
    told = [
        "verdict",
        "verdict_details",
        "reason",
        "rows_needed",
        "gain",
        "metrics",
        "proof",
        "rows_seen",
        "choices",
        "control",
        "baseline",
        "versus_control",
        "versus_baseline",
        "recommendation",
        "recommendation_reason",
        "cost",
    ]
    return {name: evaluated[name] for name in told}
