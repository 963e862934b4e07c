"""What can never be run is refused at the door, and what is large but runs is not."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from app.datasets.reading.profile import Inspection
from app.db.tables import Dataset, Job
from tests.kinds import images, pixels, sequences, table, texts
from tests.stored import Inspected, inspected, store_inspected

KINDS = ("tabular", "text", "image", "sequence", "pixels")


@pytest.fixture(scope="session")
def found(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Inspected]:
    """A small file of each kind, inspected once."""
    folder = tmp_path_factory.mktemp("kinds")
    files = {
        "tabular": table(folder / "t.csv"),
        "text": texts(folder / "x.csv"),
        "sequence": sequences(folder / "s.fa"),
        "image": images(folder / "i.zip"),
        "pixels": pixels(folder / "p.csv"),
    }
    declared: dict[str, dict[str, Any]] = {"text": {"kind": "text"}, "tabular": {"label": "y"}}
    return {kind: inspected(path, **declared.get(kind, {})) for kind, path in files.items()}


@pytest.fixture(scope="module")
def api(shared_client: TestClient, found: dict[str, Inspected]) -> TestClient:
    """The API with a data set of each kind, called by the kind, and one `large` of a million rows."""
    for kind, made in found.items():
        store_inspected(shared_client, kind, made)
        large = replace(made, inspection=enlarged(made.inspection))
        store_inspected(shared_client, f"large-{kind}", large)
    return shared_client


def enlarged(inspection: Inspection) -> Inspection:
    """What is found of a file of a million rows, by no more than saying so."""
    large = inspection.model_copy(deep=True)
    large.description.rows = large.description.labelled_rows = large.profile.rows = 1_000_000
    large.description.split.rows = {"train": 700_000, "validation": 150_000, "test": 150_000}
    for column in large.profile.columns:
        if column.role == "feature" and column.type in ("category", "text"):
            column.distinct, column.distinct_is_exact = 10_001, False
    return large


def post(api: TestClient, dataset: str, **asked: Any) -> Any:
    request = {"model": "m", "source": {"dataset": dataset}, "target": {"dataset": dataset}, **asked}
    request["evaluation"] = {"seeds": 1, "folds": 0, **asked.get("evaluation", {})}
    # As text: what is hostile in it is no JSON for the client's own writer.
    return api.post("/v1/jobs", content=json.dumps(request), headers={"Content-Type": "application/json"})


def refused(api: TestClient, dataset: str, **asked: Any) -> dict[str, Any]:
    before = jobs(api)
    answer = post(api, dataset, **asked)
    assert answer.status_code == 422, answer.text
    problem: dict[str, Any] = answer.json()
    assert "Traceback" not in answer.text
    assert jobs(api) == before
    return problem


def jobs(api: TestClient) -> set[str]:
    """The jobs there are."""
    with api.app.state.sessions() as session:  # type: ignore[attr-defined]
        return set(session.scalars(select(Job.id)))


SEARCH = {"kind": "structure", "strategy": "search"}

TOO_LARGE: list[tuple[str, dict[str, Any], str]] = [
    ("tabular", {"network": {"hidden_units": [1_000_000, 1_000_000]}}, "network.hidden_units"),
    ("tabular", {"network": {"hidden_units": [10**9]}}, "network.hidden_units"),
    ("tabular", {"network": {"hidden_units": [100_000] * 16}}, "network.hidden_units"),
    ("pixels", {"network": {"kind": "convnet", "image_shape": [8, 8, 1], "filters": [10**9]}}, "filters"),
    ("image", {"network": {"kind": "convnet", "image_size": [100_000, 100_000]}}, "network."),
    ("image", {"network": {"kind": "convnet", "image_size": [10**9, 10**9], "dense_units": []}}, "network."),
    (
        "image",
        {"network": {"kind": "convnet", "image_size": [4000, 4000], "dense_units": []}},
        "network.image_size",  # the default method fits a head to a great many features
    ),
    (
        "image",
        {
            "network": {"kind": "convnet", "image_size": [4000, 4000], "dense_units": []},
            "method": {"kind": "parameter", "strategy": "full"},
        },
        "training.batch_size",
    ),
    ("image", {"network": {"kind": "convnet", "filters": [10**9]}}, "network.filters"),
    ("image", {"network": {"kind": "convnet", "dense_units": [10**9]}}, "network.dense_units"),
    ("image", {"network": {"kind": "application", "image_size": [30_000, 30_000]}}, "network.image_size"),
    ("text", {"network": {"kind": "text_convnet", "widths": [10**9]}}, "network.widths"),
    ("text", {"network": {"kind": "averaged", "hidden_units": [10**9]}}, "network.hidden_units"),
    (
        "large-text",
        {"network": {"kind": "averaged", "embedding_units": 4096, "max_tokens": 1_000_000}},
        "network.embedding_units",
    ),
    ("text", {"network": {"kind": "transformer", "units": 4096, "blocks": 48}}, "network.units"),
    (
        "text",
        {"network": {"kind": "transformer", "length": 4096, "heads": 64, "blocks": 48}},
        "network.length",
    ),
    (
        "text",
        {"network": {"kind": "transformer", "length": 4096, "heads": 8, "blocks": 1}},
        "training.batch_size",
    ),
    ("sequence", {"network": {"kind": "sequence_convnet", "filters": [10**9]}}, "network.filters"),
    ("sequence", {"network": {"kind": "sequence_convnet", "dense_units": [10**9]}}, "network.dense_units"),
    ("large-tabular", {"network": {"max_categories": 100_000}}, "network.max_categories"),
    (
        "large-tabular",
        {"network": {"hidden_units": [8192]}, "training": {"batch_size": 1_000_000}},
        "training.batch_size",
    ),
    (
        "image",
        {
            "method": {"kind": "combined", "strategy": "progressive"},
            "network": {"kind": "convnet", "image_size": [96, 96]},
        },
        "network.image_size",
    ),
    (
        "tabular",
        {
            "method": {"kind": "combined", "strategy": "side_tuning"},
            "network": {"hidden_units": [10**6, 10**6]},
        },
        "network.hidden_units",
    ),
    (
        "tabular",
        {
            "method": {"kind": "parameter", "strategy": "lora", "rank": 1024},
            "network": {"hidden_units": [600_000, 2]},
        },
        "network.hidden_units",
    ),
    (
        "tabular",
        {
            "method": {"kind": "combined", "strategy": "progressive"},
            "network": {"hidden_units": [8]},
            "source": {"dataset": "tabular", "network": {"kind": "mlp", "hidden_units": [10**6, 10**6]}},
        },
        "source.network.hidden_units",
    ),
    ("tabular", {"method": {**SEARCH, "space": {"hidden_units": [[8], [10**6, 10**6]]}}}, "hidden_units"),
    ("image", {"method": {**SEARCH, "space": {"image_size": [None, [9, 10**9]]}}}, "method.space."),
    ("sequence", {"method": {**SEARCH, "space": {"filters": [[4], [10**8]]}}}, "filters"),
]


@pytest.mark.parametrize(("dataset", "asked", "field"), TOO_LARGE)
def test_a_network_that_no_machine_could_train_is_refused_with_the_estimate_and_the_limit(
    api: TestClient, dataset: str, asked: dict[str, Any], field: str
) -> None:
    problem = refused(api, dataset, **asked)
    assert problem["code"] == "network_too_large", problem
    assert field in problem["detail"].split(":")[0]
    assert "at most 8.0 GiB of memory" in problem["detail"]
    assert "weights, and at least" in problem["detail"]
    assert "MODEL_TRANSFER_MAX_JOB_MEMORY_BYTES" in problem["hint"]


@pytest.mark.parametrize(
    ("dataset", "network"),
    [
        ("tabular", {"hidden_units": [10**18]}),
        ("tabular", {"hidden_units": [10**400]}),
        ("tabular", {"max_categories": 10**18}),
        ("pixels", {"kind": "convnet", "image_shape": [10**18, 10**18, 1]}),
        ("pixels", {"kind": "convnet", "image_shape": [100_000, 100_000, 3]}),
        ("image", {"kind": "convnet", "image_size": [10**18, 1]}),
        ("image", {"kind": "convnet", "filters": [10**18]}),
        ("image", {"kind": "convnet", "dense_units": [10**18]}),
        ("image", {"kind": "convnet", "kernel_size": 10**18}),
        ("image", {"kind": "application", "image_size": [10**18, 10**18]}),
        ("text", {"kind": "averaged", "embedding_units": 10**18}),
        ("text", {"kind": "averaged", "hidden_units": [10**18]}),
        ("text", {"kind": "text_convnet", "widths": [10**18]}),
        ("text", {"kind": "text_convnet", "max_tokens": 10**18}),
        ("text", {"kind": "transformer", "units": 10**18}),
        ("text", {"kind": "transformer", "heads": 10**18}),
        ("text", {"kind": "transformer", "blocks": 10**18}),
        ("sequence", {"kind": "sequence_convnet", "filters": [10**18]}),
        ("sequence", {"kind": "sequence_convnet", "length": 10**18}),
        ("text", {"kind": "pretrained", "preset": "minilm_l6_v2", "length": 10**18}),
    ],
)
def test_a_number_beyond_any_machine_is_refused_by_its_field(
    api: TestClient, dataset: str, network: dict[str, Any]
) -> None:
    problem = refused(api, dataset, network=network)
    assert problem["code"] in ("invalid_request", "image_shape_differs"), problem


@pytest.mark.parametrize(
    ("asked", "field", "words"),
    [
        ({"training": {"epochs": 100_000}}, "training.epochs", "1 seed of 2 arms"),
        (
            {"evaluation": {"seeds": 20}, "training": {"epochs": 1000}},
            "training.epochs",
            "20 seeds of 2 arms",
        ),
        (
            {"evaluation": {"few_shot": [10**9] * 10, "seeds": 20}, "training": {"epochs": 20}},
            "evaluation.few_shot",
            "few-shot points",
        ),
        (
            {"method": {**SEARCH, "trials": 1000, "epochs_per_trial": 100_000}},
            "method.epochs_per_trial",
            "1,000 trials of 100,000 epochs",
        ),
        (
            {"method": {**SEARCH, "trials": 1000}, "training": {"epochs": 20}},
            "method.trials",
            "1,000 trials of 20 epochs",
        ),
        (
            {"method": {**SEARCH, "trials": 1000}, "training": {"budget": {"min_updates": 100_000}}},
            "method.trials",
            "1,000 trials of 100,000 updates",
        ),
        (
            {"training": {"budget": {"max_updates": 100_000_000}}},
            "training.budget.max_updates",
            "1 seed of 2 arms",
        ),
    ],
)
def test_a_job_of_more_steps_than_anyone_waits_for_is_refused_with_their_number(
    api: TestClient, asked: dict[str, Any], field: str, words: str
) -> None:
    problem = refused(api, "large-tabular", **asked)
    assert problem["code"] == "training_too_long", problem
    assert problem["detail"].startswith(f"{field}: expected a job of at most 100,000,000 training steps")
    assert words in problem["detail"]
    assert "MODEL_TRANSFER_MAX_JOB_STEPS" in problem["hint"]


def test_a_search_of_more_epochs_than_anyone_waits_for_is_refused_however_few_the_rows(
    api: TestClient,
) -> None:
    problem = refused(api, "tabular", method={**SEARCH, "trials": 1000, "epochs_per_trial": 100_000})
    assert problem["code"] == "training_too_long"


@pytest.mark.parametrize(
    ("dataset", "asked"),
    [
        ("large-tabular", {}),
        ("large-tabular", {"network": {"hidden_units": [2048, 2048, 1024]}}),
        ("large-tabular", {"evaluation": {"seeds": 5, "arms": ["random_frozen"], "few_shot": [10, 100]}}),
        ("large-tabular", {"method": {"kind": "structure", "trials": 10}}),
        ("large-tabular", {"training": {"batch_size": 1_000_000}}),
        ("tabular", {"training": {"batch_size": 1_000_000, "epochs": 100_000}}),
        ("tabular", {"method": {**SEARCH, "trials": 1000}}),
        ("tabular", {"method": {"kind": "parameter", "strategy": "lora", "rank": 1024}}),
        ("tabular", {"network": {"max_categories": 100_000}}),
        ("large-pixels", {"network": {"kind": "convnet", "image_shape": [8, 8, 1]}}),
        ("large-text", {}),
        ("large-text", {"network": {"kind": "averaged", "max_tokens": 1_000_000}}),
        ("text", {"network": {"kind": "averaged", "max_tokens": 1_000_000, "embedding_units": 4096}}),
        ("large-text", {"network": {"kind": "transformer", "units": 512, "heads": 8, "blocks": 6}}),
        ("large-text", {"network": {"kind": "pretrained", "preset": "minilm_l6_v2"}}),
        (
            "large-text",
            {
                "source": {"preset": "minilm_l6_v2"},
                "network": {"kind": "pretrained", "preset": "minilm_l6_v2", "length": 256},
            },
        ),
        ("large-image", {}),
        ("large-image", {"method": SEARCH}),
        (
            "large-image",
            {"network": {"kind": "application", "architecture": "ResNet50V2", "image_size": [224, 224]}},
        ),
        (
            "large-image",
            {"network": {"kind": "application", "architecture": "DenseNet121", "image_size": [224, 224]}},
        ),
        ("large-image", {"source": {"preset": "efficientnet_lite0"}}),
        ("large-image", {"network": {"kind": "convnet", "image_size": [128, 128]}}),
        ("large-sequence", {}),
        ("large-sequence", {"method": SEARCH}),
        ("large-sequence", {"network": {"kind": "sequence_convnet", "length": 16_384}}),
        ("large-sequence", {"network": {"kind": "transformer", "length": 1024}}),
    ],
)
def test_a_large_job_that_a_laptop_can_run_is_accepted(
    api: TestClient, dataset: str, asked: dict[str, Any]
) -> None:
    answer = post(api, dataset, **asked)
    assert answer.status_code == 202, answer.text


def test_a_higher_limit_lets_a_larger_network_in(api: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {"network": {"hidden_units": [20_000, 20_000, 2000]}, "training": {"epochs": 100}}
    settings = api.app.state.settings  # type: ignore[attr-defined]
    monkeypatch.setattr(settings, "max_job_memory_bytes", 1000)
    monkeypatch.setattr(settings, "max_job_steps", 1000)
    assert refused(api, "tabular", **asked)["code"] == "network_too_large"
    monkeypatch.setattr(settings, "max_job_memory_bytes", 64 << 30)
    assert refused(api, "tabular", **asked)["code"] == "training_too_long"
    monkeypatch.setattr(settings, "max_job_steps", 10_000)
    assert post(api, "tabular", **asked).status_code == 202


def test_a_head_in_closed_form_counts_where_one_is_fitted(
    api: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = 3 * 8 * 2**25  # three copies in double precision of what 524,288 rows of 64 features have

    def memory(**asked: Any) -> int:
        job = post(api, "large-tabular", network={"hidden_units": [64]}, **asked).json()
        with api.app.state.sessions() as session:  # type: ignore[attr-defined]
            estimate: dict[str, int] = session.get_one(Job, job["id"]).spec["estimate"]
        return estimate["memory_bytes"]

    by_steps = memory(training={"epochs": 1})
    for strategy in ("lp_ft", "linear_probe"):
        assert head < memory(method={"kind": "parameter", "strategy": strategy}) < head + by_steps
    full = {"kind": "parameter", "strategy": "full"}
    assert memory(method=full) == by_steps
    assert memory(method=full, evaluation={"arms": ["random_frozen"]}) > head
    settings = api.app.state.settings  # type: ignore[attr-defined]
    monkeypatch.setattr(settings, "max_job_memory_bytes", head)
    problem = refused(api, "large-tabular", network={"hidden_units": [64]})
    assert problem["code"] == "network_too_large"
    assert "for a head in closed form" in problem["detail"]
    assert "batch_size" not in problem["hint"]


def test_the_batch_size_that_is_named_is_one_that_is_accepted(api: TestClient) -> None:
    network = {"kind": "convnet", "image_size": [4000, 4000], "dense_units": []}
    asked = {"network": network, "method": {"kind": "parameter", "strategy": "full"}}
    problem = refused(api, "image", **asked)
    fits = int(problem["hint"].split(" to ")[1].split(" ")[0])
    assert 0 < fits < 32
    assert refused(api, "image", **asked, training={"batch_size": fits + 1})["code"] == "network_too_large"
    assert post(api, "image", **asked, training={"batch_size": fits}).status_code == 202


def test_no_batch_size_is_named_where_a_head_in_closed_form_is_too_large(api: TestClient) -> None:
    network = {"kind": "convnet", "image_size": [4000, 4000], "dense_units": []}
    problem = refused(api, "image", network=network)
    assert problem["detail"].startswith("network.")
    assert "batch_size" not in problem["hint"]


def test_a_batch_is_never_larger_than_there_are_rows(api: TestClient) -> None:
    few = {"network": {"hidden_units": [4096]}, "training": {"batch_size": 1_000_000}}
    assert post(api, "tabular", **few).status_code == 202
    assert post(api, "large-tabular", **few).status_code == 422


def test_images_too_small_for_an_architecture_are_refused(api: TestClient) -> None:
    network = {"kind": "application", "image_size": [31, 64]}
    problem = refused(api, "image", network=network)
    assert (problem["code"], problem["detail"].split(":")[0]) == ("image_too_small", "network.image_size")


@pytest.mark.parametrize(
    ("dataset", "network", "space"),
    [
        ("tabular", {}, {"hidden_units": ["x"]}),
        ("tabular", {}, {"hidden_units": [["x"]]}),
        ("tabular", {}, {"hidden_units": [64]}),
        ("tabular", {}, {"hidden_units": [[64], []]}),
        ("tabular", {}, {"hidden_units": [[[[[64]]]]]}),
        ("tabular", {}, {"hidden_units": [["64"]]}),
        ("tabular", {}, {"hidden_units": [[64.5]]}),
        ("tabular", {}, {"hidden_units": [[True]]}),
        ("tabular", {}, {"hidden_units": [[10**18]]}),
        ("tabular", {}, {"hidden_units": [None]}),
        ("tabular", {}, {"hidden_units": [{"a": 1}]}),
        ("tabular", {}, {"dropout": ["x"]}),
        ("tabular", {}, {"dropout": [[0.1]]}),
        ("tabular", {}, {"dropout": [1.5]}),
        ("tabular", {}, {"activation": ["relu", "sinus"]}),
        ("tabular", {}, {"preprocessing": ["yes"]}),
        ("tabular", {}, {"max_categories": [0]}),
        ("text", {"kind": "transformer"}, {"heads": [3], "units": [64, 66]}),
        ("text", {"kind": "transformer"}, {"heads": [3]}),
        ("text", {"kind": "text_convnet"}, {"widths": [[3, 3]]}),
        ("text", {"kind": "averaged"}, {"split": ["letters"]}),
        ("image", {"kind": "convnet"}, {"image_size": [[96]]}),
        ("image", {"kind": "application"}, {"architecture": ["VGG16"]}),
        ("sequence", {}, {"kernel_size": ["8"]}),
    ],
)
def test_a_value_of_a_space_that_the_option_would_refuse_is_refused(
    api: TestClient, dataset: str, network: dict[str, Any], space: dict[str, Any]
) -> None:
    kind = {"tabular": "mlp", "sequence": "sequence_convnet"}.get(dataset, "")
    problem = refused(api, dataset, network={"kind": kind, **network}, method={**SEARCH, "space": space})
    assert problem["code"] == "space_does_not_fit", problem
    assert problem["detail"].startswith(f"method.space.{next(iter(space))}: expected")
    assert "Received: " in problem["detail"]


@pytest.mark.parametrize("strategy", ["search", "reuse"])
def test_a_space_of_other_options_is_refused_whether_it_is_searched_or_not(
    api: TestClient, strategy: str
) -> None:
    method = {"kind": "structure", "strategy": strategy, "space": {"units": [1]}}
    assert refused(api, "tabular", method=method)["code"] == "option_unknown"
    method["space"] = {}
    assert refused(api, "tabular", method=method)["code"] == "option_unknown"


def test_a_space_of_more_values_than_anyone_tries_is_refused(api: TestClient) -> None:
    method = {**SEARCH, "space": {"hidden_units": [[units] for units in range(1, 100)]}}
    assert refused(api, "tabular", method=method)["code"] == "space_too_large"
    lists = [[number, 65 - number] for number in range(1, 65)]
    method = {**SEARCH, "space": {"filters": lists, "dense_units": lists, "image_size": lists}}
    assert refused(api, "image", method=method)["code"] == "space_too_large"


def test_pixels_of_another_shape_in_a_space_are_refused(api: TestClient) -> None:
    network = {"kind": "convnet", "image_shape": [8, 8, 1]}
    method = {**SEARCH, "space": {"image_shape": [[4, 16, 1], [100_000, 100_000, 3]]}}
    assert refused(api, "pixels", network=network, method=method)["code"] == "image_shape_differs"
    method["space"] = {"image_shape": [[4, 16, 1], [8, 8, 1]], "kernel_size": [3, 5]}
    assert post(api, "pixels", network=network, method=method).status_code == 202


def test_a_preset_in_a_space_that_is_not_here_is_refused(api: TestClient) -> None:
    network = {"kind": "pretrained", "preset": "minilm_l6_v2"}
    method = {**SEARCH, "space": {"preset": ["minilm_l6_v2", "nowhere"]}}
    assert refused(api, "text", network=network, method=method)["code"] == "preset_not_found"


def test_values_that_go_together_only_in_the_space_are_accepted(api: TestClient) -> None:
    network = {"kind": "transformer", "units": 64, "heads": 4}
    method = {**SEARCH, "space": {"units": [30, 60], "heads": [3, 5]}}
    answer = post(api, "text", network=network, method=method)
    assert answer.status_code == 202, answer.text


def test_an_accepted_job_keeps_what_it_was_estimated_to_need(api: TestClient) -> None:
    job = post(api, "tabular", network={"hidden_units": [64]}).json()
    with api.app.state.sessions() as session:  # type: ignore[attr-defined]
        estimate = session.get_one(Job, job["id"]).spec["estimate"]
    # a, and 7 towns and the unknown one, to 64 units to one
    assert estimate["parameters"] == (9 + 1) * 64 + 64 + 1
    # The source, and transfer and both candidates of the control: at the end, and each rate in folds.
    assert estimate["steps"] == 3000 + 3 * (3000 + 3 * 3 * 300)
    with api.app.state.sessions() as session:  # type: ignore[attr-defined]
        assert len(session.scalars(select(Dataset)).all()) == 2 * len(KINDS)


@pytest.mark.parametrize(
    ("training", "evaluation", "trainings"),
    [
        ({"epochs": 2}, {}, 1 + 2),
        ({"epochs": 2}, {"control": False}, 1),
        ({"epochs": 2}, {"seeds": 3, "arms": ["random_frozen"]}, 3 * 3 + 1),
        ({}, {}, 3 * (1 + 2)),
        ({"learning_rates": [0.001, 0.01]}, {"seeds": 2}, 2 * 3 + 2),
        ({"learning_rate": 0.01}, {"seeds": 2}, 2 * 2 + 1),
    ],
)
def test_every_training_at_every_rate_of_every_candidate_counts(
    api: TestClient, training: dict[str, Any], evaluation: dict[str, Any], trainings: int
) -> None:
    job = post(api, "large-tabular", training=training, evaluation=evaluation).json()
    with api.app.state.sessions() as session:  # type: ignore[attr-defined]
        estimate = session.get_one(Job, job["id"]).spec["estimate"]
    one = (2 if training.get("epochs") else 3) * 21_875  # epochs of 700,000 rows in batches of 32
    assert estimate["steps"] == (1 + trainings) * one  # and the source's


@pytest.mark.parametrize(
    ("training", "strength", "trainings"),
    [({}, None, 5 * 3), ({}, 1.0, 3 * 3), ({"learning_rates": [0.001, 0.01]}, None, 2 * 3)],
)
def test_trials_of_a_regularisers_strength_count_in_every_arm(
    api: TestClient, training: dict[str, Any], strength: float | None, trainings: int
) -> None:
    method = {"kind": "parameter", "regulariser": "l2_sp", "regulariser_strength": strength}
    job = post(api, "large-tabular", training=training, method=method).json()
    with api.app.state.sessions() as session:  # type: ignore[attr-defined]
        estimate = session.get_one(Job, job["id"]).spec["estimate"]
    assert estimate["steps"] == (1 + trainings) * 3 * 21_875  # and the source's


def test_the_baseline_counts_where_it_needs_more_than_a_step(api: TestClient) -> None:
    full, needed = {"kind": "parameter", "strategy": "full"}, {}
    for baseline in (False, True):
        answer = post(api, "large-sequence", method=full, evaluation={"baseline": baseline})
        assert answer.status_code == 202, answer.text
        with api.app.state.sessions() as session:  # type: ignore[attr-defined]
            spec = session.get_one(Job, answer.json()["id"]).spec
        needed[baseline] = spec["estimate"]["memory_bytes"]
    assert needed[True] == 24 * 400 * 20_000  # 20,000 of its rows, shares of k-mers in double precision
    assert needed[False] < needed[True]


def test_a_source_that_is_trained_for_each_seed_counts_as_often(api: TestClient) -> None:
    steps = []
    for retrained in (False, True):
        job = post(
            api, "large-tabular", training={"epochs": 2}, evaluation={"seeds": 3, "retrain_source": retrained}
        ).json()
        with api.app.state.sessions() as session:  # type: ignore[attr-defined]
            steps.append(session.get_one(Job, job["id"]).spec["estimate"]["steps"])
    assert steps[1] - steps[0] == 2 * 2 * 21_875
