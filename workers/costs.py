"""What did a job's trainings take, and what did reuse and caches save? From what is durable of each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from app.jobs.states import Stage
from workers.journal import Journal
from workers.transfer.training.feature_uses import Computed, FeatureUses
from workers.transfer.training.options import Cost, told_seconds

SPENT = "spent"
"""Under this name a part, or the source's output, keeps what `Spending.told` gave."""


@dataclass
class Spending:
    """What one training, named in `uses`, has taken in all attempts, and the kept features that it needed."""

    uses: FeatureUses
    cost: Cost = field(default_factory=Cost)
    _kept: set[str] = field(default_factory=set)

    def with_features(self, value: dict[str, Any]) -> dict[str, Any]:
        """A value to keep, and the features it needed: once it is kept nobody may ask for them again."""
        new = {key: made.to_dict() for key, made in self.uses.needed.items() if key not in self._kept}
        self._kept |= set(new)
        return {"value": value, "by": self.uses.owner, "features": new}

    def without_features(self, kept: Mapping[str, Any]) -> dict[str, Any]:
        """The value again; its features count if an earlier attempt at this very training kept it."""
        if kept["by"] == self.uses.owner:
            self.uses.needed |= {key: Computed.from_dict(made) for key, made in kept["features"].items()}
            self._kept |= set(kept["features"])
        value: dict[str, Any] = kept["value"]
        return value

    def told(self, arm: str) -> dict[str, Any]:
        """As plain JSON, durable with what the training came to; `arm` is what it counts for."""
        features = {
            key: {
                "owner": made.owner,
                "rows": made.rows,
                "cpu_seconds": made.cpu_seconds,
                "made_of": list(made.made_of),
            }
            for key, made in self.uses.needed.items()
        }
        seconds = self.cost.cpu_seconds + self.uses.paid_seconds
        return {
            "arm": arm,
            "by": self.uses.owner,
            "updates": self.cost.updates,
            "cpu_seconds": seconds,
            "features": features,
        }


@dataclass(frozen=True)
class SourceRun:
    """The source's stage: what it took, now or when an earlier job ran it, and that job's name.

    spent: as `Spending.told`; None if nobody trained a source here.
    """

    spent: Mapping[str, Any] | None
    reused: bool
    job: str


def owner(job_id: str, stage: str, run: str) -> str:
    """Names a training among those of all jobs that share a cache."""
    return f"{job_id}/{stage}/{run}"


def arm_of(run: str) -> str:
    """What a training counts for: few-shot points together, each other arm by its name."""
    return run.partition("/")[0]


def gathered(journal: Journal) -> dict[str, Any]:
    """The `cost` of the journal's job, whose trainings have ended."""
    done = journal.finished(Stage.SOURCE)
    output = done.output if done is not None and done.output is not None else {}
    reused = done is not None and done.reused
    source = SourceRun(output.get(SPENT), reused, output.get("job", ""))
    retrained = [
        SourceRun(value[SPENT], bool(value["reused"]), value["job"])
        for value in journal.values(Stage.SOURCE)
        if SPENT in value and "reused" in value
    ]
    values = [*journal.values(Stage.TRANSFER), *journal.values(Stage.CONTROL)]
    spent = [value[SPENT] for value in values if SPENT in value]
    return job_cost(journal.lease.job_id, source, spent, retrained)


def job_cost(
    job_id: str,
    source: SourceRun,
    spent: Iterable[Mapping[str, Any]],
    retrained: Sequence[SourceRun] = (),
) -> dict[str, Any]:
    """A result's `cost`, see `app.jobs.result_cost.JobCost`; `spent` are all trainings but the source.

    `retrained` are the trainings of the source for further seeds.

    What an earlier job computed is saved once; what several trainings of this job needed, once for each but
    the one that computed it, or found it.
    """
    sources = [source, *retrained]
    own = [one.spent for one in sources if one.spent is not None and not one.reused]
    trainings, reused = list(spent), all(one.reused for one in sources)
    cost: dict[str, Any] = {"source": {**_amount(own), "reused": reused}}
    for arm in dict.fromkeys(one["arm"] for one in trainings):
        cost[arm] = _amount([one for one in trainings if one["arm"] == arm])
    cost["total"] = _amount([*own, *trainings])
    cost["saved"] = _saved(job_id, sources, [*own, *trainings])
    return cost


def _saved(
    job_id: str, sources: Iterable[SourceRun], trainings: Iterable[Mapping[str, Any]]
) -> dict[str, Any]:
    earlier: dict[str, Mapping[str, Any]] = {}
    shared = 0.0
    for training in trainings:
        for key, one in training["features"].items():
            if one["owner"] == training["by"]:
                continue  # it has paid for them
            if one["owner"].startswith(f"{job_id}/") or key in earlier:
                shared += one["cpu_seconds"]
            else:
                earlier[key] = one
    known = [(one.job, one.spent) for one in sources if one.reused and one.spent is not None]
    again = _amount([spent for _, spent in known])
    why = [f"The same source stage was run by job {job} before: {told(spent)}." for job, spent in known]
    if earlier:
        # Those that others of them were made of are of the same rows.
        inner = {key for one in earlier.values() for key in one["made_of"]}
        rows = sum(one["rows"] for key, one in earlier.items() if key not in inner)
        seconds = sum(one["cpu_seconds"] for one in earlier.values())
        why.append(f"Features of {rows:,} rows were found in the cache: {told_seconds(seconds)}.")
    if shared:
        why.append(f"Features that several trainings need were computed once: {told_seconds(shared)}.")
    seconds = again["cpu_seconds"] + shared + sum(one["cpu_seconds"] for one in earlier.values())
    return {"updates": again["updates"], "cpu_seconds": round(seconds, 3), "why": why}


def _amount(spent: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    parts = list(spent)
    seconds = sum(one["cpu_seconds"] for one in parts)
    return {"updates": sum(one["updates"] for one in parts), "cpu_seconds": round(seconds, 3)}


def told(amount: Mapping[str, Any]) -> str:
    """Updates and CPU seconds, for people."""
    return str(Cost(amount["updates"], amount["cpu_seconds"]))
