"""Jobs on translations: what is filled in, and what has no meaning there."""

from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.stored import store


@pytest.fixture
def pairs(client: TestClient) -> TestClient:
    """The API with a source and a target of sentence pairs."""
    for name, article in (("source", "the"), ("target", "le")):
        rows = [f"{article} dog no {n},no {n} {article} chien" for n in range(60)]
        store(client, name, "\n".join(["source,target", *rows]).encode(), kind="pairs")
    return client


def posted(client: TestClient, **asked: Any) -> Any:
    request = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}, **asked}
    return client.post("/v1/jobs", json=request)


def test_a_job_on_pairs_needs_no_more_than_its_data_sets(pairs: TestClient) -> None:
    answer = posted(pairs)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["network"]["kind"] == "encoder_decoder"
    assert (job["method"]["strategy"], job["method"]["backbone_learning_rate_factor"]) == ("full", 1)
    assert (job["evaluation"]["folds"], job["evaluation"]["baseline"]) == (0, True)


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        ({"method": {"strategy": "linear_probe"}}, "strategy_does_not_fit"),
        ({"method": {"kind": "distillation"}}, "method_does_not_fit"),
        ({"method": {"regulariser": "bss"}}, "regulariser_does_not_fit"),
        ({"evaluation": {"folds": 5}}, "folds_do_not_fit"),
        ({"evaluation": {"arms": ["random_frozen"]}}, "arm_does_not_fit"),
        ({"evaluation": {"metric": "accuracy"}}, "metric_of_other_task"),
        ({"network": {"kind": "text_convnet"}}, "network_of_other_kind"),
    ],
)
def test_what_has_no_meaning_for_translations_is_refused_with_a_hint(
    pairs: TestClient, asked: dict[str, Any], code: str
) -> None:
    answer = posted(pairs, **asked)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["hint"]
