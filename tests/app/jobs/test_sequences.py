"""Jobs on translations and questions: what is filled in, and what has no meaning there."""

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


@pytest.fixture
def questions(client: TestClient) -> TestClient:
    """The API with a source and a target of questions."""
    for name, verb in (("source", "is"), ("target", "stands")):
        rows = [f"Where is no {n}?,Number {n} {verb} in town {n}.,town {n}" for n in range(60)]
        store(client, name, "\n".join(["question,context,answer", *rows]).encode(), kind="qa")
    return client


def test_a_job_on_questions_needs_no_more_than_its_data_sets(questions: TestClient) -> None:
    answer = posted(questions)
    assert answer.status_code == 202, answer.text
    job = answer.json()
    assert job["network"]["kind"] == "span_reader"
    assert (job["method"]["strategy"], job["method"]["backbone_learning_rate_factor"]) == ("full", 1)
    assert (job["evaluation"]["folds"], job["training"]["batch_size"]) == (0, 16)
    assert job["training"]["budget"]["max_updates"] == 600


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        *(
            ({"method": {"strategy": one}}, "strategy_does_not_fit")
            for one in ("linear_probe", "lp_ft", "gradual", "lora", "contrastive")
        ),
        ({"method": {"strategy": "full", "frozen_side": "encoder"}}, "strategy_does_not_fit"),
        ({"method": {"strategy": "full", "frozen_layers": 19}}, "too_many_layers"),
        ({"method": {"kind": "combined"}}, "method_does_not_fit"),
        ({"method": {"regulariser": "co_tuning"}}, "regulariser_does_not_fit"),
        ({"evaluation": {"folds": 5}}, "folds_do_not_fit"),
        ({"evaluation": {"arms": ["source_frozen"]}}, "arm_does_not_fit"),
        ({"evaluation": {"metric": "chrf"}}, "metric_of_other_task"),
        ({"network": {"kind": "encoder_decoder"}}, "network_of_other_kind"),
        ({"source": {"preset": "minilm_l6_v2"}}, "network_of_other_kind"),
    ],
)
def test_what_has_no_meaning_for_questions_is_refused_with_a_hint(
    questions: TestClient, asked: dict[str, Any], code: str
) -> None:
    answer = posted(questions, **asked)
    assert (answer.status_code, answer.json()["code"]) == (422, code)
    assert answer.json()["hint"]
