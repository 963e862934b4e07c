"""A ranking: each candidate and baseline measured on the target's train rows, each durable by itself."""

from __future__ import annotations

import math
from typing import Any

import keras

from app.db.tables import Job, Version
from app.jobs.states import Stage
from app.rankings.schemas import CandidateSpec, RankingSpec, Refused
from workers.attempt import Attempt
from workers.job_rows import DatasetFacts, read_dataset, read_version
from workers.transfer.choosing.candidates import Candidate, Unusable, candidate_of
from workers.transfer.choosing.measuring import Measured, measure, measure_baselines, measure_none
from workers.transfer.choosing.ranking import rank
from workers.transfer.choosing.target import Target
from workers.transfer.data import Signature
from workers.transfer.methods.parts.schema_map import start
from workers.transfer.training.options import Hooks

_BASELINES = 0.9
"""Share of the progress at which the candidates are done."""


def run(attempt: Attempt) -> None:
    """Measure what earlier attempts have not, and answer which source helps, or that none does."""
    with attempt.journal.reading() as session:
        job = session.get_one(Job, attempt.job_id)
        assert job.target_dataset is not None  # accepted with one
        spec, of_target = RankingSpec.model_validate(job.spec), read_dataset(job.target_dataset)
    attempt.begin(Stage.RANK, _progress(0.0))
    target = Target.of(attempt.data(of_target), spec.seed)
    measured, refused = [], list(spec.refused)
    for number, candidate in enumerate(spec.candidates):
        attempt.go_on()
        try:
            measured.append(_measured(attempt, candidate, target, of_target, spec.seed))
        except Unusable as error:
            refused.append(Refused(name=candidate.name, code="unusable", reason=str(error), hint=None))
        attempt.journal.progress(_progress(_BASELINES * (number + 1) / len(spec.candidates)))
    hooks = Hooks(
        should_stop=attempt.should_stop,
        save_value=lambda key, value: attempt.journal.save_part(Stage.RANK, key, value=value),
        load_value=lambda key: _kept(attempt, key),
        features=attempt.features,
    )
    baselines = measure_baselines(target, spec.seed, hooks)
    attempt.go_on()
    ranking = rank(target, measured, baselines, measure_none(target), metric=spec.metric).to_dict()
    result = _finite(_result(ranking, spec.candidates, refused))
    attempt.journal.ended(Stage.RANK, {}, None, result["why"])
    attempt.succeed(result, result["why"])


def _measured(
    attempt: Attempt, candidate: CandidateSpec, target: Target, of_target: DatasetFacts, seed: int
) -> Measured:
    key = f"candidate {candidate.name}"
    kept = _kept(attempt, key)
    if kept is not None:
        return Measured.from_dict(kept)
    measured = measure(_read(attempt, candidate, target, of_target, seed), target, pause=attempt.go_on)
    attempt.journal.save_part(Stage.RANK, key, value=measured.to_dict())
    return measured


def _kept(attempt: Attempt, key: str) -> dict[str, Any] | None:
    part = attempt.journal.part(Stage.RANK, key)
    return None if part is None else part.value


def _read(
    attempt: Attempt, candidate: CandidateSpec, target: Target, of_target: DatasetFacts, seed: int
) -> Candidate:
    """What the source's frozen layers make of the target's rows."""
    data, folder = target.data, {"folder": str(attempt.preset_dir)}
    if candidate.version is None:
        rows = f"{of_target.digest} {of_target.description.model_dump_json()} {len(target.rows)}"
        network = attempt.cache.network({**candidate.network, **folder}, data, rows, seed)
        return candidate_of(candidate.name, network, target, attempt.features)
    with attempt.journal.reading() as session:
        version = read_version(session, session.get_one(Version, candidate.version))
    signature = Signature.from_dict(version.signature)
    options = version.network | (folder if version.network["kind"] == "pretrained" else {})
    source = attempt.load_network(version.digest, signature, options, f"version {version.ref}")
    network, _ = start(source, data, seed, stays_frozen=True, fitted_head=True)
    head: keras.Model | None = source.head if signature.task in ("binary", "multiclass") else None
    return candidate_of(candidate.name, network, target, attempt.features, head)


def _result(
    ranking: dict[str, Any], candidates: list[CandidateSpec], refused: list[Refused]
) -> dict[str, Any]:
    known = {
        one.name: one.model_dump(mode="json", include={"source", "job", "warnings"}) for one in candidates
    }
    rows = [
        {**row, **(known[row["name"]] if row["kind"] == "candidate" else {})}
        for row in ranking.pop("rows_ranked")
    ]
    return {**ranking, "ranking": rows, "refused": [one.model_dump(mode="json") for one in refused]}


def _finite(value: Any) -> Any:
    """The same with null for what JSON cannot say."""
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _progress(fraction: float) -> dict[str, Any]:
    return {
        "stage": Stage.RANK,
        "epoch": None,
        "epochs": None,
        "fraction": round(fraction, 4),
        "seconds_remaining": None,
    }
