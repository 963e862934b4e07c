from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from app.settings import Settings
from tests.stored import store


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


BERT = {
    "model_type": "bert",
    "hidden_act": "gelu",
    "hidden_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 128,
    "vocab_size": 100,
    "max_position_embeddings": 32,
    "layer_norm_eps": 1e-12,
}
ENCODER = {
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 8,
    "intermediate_dim": 12,
    "max_sequence_length": 32,
    "vocab_size": 100,
}


def bert_folder(folder: Path, **config: object) -> None:
    """The files of a Hugging Face folder of the BERT family, as far as the API looks at them."""
    folder.mkdir(parents=True)
    about = {**BERT, **config}
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
    assert (preset["here"], preset["units"], preset["place"]) == (True, 64, "folder ours")
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
    store(client, "words", f"text,label\n{rows}".encode(), kind="text")
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
        ("ElectraBackbone", "ElectraTokenizer", ENCODER, "text", None),
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


def listed(client: TestClient) -> dict[str, dict[str, Any]]:
    """The presets by their names."""
    answer = client.get("/v1/presets")
    assert answer.status_code == 200
    return {preset["name"]: preset for preset in answer.json()["data"]}


def test_a_folder_that_lacks_a_file_says_which(client: TestClient, settings: Settings) -> None:
    folder = Path(settings.effective_preset_dir)
    bert_folder(folder / "ours")
    (folder / "ours" / "model.safetensors").unlink()
    preset = client.get("/v1/presets/ours").json()
    assert not preset["here"]
    assert preset["how_to_bring"] == (
        "Put its model.safetensors there. Where: folder ours, within the one that "
        "MODEL_TRANSFER_PRESET_DIR names."
    )


def a_config(text: str | bytes) -> Callable[[Path], None]:
    """Writes a folder of the BERT family whose config is this."""

    def write(folder: Path) -> None:
        bert_folder(folder)
        (folder / "config.json").write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


def bert_with(**config: object) -> Callable[[Path], None]:
    """Writes a folder of the BERT family whose config has this in it."""
    return lambda folder: bert_folder(folder, **config)


def kerashub_with(file: str, text: str) -> Callable[[Path], None]:
    """Writes a folder of KerasHub's ELECTRA whose file is this."""

    def write(folder: Path) -> None:
        kerashub_folder(folder, "ElectraBackbone", "ElectraTokenizer", **ENCODER)
        (folder / file).write_text(text)

    return write


def no_file(file: str, make: Callable[[Path], None]) -> Callable[[Path], None]:
    """Writes a folder of the BERT family in which something else stands in a file's place."""

    def write(folder: Path) -> None:
        bert_folder(folder)
        (folder / file).unlink(missing_ok=True)
        make(folder / file)

    return write


def large(path: Path) -> None:
    """A file of 300 MB that takes no disk."""
    with path.open("wb") as file:
        file.truncate(300 << 20)


DEEP = "[" * 200_000 + "]" * 200_000


def electra(options: str) -> str:
    """The config of an ELECTRA of KerasHub with these options, as JSON."""
    return f'{{"registered_name": "keras_hub>ElectraBackbone", "config": {options}}}'


def writes(text: str) -> Callable[[Path], None]:
    """Writes a file of this text."""

    def write(path: Path) -> None:
        path.write_text(text)

    return write


BROKEN: dict[str, Callable[[Path], None]] = {
    "no JSON": a_config("{"),
    "nothing": a_config(""),
    "a list": a_config("[]"),
    "null": a_config("null"),
    "no UTF-8": a_config(b'{"model_type": "\xff"}'),
    "deep": a_config(DEEP),
    "deep inside": a_config('{"model_type": "bert", "more": ' + DEEP + "}"),
    "deep objects": a_config('{"a":' * 100_000),
    "NaN": a_config('{"model_type": NaN}'),
    "infinite epsilon": a_config(json.dumps(BERT).replace("1e-12", "1e999")),
    "surrogate": a_config('{"model_type": "\\ud800"}'),
    "surrogate as key": a_config('{"\\udfff": 1}'),
    "digits": a_config('{"hidden_size": ' + "9" * 10_000 + "}"),
    "width in words": bert_with(hidden_size="x"),
    "width in digits": bert_with(hidden_size="64"),
    "width beyond 64 bits": bert_with(hidden_size=1 << 70),
    "width of half a number": bert_with(hidden_size=64.5),
    "width of no number": bert_with(hidden_size=float("nan")),
    "width below 0": bert_with(hidden_size=-64),
    "width that is true": bert_with(hidden_size=True),
    "width in a list": bert_with(hidden_size=[64]),
    "width that no heads share": bert_with(hidden_size=63),
    "no layers": bert_with(num_hidden_layers=None),
    "places in an object": bert_with(max_position_embeddings={"a": 1}),
    "name in a list": bert_with(_name_or_path=["x"]),
    "family in a list": bert_with(model_type=["bert"]),
    "family of a book": bert_with(model_type="x" * 100_000),
    "case that is no object": no_file("tokenizer_config.json", writes("[]")),
    "case that is deep": no_file("tokenizer_config.json", writes(DEEP)),
    "KerasHub of a list": a_config('{"registered_name": ["keras_hub>"]}'),
    "KerasHub without options": a_config('{"registered_name": "keras_hub>BertBackbone"}'),
    "KerasHub with a list of options": a_config(electra("[]")),
    "KerasHub with words for numbers": a_config(electra('{"hidden_dim": "x"}')),
    "KerasHub with words for a shape": a_config(electra('{"image_shape": "large"}')),
    "KerasHub with a shape of one side": a_config(electra('{"image_shape": [3]}')),
    "KerasHub without layers": kerashub_with(
        "config.json", electra(json.dumps({**ENCODER, "num_layers": None}))
    ),
    "counts in words": kerashub_with("metadata.json", '{"parameter_count": "many"}'),
    "counts beyond 64 bits": kerashub_with("metadata.json", '{"parameter_count": 1180591620717411303424}'),
    "a list as metadata": kerashub_with("metadata.json", "[]"),
    "deep metadata": kerashub_with("metadata.json", DEEP),
    "a list as tokenizer": kerashub_with("tokenizer.json", "[]"),
    "a tokenizer without a name": kerashub_with("tokenizer.json", '{"registered_name": 1}'),
    "a tokenizer of another kind": kerashub_with(
        "tokenizer.json", '{"registered_name": "keras_hub>BertTokenizer", "config": {"split": false}}'
    ),
    "folder": no_file("config.json", Path.mkdir),
    "pipe": no_file("config.json", os.mkfifo),
    "link to itself": no_file("config.json", lambda path: path.symlink_to(path)),
    "link to nothing": no_file("config.json", lambda path: path.symlink_to("nowhere")),
    "link without an end": no_file("config.json", lambda path: path.symlink_to("/dev/zero")),
    "300 MB": no_file("config.json", large),
    "300 MB of case": no_file("tokenizer_config.json", large),
    "folder for weights": no_file("model.safetensors", Path.mkdir),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_a_broken_folder_is_listed_with_what_to_do_and_breaks_no_other_preset(
    client: TestClient, settings: Settings, datasets: object, kind: str
) -> None:
    folder = settings.effective_preset_dir
    BROKEN[kind](folder / "broken")
    bert_folder(folder / "whole")
    presets = listed(client)
    assert presets["minilm_l6_v2"]["here"]
    assert presets["whole"]["here"]
    assert not presets["broken"]["here"]
    assert "Received: " in presets["broken"]["how_to_bring"] or "Put its" in presets["broken"]["how_to_bring"]
    assert len(presets["broken"]["how_to_bring"]) < 600
    assert str(settings.data_dir) not in str(presets)
    assert client.get("/v1/presets/broken").json() == presets["broken"]
    rows = "".join(f"this is text number {n},{n % 2}\n" for n in range(20))
    store(client, "words", f"text,label\n{rows}".encode(), kind="text")
    for name, status in (("broken", 422), ("whole", 202)):
        asked = {"model": "m", "target": {"dataset": "words"}, "source": {"preset": name}}
        answer = client.post("/v1/jobs", json=asked)
        assert answer.status_code == status
        assert str(settings.data_dir) not in answer.text
        assert status == 202 or answer.json()["code"] == "preset_not_here"


@pytest.mark.parametrize("name", [b"bad\xff", b"two\nlines", b"escape\x1b[2J", b" blank ", b"n" * 201])
def test_a_folder_whose_name_does_not_fit_is_listed_by_a_name_that_can_be_shown(
    client: TestClient, settings: Settings, name: bytes
) -> None:
    folder = settings.effective_preset_dir
    bert_folder(folder / "whole")
    (folder / os.fsdecode(name)).mkdir()
    (folder / os.fsdecode(name) / "config.json").write_text(json.dumps(BERT))
    presets = listed(client)
    (shown,) = presets.keys() - {"whole", "minilm_l6_v2", "efficientnet_lite0"}
    assert shown.isprintable()
    assert not presets[shown]["here"]
    assert "Rename it" in presets[shown]["how_to_bring"]
    assert presets["whole"]["here"]


def test_a_folder_that_is_a_link_in_a_circle_is_told(client: TestClient, settings: Settings) -> None:
    folder = settings.effective_preset_dir
    folder.mkdir(parents=True)
    (folder / "circle").symlink_to("circle")
    (folder / "nothing").symlink_to("nowhere")
    (folder / "file").write_text("no preset, and none that is expected to be one")
    bert_folder(folder / "whole")
    (folder / "whole" / "again").symlink_to(folder / "whole")
    presets = listed(client)
    assert presets["whole"]["here"]
    assert not presets["circle"]["here"]
    assert not presets["nothing"]["here"]
    assert "file" not in presets


@pytest.mark.parametrize(
    "word",
    [
        "{",
        "[]",
        DEEP,
        '{"name": "hf://org/e5", "path": 7}',
        '{"name": "hf://org/e5", "path": "/etc"}',
        '{"name": "hf://org/e5", "path": "../../other"}',
        '{"name": "hf://org/e5", "path": "there", "parameters": "many"}',
        '{"name": "hf://org/e5", "path": "there", "summary": ["a"]}',
        '{"name": "hf://org/e5", "path": "there", "origin": "\\ud800"}',
        '{"name": "another", "path": "there"}',
        '{"path": "there"}',
    ],
)
def test_a_broken_word_of_a_worker_is_told_and_breaks_no_other_preset(
    client: TestClient, settings: Settings, word: str
) -> None:
    folder = settings.effective_preset_dir
    bert_folder(folder / "there")
    (folder / "known").mkdir()
    (folder / "known" / "hf%3A%2F%2Forg%2Fe5.json").write_text(word)
    (folder / "known" / "minilm_l6_v2.json").write_text(word)
    (folder / "known" / os.fsdecode(b"\xff%0A.json")).write_text(word)
    (folder / "keras_hub.json").write_text(word)
    presets = listed(client)
    assert presets["minilm_l6_v2"]["here"]
    assert presets["there"]["here"]
    assert not presets["hf://org/e5"]["here"]
    assert "known/hf://org/e5" in presets["hf://org/e5"]["how_to_bring"]
    assert all(name.isprintable() for name in presets)
    assert client.get("/v1/presets/unknown").json()["code"] == "preset_not_found"


def test_a_broken_folder_with_the_name_of_a_package_is_told_as_the_workers_take_it(
    client: TestClient, settings: Settings
) -> None:
    a_config("{")(settings.effective_preset_dir / "minilm_l6_v2")
    minilm = listed(client)["minilm_l6_v2"]
    assert (minilm["here"], minilm["place"]) == (False, "folder minilm_l6_v2")


def test_the_folder_that_a_config_was_made_in_is_not_told(client: TestClient, settings: Settings) -> None:
    bert_folder(settings.effective_preset_dir / "a", _name_or_path="/home/someone/models/a")
    bert_folder(settings.effective_preset_dir / "b", _name_or_path="org/b")
    presets = listed(client)
    assert (presets["a"]["origin"], presets["b"]["origin"]) == (None, "org/b")
