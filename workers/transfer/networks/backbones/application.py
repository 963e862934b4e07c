"""A network of `keras.applications`, its weights drawn at random."""

import keras

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.structures import reinitialised

ARCHITECTURES = (
    "MobileNetV3Small",
    "MobileNetV3Large",
    "MobileNetV2",
    "EfficientNetV2B0",
    "ResNet50V2",
    "DenseNet121",
)
_SCALES_ITSELF = ("MobileNetV3", "EfficientNet")


def application(input_spec: InputSpec, seed: int, *, architecture: str = "MobileNetV3Small") -> keras.Model:
    """A backbone from images (n, h, w, c), pixels 0 to 255, to the mean of its last maps (n, filters).

    Initial weights depend on `seed` and the layers' names alone.

    Raises:
        ValueError: an unknown architecture, or images that are too small for it.
    """
    if architecture not in ARCHITECTURES:
        raise ValueError(f"Expected one of {', '.join(ARCHITECTURES)}. Received: {architecture!r}.")
    made = getattr(keras.applications, architecture)(
        include_top=False, weights=None, input_shape=(*input_spec.shape[:2], 3), pooling="avg"
    )
    x = keras.Input(input_spec.shape, name="features")
    h = x
    if input_spec.width == 1:
        h = keras.layers.Concatenate(name="grey_to_rgb")([h, h, h])
    if not architecture.startswith(_SCALES_ITSELF):
        h = keras.layers.Rescaling(1 / 127.5, offset=-1.0, name="scaled")(h)
    inner = made.__class__.from_config({**made.get_config(), "name": "application"})
    out = keras.layers.Activation("linear", name="representation")(inner(h))
    return reinitialised(keras.Model(x, out, name="backbone"), seed)
