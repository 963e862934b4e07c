from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.app.conftest import Publish
from tests.stored import store

pytestmark = pytest.mark.usefixtures("datasets")


def refused(client: TestClient, **asked: Any) -> dict[str, Any]:
    request = {"model": "m", "source": {"dataset": "source"}, "target": {"dataset": "target"}, **asked}
    answer = client.post("/v1/jobs", json=request)
    assert answer.status_code == 422, answer.text
    problem: dict[str, Any] = answer.json()
    assert problem["hint"]
    return problem


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (
            {"method": {"strategy": "linear_probe", "regulariser": "bss"}},
            "regulariser_does_not_fit",
            "expected none with `linear_probe`",
        ),
        (
            {"method": {"strategy": "contrastive", "regulariser": "l2_sp"}},
            "regulariser_does_not_fit",
            "whose labels do not train",
        ),
        (
            {"method": {"strategy": "contrastive"}, "training": {"batch_size": 1}},
            "strategy_does_not_fit",
            "at least 2 with `contrastive`",
        ),
        (
            {"method": {"strategy": "contrastive", "contrastive_updates": 8}, "training": {"epochs": 2}},
            "strategy_does_not_fit",
            "none with `training.epochs`, a share of which trains on pairs. Received: 8",
        ),
        (
            {"method": {"kind": "distillation", "strategy": "decoupled"}},
            "strategy_does_not_fit",
            "one of at least 3 classes",
        ),
        (
            {"method": {"kind": "structure", "space": {"units": [1]}}},
            "option_unknown",
            "Received: units",
        ),
        ({"target": {"dataset": "target", "pseudo_labels": 0.9}}, "no_unlabelled_rows", "Received: none"),
        ({"method": {"frozen_layers": 2}}, "too_many_layers", "fewer than the 2 layers"),
        (
            {"method": {"kind": "combined", "strategy": "partial_copy", "copied_layers": 3}},
            "too_many_layers",
            "at most 2",
        ),
        ({"evaluation": {"arms": ["random_structure"]}}, "arm_does_not_fit", "a structure transfer"),
        ({"evaluation": {"arms": ["usual_network"]}}, "arm_does_not_fit", "another network"),
        ({"evaluation": {"arms": ["random_weights"]}}, "arm_does_not_fit", "a preset as source"),
        (
            {
                "network": {"kind": "mlp", "hidden_units": [3]},
                "method": {"kind": "structure", "strategy": "reuse"},
                "evaluation": {"arms": ["usual_network"]},
            },
            "arm_does_not_fit",
            "a control that is the one",
        ),
        ({"evaluation": {"arms": ["random_frozen"] * 2}}, "arm_does_not_fit", "once"),
        (
            {"method": {"kind": "structure"}, "evaluation": {"arms": ["source_frozen"]}},
            "arm_does_not_fit",
            "a source that is trained",
        ),
        ({"training": {"class_weights": {"maybe": 2}}}, "class_unknown", "Received: maybe"),
        (
            {"network": {"kind": "convnet", "image_shape": [2, 2, 1], "preprocessing": True}},
            "needs_preprocessing",
            "since the columns are an image's pixels",
        ),
        (
            {"source": {"dataset": "source", "network": {"hidden_units": [3]}}},
            "network_differs",
            "parameter transfer keeps it",
        ),
    ],
)
def test_what_a_method_misses_is_told_before_the_job_is_accepted(
    client: TestClient, asked: dict[str, Any], code: str, words: str
) -> None:
    problem = refused(client, **asked)
    assert problem["code"] == code
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        (
            {"method": {"kind": "distillation"}, "source": {"dataset": "one"}},
            "classes_differ",
            "no, yes (multilabel). Received: one of no, yes.",
        ),
        ({"training": {"class_weights": "balanced"}}, "class_unknown", "a multilabel task has none"),
        ({"method": {"regulariser": "co_tuning"}}, "regulariser_does_not_fit", "a multilabel target"),
        ({"method": {"strategy": "contrastive"}}, "strategy_does_not_fit", "for a multilabel task"),
        (
            {"target": {"dataset": "several", "pseudo_labels": 0.9}},
            "pseudo_labels_do_not_fit",
            "one class per row",
        ),
        ({"evaluation": {"metric": "balanced_accuracy"}}, "metric_of_other_task", "micro_f1"),
    ],
)
def test_what_needs_one_class_a_row_is_refused_for_several(
    client: TestClient, asked: dict[str, Any], code: str, words: str
) -> None:
    for name, task, labels in (
        ("several", "multilabel", ("yes|no", "no", "|")),
        ("one", "binary", ("yes", "no")),
    ):
        rows = "".join(f"{n},{n % 7},{labels[n % len(labels)]}\n" for n in range(60))
        store(client, name, f"a,b,y\n{rows}".encode(), label="y", task=task)
    problem = refused(client, **{"target": {"dataset": "several"}, **asked})
    assert problem["code"] == code
    assert words in problem["detail"]


def test_options_that_choose_on_validation_rows_need_some(client: TestClient) -> None:
    rows = (
        "1,2,3,oslo,pass,train\n2,1,3,rome,fail,train\n" * 20 + "1,2,3,oslo,pass,test\n2,1,3,rome,fail,test\n"
    )
    store(client, "two", f"a,b,c,city,y,split\n{rows}".encode())
    target = {"dataset": "two"}
    for asked in (
        {"training": {"epochs": 20, "patience": 3}},
        {"method": {"wise_ft": True}},
        {"method": {"kind": "structure"}},
    ):
        assert refused(client, target=target, **asked)["code"] == "no_validation_rows"


def test_several_sources_are_for_distillation_alone(client: TestClient) -> None:
    problem = refused(client, source={"versions": ["a@1", "b@1"]})
    assert problem["code"] == "several_sources"


def test_an_image_has_as_many_columns_as_its_shape_says(client: TestClient) -> None:
    for name in ("p", "q"):
        store(client, name, b"a,b,y\n" + b"1,2,no\n2,1,yes\n3,1,no\n4,1,no\n" * 10)
    network = {"kind": "convnet", "image_shape": [2, 2, 1]}
    problem = refused(client, source={"dataset": "p"}, target={"dataset": "q"}, network=network)
    assert (problem["code"], "Received: 2" in problem["detail"]) == ("image_shape_differs", True)


def test_layers_cannot_be_put_among_those_of_a_source_that_branches(
    client: TestClient, publish: Publish
) -> None:
    publish("helped", backbone={"layers": 5, "in_sequence": False})
    for strategy in ("partial_copy", "progressive"):
        problem = refused(
            client, source={"version": "m@1"}, method={"kind": "combined", "strategy": strategy}
        )
        assert problem["code"] == "strategy_does_not_fit"
        assert "`adapter` or `side_tuning`" in problem["detail"]


def test_the_found_structure_with_parameters_needs_data_to_learn_them_on(
    client: TestClient, publish: Publish
) -> None:
    publish("helped")
    asked = {
        "source": {"version": "m@1"},
        "method": {"kind": "structure", "strategy": "reuse"},
        "evaluation": {"arms": ["structure_with_parameters"]},
    }
    assert refused(client, **asked)["code"] == "arm_does_not_fit"
