"""KerasHub's presets for texts whose tokenizer is WordPiece: BERT, DistilBERT (Sanh et al. 2019), ELECTRA.

KerasHub loads the weights; they are placed in an encoder of built-in layers, so that what is downloaded opens
without KerasHub. Its tokenizer runs outside of a graph, or by tensorflow-text, which pulls a second
TensorFlow: so the pieces are read from the preset's files and cut by the WordPiece here.
"""

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np

from workers.transfer.data import Array
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.encoder import EncoderShape, Weights, encoder
from workers.transfer.networks.presets.errors import PresetError
from workers.transfer.networks.presets.kerashub import family_of, keras_hub
from workers.transfer.networks.presets.wordpiece import Vocabulary, check_pieces, read_vocabulary

FAMILIES = ("BertBackbone", "DistilBertBackbone", "ElectraBackbone")

TOKENIZERS = ("BertTokenizer", "DistilBertTokenizer", "ElectraTokenizer")
"""A family does not tell its tokenizer: multilingual E5 is a BERT that reads SentencePiece."""

TOKENIZER_FILE = "tokenizer.json"
VOCABULARY_FILE = "assets/tokenizer/vocabulary.txt"


def shape_of(folder: Path) -> EncoderShape:
    """The encoder's shape by the preset's config.

    Raises:
        PresetError: it is of another family, or cuts texts by another tokenizer.
    """
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    family, config = family_of(about), about["config"]
    reads = family_of(_tokenizer(folder))
    if family not in FAMILIES or reads not in TOKENIZERS:
        raise PresetError(
            f"Expected a KerasHub preset for texts of {_listed(FAMILIES)} with WordPiece, which can be made "
            f"of Keras' own layers, tokenizer included. Received: {family} with {reads} in {folder.name}. "
            "Take one of these families, or a Hugging Face folder of the BERT family."
        )
    return EncoderShape(
        layers=config["num_layers"],
        units=config["hidden_dim"],
        heads=config["num_heads"],
        intermediate=config["intermediate_dim"],
        vocabulary=config["vocab_size" if family == "ElectraBackbone" else "vocabulary_size"],
        positions=config["max_sequence_length"],
        epsilon=1e-12,
        embedding_width=config.get("embedding_dim", config["hidden_dim"]),
        approximate_gelu=family != "DistilBertBackbone",
    )


def vocabulary(folder: Path) -> Vocabulary:
    """The pieces of the preset's tokenizer, capitals made small if it says so.

    Where it makes capitals small, accents are stripped as well: so the words were cut that these encoders
    were trained on, also where KerasHub's own settings leave the accents.

    Raises:
        PresetError: it cuts in a way that BERT does not, or its pieces do not fit the encoder.
    """
    shape, about = shape_of(folder), _tokenizer(folder).get("config", {})
    usual = {"split": True, "suffix_indicator": "##", "oov_token": "[UNK]", "special_tokens": None}
    other = {name: about[name] for name, value in usual.items() if about.get(name, value) != value}
    if other:
        raise PresetError(
            "Expected a tokenizer that cuts as BERT does. "
            f"Received: another {', '.join(other)} in {folder.name}. Take another preset."
        )
    pieces = read_vocabulary(folder / VOCABULARY_FILE, lowercase=bool(about.get("lowercase")))
    check_pieces(pieces, shape.vocabulary, VOCABULARY_FILE)
    return pieces


def kerashub_text(input_spec: InputSpec, seed: int, folder: Path, *, with_weights: bool) -> keras.Model:
    """A backbone as `encoder` makes it, with the preset's weights or drawn ones.

    Raises:
        PresetError: KerasHub is not installed, the preset is of another family, or the length is beyond its
            places.
    """
    shape = shape_of(folder)
    if not with_weights:
        return encoder(input_spec, seed, shape, None)
    loaded = keras_hub().models.Backbone.from_preset(str(folder), dtype="float32")
    of = {variable.path: np.asarray(variable.numpy()) for variable in loaded.weights}
    return encoder(input_spec, seed, shape, _weights(of, shape))


_DENSE = {
    "query": "self_attention_layer/query",
    "key": "self_attention_layer/key",
    "value": "self_attention_layer/value",
    "joined": "self_attention_layer/attention_output",
    "wide": "feedforward_intermediate_dense",
    "narrow": "feedforward_output_dense",
}
_NORMS = {"attention_norm": "self_attention_layer_norm", "norm": "feedforward_layer_norm"}


def _weights(of: dict[str, Array], shape: EncoderShape) -> Weights:
    """Heads are joined; the first kind of segment, which every token is of, joins the places."""
    # DistilBERT keeps tokens and places in one layer, and has no segments.
    of = {path.removeprefix("token_and_position_embedding/"): value for path, value in of.items()}
    positions = of["position_embedding/embeddings"]
    if "segment_embedding/embeddings" in of:
        positions = positions + of["segment_embedding/embeddings"][0]
    weights: dict[str, list[Array]] = {
        "word_pieces": [of["token_embedding/embeddings"]],
        "places": [positions],
        "embedding_norm": [of[f"embeddings_layer_norm/{name}"] for name in ("gamma", "beta")],
    }
    if shape.embedding_width != shape.units:
        weights["embedding_projection"] = [of[f"embeddings_projection/{name}"] for name in ("kernel", "bias")]
    for number in range(shape.layers):
        path = f"transformer_layer_{number}"
        for own, original in _DENSE.items():
            kernel, bias = (of[f"{path}/{original}/{name}"] for name in ("kernel", "bias"))
            # (units, heads, size) of what is read, (heads, size, units) of what joins them
            kernel = kernel.reshape(-1, shape.units) if own == "joined" else kernel.reshape(len(kernel), -1)
            weights[f"layer_{number}_{own}"] = [kernel, bias.reshape(-1)]
        for own, original in _NORMS.items():
            weights[f"layer_{number}_{own}"] = [of[f"{path}/{original}/{name}"] for name in ("gamma", "beta")]
    return weights


def _tokenizer(folder: Path) -> dict[str, Any]:
    path = folder / TOKENIZER_FILE
    if not path.is_file():
        raise PresetError(
            f"Expected {TOKENIZER_FILE} and {VOCABULARY_FILE} beside the weights, which say how texts are "
            f"cut. Received: none in {folder.name}. Save the preset's tokenizer there, by its save_to_preset."
        )
    config: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return config


def _listed(words: Any) -> str:
    return ", ".join(words)
