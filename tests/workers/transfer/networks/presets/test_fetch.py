"""Against caches that are laid out as the hubs' own libraries lay them out, and no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import keras_hub
import numpy as np
import pytest

from tests.workers.transfer.networks.presets import tiny
from workers.transfer.networks.backbones.pretrained import pretrained
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets import manifests
from workers.transfer.networks.presets.fetch import caches, fetch
from workers.transfer.networks.presets.kerashub_texts import kerashub_text
from workers.transfer.networks.presets.lookup import find_preset

# Keras 3.15 hands its variables to np.array, whose `copy` argument they do not know.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The presets' folder, where the hub's cache is; no hub can be reached."""
    folder = tmp_path / "presets"
    for name, value in caches(folder).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    return folder


def pinned(name: str) -> str:
    handle: str = keras_hub.models.Backbone.presets[name]["kaggle_handle"]
    return handle.removeprefix("kaggle://")


def test_a_name_of_kerashub_is_brought_once_and_used_without_a_network(tmp_path: Path, folder: Path) -> None:
    preset = tiny.text_preset(tmp_path / "tiny", "BertBackbone")
    tiny.into_kagglehub(preset, folder / "kagglehub", pinned("bert_tiny_en_uncased"))
    manifest = fetch("bert_tiny_en_uncased", folder)
    assert manifest["origin"] == "kaggle://keras/bert/keras/bert_tiny_en_uncased/3"
    assert (manifest["units"], "2-layer BERT" in manifest["summary"]) == (8, True)
    ids = np.array([[2, 5, 6, 3]], np.int32)
    brought = pretrained(InputSpec((4,)), 0, preset="bert_tiny_en_uncased", folder=str(folder))
    itself = kerashub_text(InputSpec((4,)), 0, preset, with_weights=True)
    np.testing.assert_array_equal(brought.predict(ids, verbose=0), itself.predict(ids, verbose=0))
    assert brought.count_params() == manifest["parameters"]


def test_a_preset_for_images_is_brought_with_the_scaling_of_its_pixels(tmp_path: Path, folder: Path) -> None:
    preset = tiny.image_preset(tmp_path / "tiny")
    tiny.into_kagglehub(preset, folder / "kagglehub", pinned("resnet_18_imagenet"))
    fetch("resnet_18_imagenet", folder)
    brought = pretrained(InputSpec((32, 32, 3)), 0, preset="resnet_18_imagenet", folder=str(folder))
    assert brought.get_layer("scaled").scale == pytest.approx(1 / 127.5)


def test_a_preset_is_not_here_before_all_of_it_is(tmp_path: Path, folder: Path) -> None:
    preset = tiny.text_preset(tmp_path / "tiny", "BertBackbone")
    (preset / "model.weights.h5").unlink()
    tiny.into_kagglehub(preset, folder / "kagglehub", pinned("bert_tiny_en_uncased"))
    with pytest.raises(ValueError, match="or a network and access to download it"):
        fetch("bert_tiny_en_uncased", folder)
    with pytest.raises(ValueError, match="Received: bert_tiny_en_uncased, which is not in"):
        find_preset("bert_tiny_en_uncased", folder)


def test_without_cache_and_network_it_says_how_to_bring_the_preset(folder: Path) -> None:
    with pytest.raises(
        ValueError, match=r"Received: ProxyError.*Run `model-transfer presets fetch bert_tiny"
    ):
        fetch("bert_tiny_en_uncased", folder)


def test_a_misspelt_name_is_told_the_nearest(folder: Path) -> None:
    with pytest.raises(ValueError, match=r"Did you mean: bert_tiny_en_uncased"):
        fetch("bert_tiny_uncased", folder)
    assert "bert_tiny_en_uncased" in manifests.read(folder / manifests.LIBRARY)["names"]


def test_what_cannot_be_made_of_built_in_layers_is_refused_before_its_weights_come(
    tmp_path: Path, folder: Path
) -> None:
    sizes = {"vocabulary_size": 8, "num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    keras_hub.models.RobertaBackbone(**sizes).save_to_preset(str(tmp_path / "tiny"))
    pieces = {"<s>": 0, "<pad>": 1, "</s>": 2, "<mask>": 3, "a": 4}
    keras_hub.tokenizers.RobertaTokenizer(vocabulary=pieces, merges=[]).save_to_preset(str(tmp_path / "tiny"))
    (tmp_path / "tiny" / "model.weights.h5").unlink()
    tiny.into_kagglehub(tmp_path / "tiny", folder / "kagglehub", pinned("roberta_base_en"))
    with pytest.raises(ValueError, match="Received: RobertaBackbone with RobertaTokenizer"):
        fetch("roberta_base_en", folder)


def test_the_command_brings_from_hugging_faces_cache_and_ends_badly_if_one_name_fails(
    tmp_path: Path, folder: Path
) -> None:
    preset = tiny.bert_folder(tmp_path / "tiny")
    snapshot = tiny.into_hugging_face(preset, folder / "huggingface", "someone/tiny")
    other = tiny.text_preset(tmp_path / "other", "DistilBertBackbone")
    tiny.into_hugging_face(other, folder / "huggingface", "keras/tiny")
    names = ["hf://someone/tiny", "hf://keras/tiny", "hf://someone/other"]
    command = [sys.executable, "-m", "app", "presets", "fetch", *names]
    here = {"MODEL_TRANSFER_PRESET_DIR": str(folder), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **here}, check=False)
    assert done.returncode == 1
    brought = [line.partition(": ")[0] for line in done.stdout.splitlines()]
    assert brought == names[:2]
    assert "Run `model-transfer presets fetch hf://someone/other` where there is a network" in done.stderr
    manifest = json.loads(manifests.path_of(folder, "hf://someone/tiny").read_text())
    assert manifest["origin"] == f"hf://someone/tiny@{snapshot.name}"
    assert find_preset("hf://someone/tiny", folder).path == snapshot
    assert find_preset("hf://keras/tiny", folder).layout == "kerashub_text"
