"""Small convolutional network for images, or for pixels in columns, row by row from the top left."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import keras

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.seeds import layer_seed

if TYPE_CHECKING:
    import keras_tuner


def convnet(
    input_spec: InputSpec,
    seed: int,
    *,
    image_shape: Sequence[int] | None = None,
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    dense_units: Sequence[int] = (128,),
    dropout: float = 0.0,
) -> keras.Sequential:
    """A backbone from images (n, h, w, c) or columns (n, h·w·c) to (n, last of dense_units).

    An image's pixels, 0 to 255, are divided by 255; those in columns, of an image of `image_shape`, go in as
    they are. Each convolution (relu, same padding) is followed by a maximum over 2x2; then dense layers with
    relu, dropout before each. Initial weights and dropout masks depend on `seed` and the layers' names alone.

    Raises:
        ValueError: no shape for columns, or one of another number of features.
    """
    backbone = keras.Sequential([keras.Input(input_spec.shape, name="features")], name="backbone")
    if len(input_spec.shape) == 3:
        backbone.add(keras.layers.Rescaling(1 / 255, name="image"))
    else:
        backbone.add(keras.layers.Reshape(_shape(image_shape, input_spec), name="image"))
    for number, count in enumerate(filters, start=1):
        name = f"conv_{number}"
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
        backbone.add(
            keras.layers.Conv2D(
                count,
                kernel_size,
                padding="same",
                activation="relu",
                kernel_initializer=initializer,
                name=name,
            )
        )
        backbone.add(keras.layers.MaxPooling2D(2, padding="same", name=f"pool_{number}"))
    backbone.add(keras.layers.Flatten(name="flat"))
    for number, units in enumerate(dense_units, start=1):
        if dropout > 0:
            name = f"dropout_{number}"
            backbone.add(keras.layers.Dropout(dropout, seed=layer_seed(seed, name), name=name))
        name = f"dense_{number}"
        initializer = keras.initializers.GlorotUniform(seed=layer_seed(seed, name))
        backbone.add(keras.layers.Dense(units, activation="relu", kernel_initializer=initializer, name=name))
    return backbone


def space(hp: "keras_tuner.HyperParameters") -> dict[str, Any]:
    """The structures that a search tries: 1 to 3 convolutions and a dense layer."""
    depth = hp.Int("convolutions", 1, 3)
    filters = hp.Choice("filters", [8, 16, 32, 64])
    return {
        "filters": [filters * 2**number for number in range(depth)],
        "kernel_size": hp.Choice("kernel_size", [3, 5]),
        "dense_units": [hp.Choice("dense_units", [32, 64, 128, 256])],
        "dropout": hp.Choice("dropout", [0.0, 0.2, 0.4]),
    }


def _shape(image_shape: Sequence[int] | None, input_spec: InputSpec) -> tuple[int, int, int]:
    if image_shape is None:
        raise ValueError(
            f"Expected image_shape, since the {input_spec.width} pixels are columns. Received: none. Send it."
        )
    height, width, channels = image_shape
    if height * width * channels != input_spec.width:
        raise ValueError(
            f"Expected {height * width * channels} features, as image_shape says. Received: "
            f"{input_spec.width}. Correct image_shape, or use an mlp."
        )
    return height, width, channels
