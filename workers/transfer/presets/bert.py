"""Encoders of the BERT family (Devlin et al. 2019) from a Hugging Face folder, in built-in Keras layers.

A folder holds `config.json` (model_type bert), `vocab.txt` and `model.safetensors`, as sentence encoders such
as MiniLM, E5, BGE and GTE come.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers, ops
from safetensors.numpy import load_file

from workers.transfer.data import Array
from workers.transfer.form import Form
from workers.transfer.presets.wordpiece import Vocabulary, read_vocabulary
from workers.transfer.seeds import layer_seed


@dataclass(frozen=True)
class Config:
    """The shape of an encoder."""

    layers: int
    units: int
    heads: int
    wide: int
    vocabulary: int
    places: int
    epsilon: float
    lowercase: bool


def read_config(folder: Path) -> Config:
    """The folder's config.

    Raises:
        ValueError: it is not of the BERT family.
    """
    about = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    kind, activation = about.get("model_type"), about.get("hidden_act")
    places = about.get("position_embedding_type", "absolute")
    if (kind, activation, places) != ("bert", "gelu", "absolute"):
        raise ValueError(
            "Expected an encoder of the BERT family, with gelu and absolute positions. "
            f"Received: {kind} with {activation} in {folder.name}. Use another preset."
        )
    tokens = folder / "tokenizer_config.json"
    said = json.loads(tokens.read_text(encoding="utf-8")) if tokens.exists() else {}
    return Config(
        about["num_hidden_layers"],
        about["hidden_size"],
        about["num_attention_heads"],
        about["intermediate_size"],
        about["vocab_size"],
        about["max_position_embeddings"],
        about["layer_norm_eps"],
        bool(said.get("do_lower_case", True)),
    )


def vocabulary(folder: Path) -> Vocabulary:
    """The pieces of `vocab.txt`."""
    lines = (folder / "vocab.txt").read_text(encoding="utf-8").splitlines()
    return read_vocabulary(lines, lowercase=read_config(folder).lowercase)


def bert(form: Form, seed: int, folder: Path, *, with_weights: bool) -> keras.Model:
    """A backbone from token ids (n, length), 0 for padding, to the mean of the tokens' vectors (n, units).

    Dropout is left out, as in sentence encoders' use. Without the folder's weights they are drawn, and depend
    on `seed` and the layers' names alone.

    Raises:
        ValueError: the folder is of another family, or the length is beyond its places.
    """
    config = read_config(folder)
    (length,) = form.shape
    if length > config.places:
        raise ValueError(
            f"Expected at most {config.places} tokens, as the preset was made for. Received: {length}. "
            "Lower length."
        )
    ids = keras.Input((length,), dtype="int32", name="features")
    there = ops.cast(ops.not_equal(ids, 0), "float32")[..., None]
    h = _embedded(ids, config, seed)
    for number in range(config.layers):
        h = _layer(h, there, config, f"layer_{number}", seed)
    mean = ops.sum(h * there, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)
    out = layers.Activation("linear", name="representation")(mean)
    backbone = keras.Model(ids, out, name="backbone")
    if with_weights:
        _put(backbone, load_file(folder / "model.safetensors"), config)
    return backbone


def _normal(name: str, seed: int) -> keras.initializers.Initializer:
    return keras.initializers.TruncatedNormal(stddev=0.02, seed=layer_seed(seed, name))


def _embedded(ids: Any, config: Config, seed: int) -> Any:
    places = ops.cumsum(ops.ones_like(ids), axis=1) - 1

    def embedding(rows: int, name: str) -> layers.Embedding:
        return layers.Embedding(rows, config.units, embeddings_initializer=_normal(name, seed), name=name)

    words = embedding(config.vocabulary, "word_pieces")(ids)
    h = words + embedding(config.places, "places")(places)
    return layers.LayerNormalization(epsilon=config.epsilon, name="embedding_norm")(h)


def _layer(h: Any, there: Any, config: Config, name: str, seed: int) -> Any:
    def dense(part: str, units: int, **options: Any) -> layers.Dense:
        own = f"{name}_{part}"
        return layers.Dense(units, kernel_initializer=_normal(own, seed), name=own, **options)

    def norm(part: str) -> layers.LayerNormalization:
        return layers.LayerNormalization(epsilon=config.epsilon, name=f"{name}_{part}")

    attended = _attention(h, there, config, dense)
    h = norm("attention_norm")(h + dense("joined", config.units)(attended))
    wide = ops.gelu(dense("wide", config.wide)(h), approximate=False)
    return norm("norm")(h + dense("narrow", config.units)(wide))


def _attention(h: Any, there: Any, config: Config, dense: Any) -> Any:
    length, size = h.shape[1], config.units // config.heads

    def apart(name: str) -> Any:
        cut = ops.reshape(dense(name, config.units)(h), (-1, length, config.heads, size))
        return ops.transpose(cut, (0, 2, 1, 3))

    q, k, v = apart("query"), apart("key"), apart("value")
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * size**-0.5
    absent = ops.reshape(1.0 - there, (-1, 1, 1, length))
    shares = ops.softmax(scores - 1e9 * absent, axis=-1)
    return ops.reshape(ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3)), (-1, length, config.units))


_DENSE = {
    "query": "attention.self.query",
    "key": "attention.self.key",
    "value": "attention.self.value",
    "joined": "attention.output.dense",
    "wide": "intermediate.dense",
    "narrow": "output.dense",
}
_NORMS = {"attention_norm": "attention.output.LayerNorm", "norm": "output.LayerNorm"}


def _put(backbone: keras.Model, tensors: Mapping[str, Array], config: Config) -> None:
    """Kernels are transposed; the first kind of segment, which every token is of, joins the places."""
    tensors = {name.removeprefix("bert."): np.asarray(value, np.float32) for name, value in tensors.items()}
    of = {layer.name: layer for layer in backbone.layers}
    of["word_pieces"].set_weights([tensors["embeddings.word_embeddings.weight"]])
    segment = tensors["embeddings.token_type_embeddings.weight"][0]
    of["places"].set_weights([tensors["embeddings.position_embeddings.weight"] + segment])
    _put_norm(of["embedding_norm"], tensors, "embeddings.LayerNorm")
    for number in range(config.layers):
        for own, theirs in _DENSE.items():
            path = f"encoder.layer.{number}.{theirs}"
            of[f"layer_{number}_{own}"].set_weights([tensors[f"{path}.weight"].T, tensors[f"{path}.bias"]])
        for own, theirs in _NORMS.items():
            _put_norm(of[f"layer_{number}_{own}"], tensors, f"encoder.layer.{number}.{theirs}")


def _put_norm(layer: Any, tensors: Mapping[str, Array], path: str) -> None:
    layer.set_weights([tensors[f"{path}.weight"], tensors[f"{path}.bias"]])
