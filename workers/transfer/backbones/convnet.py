"""Small convolutional network for images whose pixels are the features, row by row from the top left."""

from collections.abc import Sequence

import keras

from workers.transfer.seeds import layer_seed


def convnet(
    width: int,
    seed: int,
    *,
    image_shape: Sequence[int],
    filters: Sequence[int] = (32, 64),
    kernel_size: int = 3,
    dense_units: Sequence[int] = (128,),
    dropout: float = 0.0,
) -> keras.Sequential:
    """A backbone from (n, width) to (n, last of dense_units), width = height · width · channels of the image.

    Each convolution (relu, same padding) is followed by a maximum over 2x2; then dense layers with relu,
    dropout before each. Initial weights and dropout masks depend on `seed` and the layers' names alone.

    Raises:
        ValueError: the shape has another number of features.
    """
    height, columns, channels = image_shape
    if height * columns * channels != width:
        raise ValueError(
            f"Expected {height * columns * channels} features, as image_shape says. Received: {width}. "
            "Correct image_shape, or use an mlp."
        )
    backbone = keras.Sequential([keras.Input((width,), name="features")], name="backbone")
    backbone.add(keras.layers.Reshape((height, columns, channels), name="image"))
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
