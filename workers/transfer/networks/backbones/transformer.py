"""Small transformer encoder for texts and sequences (Vaswani et al. 2017), layers normalised first."""

from typing import TYPE_CHECKING, Any

import keras
from keras import layers, ops

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.seeds import layer_seed

if TYPE_CHECKING:
    import keras_tuner


def transformer(
    input_spec: InputSpec,
    seed: int,
    *,
    units: int = 64,
    heads: int = 4,
    blocks: int = 2,
    dropout: float = 0.1,
) -> keras.Sequential:
    """A backbone from token ids (n, length) or letters as vectors (n, length, channels) to (n, units).

    Places of padding are zeros all the way, are not attended to, and do not count in the mean at the end.
    Initial weights and dropout masks depend on `seed` and the layers' names alone.

    Raises:
        ValueError: `heads` does not divide `units`.
    """
    if units % heads:
        raise ValueError(
            f"Expected heads that divide the {units} units. Received: {heads}. Use, for example, 4 "
            "heads with 64 units."
        )
    backbone = keras.Sequential(name="backbone")
    dtype = "int32" if input_spec.tokens else "float32"
    backbone.add(keras.Input(input_spec.shape, dtype=dtype, name="features"))
    backbone.add(_embedding(input_spec, units, dtype, seed))
    shape = (input_spec.shape[0], units)
    for number in range(1, blocks + 1):
        backbone.add(_block(f"block_{number}", shape, heads, dropout, seed))
    backbone.add(_mean(shape))
    backbone.add(layers.Dropout(dropout, seed=layer_seed(seed, "dropout"), name="dropout"))
    return backbone


def space(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """The structures that a search tries."""
    return {
        "units": hp.Choice("units", [32, 64, 128]),
        "heads": hp.Choice("heads", [2, 4]),
        "blocks": hp.Int("blocks", 1, 3),
        "dropout": hp.Choice("dropout", [0.0, 0.1, 0.3]),
    }


def _dense(name: str, units: int, seed: int, scope: str, **options: Any) -> layers.Dense:
    initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, f"{scope}/{name}"))
    return layers.Dense(units, kernel_initializer=initializer, name=name, **options)


def _embedding(input_spec: InputSpec, units: int, dtype: str, seed: int) -> keras.Model:
    x = keras.Input(input_spec.shape, dtype=dtype, name="features")
    length = input_spec.shape[0]
    if input_spec.tokens:
        initializer = keras.initializers.RandomNormal(stddev=0.02, seed=layer_seed(seed, "embedding/tokens"))
        vectors = layers.Embedding(
            input_spec.tokens, units, embeddings_initializer=initializer, name="tokens"
        )(x)
        there = ops.expand_dims(ops.cast(ops.not_equal(x, 0), "float32"), -1)
    else:
        vectors = _dense("letters", units, seed, "embedding")(x)
        there = ops.cast(ops.any(ops.not_equal(x, 0.0), axis=-1, keepdims=True), "float32")
    places = ops.cumsum(ops.ones_like(there[..., 0], dtype="int32"), axis=1) - 1
    initializer = keras.initializers.RandomNormal(stddev=0.02, seed=layer_seed(seed, "embedding/places"))
    positions = layers.Embedding(length, units, embeddings_initializer=initializer, name="places")(places)
    return keras.Model(x, (vectors + positions) * there, name="embedding")


def _block(name: str, shape: tuple[int, int], heads: int, dropout: float, seed: int) -> keras.Model:
    h = keras.Input(shape, name="h")
    there = ops.cast(ops.any(ops.not_equal(h, 0.0), axis=-1, keepdims=True), "float32")
    attended = _attention(layers.LayerNormalization(name="norm_1")(h), there, heads, name, seed)
    attended = layers.Dropout(dropout, seed=layer_seed(seed, f"{name}/dropout_1"), name="dropout_1")(attended)
    a = h + attended
    wide = _dense("wide", 4 * shape[1], seed, name, activation="gelu")(
        layers.LayerNormalization(name="norm_2")(a)
    )
    narrow = _dense("narrow", shape[1], seed, name)(wide)
    narrow = layers.Dropout(dropout, seed=layer_seed(seed, f"{name}/dropout_2"), name="dropout_2")(narrow)
    return keras.Model(h, (a + narrow) * there, name=name)


def _attention(x: Any, there: Any, heads: int, scope: str, seed: int) -> Any:
    """softmax(QKᵀ/√d)V of each head, over the places that are there."""
    length, units = x.shape[1], x.shape[2]

    def apart(name: str) -> Any:
        cut = ops.reshape(_dense(name, units, seed, scope)(x), (-1, length, heads, units // heads))
        return ops.transpose(cut, (0, 2, 1, 3))

    q, k, v = apart("query"), apart("key"), apart("value")
    scores = ops.matmul(q, ops.transpose(k, (0, 1, 3, 2))) * (units // heads) ** -0.5
    absent = ops.reshape(1.0 - there, (-1, 1, 1, length))
    shares = ops.softmax(scores - 1e9 * absent, axis=-1)
    joined = ops.reshape(ops.transpose(ops.matmul(shares, v), (0, 2, 1, 3)), (-1, length, units))
    return _dense("joined", units, seed, scope)(joined)


def _mean(shape: tuple[int, int]) -> keras.Model:
    h = keras.Input(shape, name="h")
    there = ops.cast(ops.any(ops.not_equal(h, 0.0), axis=-1, keepdims=True), "float32")
    mean = ops.sum(h, axis=1) / ops.maximum(ops.sum(there, axis=1), 1.0)
    return keras.Model(h, layers.LayerNormalization(name="norm")(mean), name="mean")
