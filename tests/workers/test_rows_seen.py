"""Of what nobody knows which rows it was trained on, the job tells."""

from __future__ import annotations

from typing import Any

import pytest

from app.db.access_tables import DEFAULT_WORKSPACE
from app.jobs.schemas import JobSpec
from workers.job_rows import DatasetFacts, JobFacts, PresetFacts, VersionFacts
from workers.rows_seen import unknown

MLP = {"kind": "mlp"}
PRETRAINED = {"kind": "pretrained", "preset": "mini"}
RANDOM = {**PRETRAINED, "weights": "random"}
PRESET = PresetFacts("mini")


def _version(*names: str) -> VersionFacts:
    return VersionFacts("old@1", "", {}, {}, [], list(names))


def _job(source: Any, network: dict[str, Any], source_network: dict[str, Any]) -> JobFacts:
    spec: dict[str, Any] = {"method": {"kind": "parameter"}, "training": {}, "evaluation": {}}
    spec |= {"source_training": None, "network": network, "source_network": source_network}
    data: Any = DatasetFacts("target@1", "", "", None)  # type: ignore[arg-type]
    return JobFacts(DEFAULT_WORKSPACE, "j", "m", JobSpec.model_validate(spec), source or data, [], data)


@pytest.mark.parametrize(
    ("source", "network", "source_network", "names"),
    [
        (None, MLP, MLP, []),
        (PRESET, PRETRAINED, PRETRAINED, ["mini"]),
        (None, PRETRAINED, PRETRAINED, ["mini"]),
        (None, RANDOM, RANDOM, []),
        (_version(), MLP, MLP, []),
        (_version("mini", "older@1"), MLP, MLP, ["mini", "older@1"]),
        (_version("other"), PRETRAINED, MLP, ["other", "mini"]),
    ],
)
def test_presets_and_versions_without_a_record_are_unknown_over_all_generations(
    source: Any, network: dict[str, Any], source_network: dict[str, Any], names: list[str]
) -> None:
    assert unknown(_job(source, network, source_network)) == names
