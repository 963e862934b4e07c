from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras_hub
import numpy as np
import pytest

from tests.plain_python import PlainPython
from tests.workers.transfer import examples
from tests.workers.transfer.networks.presets import tiny
from tests.workers.transfer.test_kinds_contract import FIT
from workers.transfer.methods.parameter import parameter
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.inputs.text import first
from workers.transfer.networks.network import build
from workers.transfer.networks.presets.kerashub_texts import kerashub_text, vocabulary
from workers.transfer.networks.presets.wordpiece import tokenizer
from workers.transfer.training.features import predict

# Keras 3.15 hands its variables to np.array, whose `copy` argument they do not know.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LENGTH = 10


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("presets")
    for family in tiny.FAMILIES:
        tiny.text_preset(folder / family, family)
    return folder


@pytest.mark.parametrize("family", tiny.FAMILIES)
def test_a_text_is_to_it_the_mean_of_what_kerashub_makes_of_its_tokens(presets: Path, family: str) -> None:
    rng = np.random.default_rng(1)
    ids = rng.integers(1, len(tiny.PIECES), (6, LENGTH), dtype=np.int32)
    mask = (np.arange(LENGTH) < rng.integers(1, LENGTH + 1, (6, 1))).astype(np.int32)
    ids *= mask
    inputs = {"token_ids": ids, "padding_mask": mask, "segment_ids": np.zeros_like(ids)}
    original = keras_hub.models.Backbone.from_preset(str(presets / family))
    vectors = original.predict({name: inputs[name] for name in original.input}, verbose=0)
    vectors = vectors["sequence_output"] if isinstance(vectors, dict) else vectors
    mean = (vectors * mask[..., None]).sum(axis=1) / mask.sum(axis=1, keepdims=True)
    ours = kerashub_text(InputSpec((LENGTH,)), 0, presets / family, with_weights=True)
    np.testing.assert_allclose(ours.predict(ids, verbose=0), mean, atol=1e-5)


@pytest.mark.parametrize("lowercase", [True, False])
def test_a_text_is_cut_as_kerashub_cuts_it(tmp_path: Path, lowercase: bool) -> None:
    folder = tiny.text_preset(tmp_path / "cased", "BertBackbone", lowercase=lowercase)
    texts = ["The good film!", "the bad, bad films?", "filming 東 this", "It's The END.", "zq7 number"]
    original = keras_hub.tokenizers.BertTokenizer.from_preset(str(folder))
    part = tokenizer(vocabulary(folder), LENGTH)
    for text in texts:
        found = np.asarray(part(np.array([[text]], dtype=object)))[0]
        ids = np.asarray(original(text)).tolist()
        framed = [2, *ids[: LENGTH - 2], 3]
        assert found.tolist() == framed + [0] * (LENGTH - len(framed)), text


def test_accents_go_where_capitals_do(tmp_path: Path) -> None:
    folder = tiny.text_preset(tmp_path / "small", "BertBackbone", lowercase=True)
    part = tokenizer(vocabulary(folder), 4)
    assert np.asarray(part(np.array([["CAFÉ"]], dtype=object)))[0, 1] == tiny.PIECES.index("cafe")


def test_random_weights_follow_from_the_seed_alone(presets: Path) -> None:
    folder = presets / "BertBackbone"
    drawn = [
        kerashub_text(InputSpec((4,)), seed, folder, with_weights=False).get_weights() for seed in (1, 1, 2)
    ]
    assert all(np.array_equal(a, b) for a, b in zip(drawn[0], drawn[1], strict=True))
    assert not np.array_equal(drawn[0][0], drawn[2][0])


def test_a_probe_on_a_preset_predicts_raw_texts_where_kerashub_is_not(
    presets: Path, tmp_path: Path, plain: PlainPython
) -> None:
    options = {
        "kind": "pretrained",
        "preset": "ElectraBackbone",
        "weights": "pretrained",
        "length": LENGTH,
        "folder": str(presets),
    }
    target = examples.make("text", rows=40)
    source = replace(build(options, target, 0), is_backbone_alone=True)
    made = parameter(source, options, target, FIT.named("probe"), strategy="linear_probe")
    made.network.save(tmp_path / "model.keras")
    texts = target.test.inputs["text"].tolist()
    program = (
        "import sys, keras, numpy as np\n"
        "sys.modules['keras_hub'] = sys.modules['tensorflow_text'] = sys.modules['workers'] = None\n"
        f"model = keras.saving.load_model({str(tmp_path / 'model.keras')!r})\n"
        f"print(model.predict({{'text': np.array({texts!r}, dtype=object)}}, verbose=0).tolist())"
    )
    done = plain.run("-c", program, cwd=tmp_path)
    answers = json.loads(done.stdout.splitlines()[-1])
    np.testing.assert_allclose(answers, predict(made.network, target.test.inputs), atol=1e-5)


def test_another_family_is_refused_by_its_name(tmp_path: Path) -> None:
    sizes = {"vocabulary_size": 8, "num_layers": 1, "num_heads": 1, "hidden_dim": 4, "intermediate_dim": 4}
    folder = tmp_path / "roberta"
    keras_hub.models.RobertaBackbone(**sizes).save_to_preset(str(folder))
    pieces = {"<s>": 0, "<pad>": 1, "</s>": 2, "<mask>": 3, "a": 4}
    keras_hub.tokenizers.RobertaTokenizer(vocabulary=pieces, merges=[]).save_to_preset(str(folder))
    with pytest.raises(
        ValueError, match=r"Received: RobertaBackbone with RobertaTokenizer.*Take one of these"
    ):
        kerashub_text(InputSpec((4,)), 0, folder, with_weights=True)


def test_a_bert_that_reads_other_pieces_is_refused(presets: Path, tmp_path: Path) -> None:
    folder = tmp_path / "e5"
    folder.mkdir()
    (folder / "config.json").write_bytes((presets / "BertBackbone" / "config.json").read_bytes())
    (folder / "tokenizer.json").write_text(json.dumps({"registered_name": "keras_hub>XLMRobertaTokenizer"}))
    with pytest.raises(ValueError, match="Received: BertBackbone with XLMRobertaTokenizer"):
        vocabulary(folder)


def test_a_preset_without_its_tokenizer_says_what_is_lacking(presets: Path, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_bytes((presets / "BertBackbone" / "config.json").read_bytes())
    with pytest.raises(ValueError, match=r"Expected tokenizer\.json and assets/tokenizer/vocabulary\.txt"):
        kerashub_text(InputSpec((4,)), 0, tmp_path, with_weights=False)


@pytest.mark.parametrize(
    ("tokenizer", "words"),
    [
        ({"vocabulary": ["[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]"]}, r"'\[UNK\]' the first"),
        ({"vocabulary": [*tiny.PIECES, "more"]}, "Expected at most 73 pieces"),
        ({"suffix_indicator": "@@"}, "Received: another suffix_indicator"),
    ],
)
def test_a_vocabulary_that_does_not_fit_is_refused(
    tmp_path: Path, tokenizer: dict[str, object], words: str
) -> None:
    folder = tiny.text_preset(tmp_path / "odd", "BertBackbone", **tokenizer)
    with pytest.raises(ValueError, match=words):
        vocabulary(folder)


def test_no_more_tokens_are_read_than_the_preset_can(presets: Path) -> None:
    options = {"kind": "pretrained", "preset": "BertBackbone", "length": None, "folder": str(presets)}
    texts = np.array(["the good film " * 40] * 4, dtype=object)
    part = first([], {"text": texts}, options)
    assert part.output_shape == (None, 32)
