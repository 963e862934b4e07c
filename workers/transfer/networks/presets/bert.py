"""Encoders of the BERT family from a Hugging Face folder.

A folder holds `config.json` (model_type bert), `vocab.txt` and `model.safetensors`, as sentence encoders such
as MiniLM, E5, BGE and GTE come.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from safetensors.numpy import load_file

from workers.transfer.data import Array
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.encoder import EncoderShape, Weights, encoder
from workers.transfer.networks.presets.errors import PresetError
from workers.transfer.networks.presets.sentences import recipe_of
from workers.transfer.networks.presets.wordpiece import Vocabulary, check_pieces, read_vocabulary

FILES = ("config.json", "vocab.txt", "model.safetensors")
"""What a folder must hold; how texts become vectors is said in further ones, see `sentences`."""


def shape_of(folder: Path) -> EncoderShape:
    """The encoder's shape by the folder's config.

    Raises:
        PresetError: it is not of the BERT family.
    """
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind, activation = about.get("model_type"), about.get("hidden_act")
    positions = about.get("position_embedding_type", "absolute")
    if (kind, activation, positions) != ("bert", "gelu", "absolute"):
        raise PresetError(
            "Expected an encoder of the BERT family, with gelu and absolute positions. "
            f"Received: {kind} with {activation} in {folder.name}. Use another preset."
        )
    return EncoderShape(
        layers=about["num_hidden_layers"],
        units=about["hidden_size"],
        heads=about["num_attention_heads"],
        intermediate=about["intermediate_size"],
        vocabulary=about["vocab_size"],
        positions=about["max_position_embeddings"],
        epsilon=about["layer_norm_eps"],
        embedding_width=about["hidden_size"],
    )


def vocabulary(folder: Path) -> Vocabulary:
    """The pieces of `vocab.txt`, cut as the folder says.

    Raises:
        PresetError: they do not fit the encoder, or the folder says what is not done here.
    """
    recipe = recipe_of(folder)
    pieces = read_vocabulary(folder / "vocab.txt", lowercase=recipe.lowercase, prompt=recipe.prompt)
    check_pieces(pieces, shape_of(folder).vocabulary, "vocab.txt")
    return pieces


def bert(input_spec: InputSpec, seed: int, folder: Path, *, with_weights: bool) -> keras.Model:
    """A backbone as `encoder` makes it, by the folder's recipe, with its weights or drawn ones.

    Raises:
        PresetError: the folder is of another family or recipe, or the length is beyond its places.
    """
    shape, recipe = shape_of(folder), recipe_of(folder)
    weights = _weights(load_file(folder / "model.safetensors"), shape) if with_weights else None
    return encoder(input_spec, seed, shape, weights, recipe.pooling, unit_length=recipe.unit_length)


_DENSE = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "joined": "attention.output.dense",
    "wide": "intermediate.dense",
    "narrow": "output.dense",
}
_NORMS = {"attention_norm": "attention.output.LayerNorm", "norm": "output.LayerNorm"}


def _weights(tensors: Mapping[str, Any], shape: EncoderShape) -> Weights:
    """Kernels are transposed; the first kind of segment, which every token is of, joins the places."""
    of = {name.removeprefix("bert."): np.asarray(value, np.float32) for name, value in tensors.items()}

    def pair(path: str, *, transposed: bool = False) -> list[Array]:
        weight = of[f"{path}.weight"]
        return [weight.T if transposed else weight, of[f"{path}.bias"]]

    segment = of["embeddings.token_type_embeddings.weight"][0]
    weights = {
        "word_pieces": [of["embeddings.word_embeddings.weight"]],
        "places": [of["embeddings.position_embeddings.weight"] + segment],
        "embedding_norm": pair("embeddings.LayerNorm"),
    }
    for number in range(shape.layers):
        path = f"encoder.layer.{number}"
        for own, original in _DENSE.items():
            weights[f"layer_{number}_{own}"] = pair(f"{path}.{original}", transposed=True)
        for own, original in _NORMS.items():
            weights[f"layer_{number}_{own}"] = pair(f"{path}.{original}")
    return weights
