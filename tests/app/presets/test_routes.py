from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from app.settings import Settings


def test_presets_are_listed_with_size_licence_and_whether_they_are_here(client: TestClient) -> None:
    listed = client.get("/v1/presets").json()["data"]
    by_name = {preset["name"]: preset for preset in listed}
    assert set(by_name) == {"minilm_l6_v2", "efficientnet_lite0"}
    minilm = by_name["minilm_l6_v2"]
    assert (minilm["here"], minilm["kind"], minilm["licence"], minilm["units"]) == (
        True,
        "text",
        "Apache-2.0",
        384,
    )
    assert minilm["bytes"] > 80_000_000
    assert "pip install" in minilm["how_to_bring"]


def test_a_folder_of_the_bert_family_becomes_a_preset(client: TestClient, settings: Settings) -> None:
    folder = Path(settings.effective_preset_dir) / "ours"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "hidden_size": 64}))
    preset = client.get("/v1/presets/ours").json()
    assert (preset["here"], preset["units"], preset["place"]) == (True, 64, str(folder))


def test_an_unknown_preset_is_told_the_nearest_and_how_to_bring_one(client: TestClient) -> None:
    near = client.get("/v1/presets/minilm_l6")
    far = client.get("/v1/presets/gpt")
    assert (near.status_code, near.json()["code"]) == (404, "preset_not_found")
    assert "minilm_l6_v2" in near.json()["hint"]
    assert "MODEL_TRANSFER_PRESET_DIR" in far.json()["hint"]


@pytest.mark.parametrize(
    ("asked", "code", "words"),
    [
        ({"source": {"preset": "gpt"}}, "network_of_other_kind", "text or image"),
        ({"source": {"preset": "minilm_l6_v2"}, "target": {"dataset": "words"}}, None, ""),
        ({"source": {"preset": "gpt"}, "target": {"dataset": "words"}}, "preset_not_found", "gpt"),
        (
            {"source": {"preset": "efficientnet_lite0"}, "target": {"dataset": "words"}},
            "preset_of_other_kind",
            "for images",
        ),
        (
            {
                "source": {"preset": "minilm_l6_v2"},
                "target": {"dataset": "words"},
                "method": {"kind": "distillation"},
            },
            "preset_is_no_teacher",
            "no head",
        ),
        (
            {
                "source": {"preset": "minilm_l6_v2"},
                "target": {"dataset": "words"},
                "network": {"kind": "averaged"},
            },
            "network_differs",
            "minilm_l6_v2",
        ),
        (
            {"source": {"dataset": "words"}, "target": {"dataset": "target"}},
            "kind_of_data_differs",
            "text data as source",
        ),
        (
            {
                "source": {"dataset": "words"},
                "target": {"dataset": "words"},
                "training": {"augment": ["mirror"]},
            },
            "augmentation_does_not_fit",
            "text data: none",
        ),
    ],
)
def test_what_does_not_fit_a_kind_of_data_is_told_before_the_job_is_accepted(
    client: TestClient, datasets: object, asked: dict[str, object], code: str | None, words: str
) -> None:
    rows = "".join(f"this is text number {n},{n % 2}\n" for n in range(20))
    made = client.post("/v1/datasets?name=words&kind=text", content=f"text,label\n{rows}".encode())
    assert made.status_code == 201
    answer = client.post("/v1/jobs", json={"model": "m", "target": {"dataset": "target"}, **asked})
    if code is None:
        assert answer.status_code == 202
        assert answer.json()["source"] == {"preset": "minilm_l6_v2"}
        assert answer.json()["network"]["preset"] == "minilm_l6_v2"
        return
    problem = answer.json()
    assert (answer.status_code, problem["code"]) == (422, code)
    assert words in problem["detail"]


@pytest.mark.parametrize(
    ("registered", "inside", "kind", "here"),
    [
        ("ResNetBackbone", {"image_shape": [None, None, 3]}, "image", True),
        ("BertBackbone", {}, "text", False),
    ],
)
def test_a_preset_that_kerashub_wrote_is_here_if_it_is_for_images(
    client: TestClient,
    settings: Settings,
    registered: str,
    inside: dict[str, object],
    kind: str,
    here: bool,
) -> None:
    folder = Path(settings.effective_preset_dir) / "theirs"
    folder.mkdir(parents=True)
    config = {"registered_name": f"keras_hub>{registered}", "config": inside}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "metadata.json").write_text(json.dumps({"keras_hub_version": "0.32.0", "parameter_count": 7}))
    preset = client.get("/v1/presets/theirs").json()
    assert (preset["kind"], preset["here"], preset["parameters"]) == (kind, here, 7)
    assert preset["origin"] == "keras_hub 0.32.0"
    assert registered in preset["summary"]
    assert preset["how_to_bring"]
