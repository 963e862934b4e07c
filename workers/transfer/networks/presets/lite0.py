"""EfficientNet-Lite0 (Tan & Le 2019, without squeeze-and-excitation, relu6), in built-in Keras layers."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from workers.transfer.data import Array
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.torch_files import read_tensors
from workers.transfer.seeds import layer_seed

EPSILON = 1e-3
STAGES = (
    # kernel, stride, expansion, filters, blocks
    (3, 1, 1, 16, 1),
    (3, 2, 6, 24, 2),
    (5, 2, 6, 40, 2),
    (3, 2, 6, 80, 3),
    (5, 1, 6, 112, 3),
    (5, 2, 6, 192, 4),
    (3, 1, 6, 320, 1),
)
STEM, TOP = 32, 1280


def lite0(input_spec: InputSpec, seed: int, weights: Path | None) -> keras.Model:
    """A backbone from images (n, h, w, 3), pixels 0 to 255, to the mean of its last maps (n, 1280).

    `weights` is the legacy `.pth` of the ImageNet weights, made for 224 x 224 pixels; without, they are
    drawn, and depend on `seed` and the layers' names alone.
    """
    x = keras.Input(input_spec.shape, name="features")
    h = layers.Rescaling(1 / 128, offset=-127 / 128, name="scaled")(x)
    h = _convolution(h, STEM, 3, 2, "stem", seed)
    number = 0
    for kernel, stride, expansion, filters, blocks in STAGES:
        for block in range(blocks):
            name = f"block_{number}"
            h = _block(h, kernel, stride if block == 0 else 1, expansion, filters, name, seed)
            number += 1
    h = _convolution(h, TOP, 1, 1, "top", seed)
    backbone = keras.Model(x, layers.GlobalAveragePooling2D(name="representation")(h), name="backbone")
    if weights is not None:
        _put(backbone, read_tensors(weights))
    return backbone


def _convolution(h: Any, filters: int, kernel: int, stride: int, name: str, seed: int) -> Any:
    initializer = keras.initializers.HeNormal(seed=layer_seed(seed, name))
    h = layers.Conv2D(
        filters,
        kernel,
        stride,
        padding="same",
        use_bias=False,
        kernel_initializer=initializer,
        name=name,
    )(h)
    h = layers.BatchNormalization(epsilon=EPSILON, name=f"{name}_norm")(h)
    return layers.ReLU(6.0, name=f"{name}_relu6")(h)


def _block(h: Any, kernel: int, stride: int, expansion: int, filters: int, name: str, seed: int) -> Any:
    """An inverted residual (Sandler et al. 2018)."""
    before = h
    if expansion > 1:
        h = _convolution(h, expansion * int(h.shape[-1]), 1, 1, f"{name}_expand", seed)
    depthwise = f"{name}_depthwise"
    h = layers.DepthwiseConv2D(
        kernel,
        stride,
        padding="same",
        use_bias=False,
        depthwise_initializer=keras.initializers.HeNormal(seed=layer_seed(seed, depthwise)),
        name=depthwise,
    )(h)
    h = layers.BatchNormalization(epsilon=EPSILON, name=f"{depthwise}_norm")(h)
    h = layers.ReLU(6.0, name=f"{depthwise}_relu6")(h)
    project = f"{name}_project"
    h = layers.Conv2D(
        filters,
        1,
        use_bias=False,
        kernel_initializer=keras.initializers.HeNormal(seed=layer_seed(seed, project)),
        name=project,
    )(h)
    h = layers.BatchNormalization(epsilon=EPSILON, name=f"{project}_norm")(h)
    if stride == 1 and before.shape[-1] == filters:
        return layers.Add(name=f"{name}_joined")([before, h])
    return h


def _put(backbone: keras.Model, tensors: Mapping[str, Array]) -> None:
    for layer in backbone.layers:
        if isinstance(layer, layers.BatchNormalization):
            name = _norm_name(layer.name.removesuffix("_norm"))
            parts = ("weight", "bias", "running_mean", "running_var")
            layer.set_weights([tensors[f"{name}.{part}"] for part in parts])
        elif isinstance(layer, layers.DepthwiseConv2D):
            # (channels, 1, h, w) to (h, w, channels, 1)
            layer.set_weights([np.transpose(tensors[f"{_name(layer.name)}.weight"], (2, 3, 0, 1))])
        elif isinstance(layer, layers.Conv2D):
            # (out, in, h, w) to (h, w, in, out)
            layer.set_weights([np.transpose(tensors[f"{_name(layer.name)}.weight"], (2, 3, 1, 0))])


def _name(own: str) -> str:
    """What the file calls a convolution."""
    if own in ("stem", "top"):
        return {"stem": "_conv_stem", "top": "_conv_head"}[own]
    _, number, part = own.split("_")
    return f"_blocks.{number}._{part}_conv"


def _norm_name(own: str) -> str:
    if own in ("stem", "top"):
        return {"stem": "_bn0", "top": "_bn1"}[own]
    _, number, part = own.split("_")
    return f"_blocks.{number}._bn{ {'expand': 0, 'depthwise': 1, 'project': 2}[part] }"
