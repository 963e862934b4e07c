"""Low-rank adaptation (Hu et al. 2021): kernels move by thin products, merged at the end."""

import keras

from workers.transfer.data import Data
from workers.transfer.networks.network import Network, clone, join, leaves
from workers.transfer.seeds import layer_seed
from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import History


def low_rank(network: Network, data: Data, fit: Fit, rank: int) -> tuple[Network, History, list[str]]:
    """Train the head, and W + BA in place of each kernel W of the backbone; the network with BA merged.

    B is 0 at the start, so the function at step 0 is unchanged; A comes from the training's seed. Biases and
    all else in the backbone stay frozen (Keras' `enable_lora` leaves biases trainable). The third answer is
    the paths of the kernels that moved.

    Raises:
        ValueError: no layer of the backbone takes low-rank adaptation.
    """
    backbone = clone(network.backbone)
    rates: dict[str, float] = {}
    adapted: list[str] = []
    for path, layer in leaves(backbone):
        where = f"backbone/{path}"
        if not (layer.weights and hasattr(layer, "enable_lora")):
            rates |= {where: 0.0} if layer.weights else {}
            continue
        # Keras leaves biases trainable, which is no part of the method.
        rates |= {f"{where}/{weight.name}": 0.0 for weight in layer.weights}
        seed = layer_seed(fit.training.seed, f"{path}/lora")
        layer.enable_lora(rank, a_initializer=keras.initializers.HeUniform(seed=seed))
        adapted.append(f"{where}/{_matrix(layer)}")
    if not adapted:
        raise ValueError(
            "Expected a backbone with dense, convolutional or embedding layers for lora. Received: none. "
            "Use full or linear_probe."
        )
    working = join(network.preprocessing, backbone, network.head, network.signature, network.options)
    history = fit(working, data, rates=rates)
    merged = clone(network.backbone)
    for (_, own), (_, other) in zip(leaves(merged), leaves(backbone), strict=True):
        if getattr(other, "lora_enabled", False):
            # The property adds the product.
            getattr(own, _matrix(own)).assign(getattr(other, _matrix(other)))
    result = join(network.preprocessing, merged, network.head, network.signature, network.options)
    return result, history, adapted


def _matrix(layer: keras.layers.Layer) -> str:
    """The name of what a product is added to."""
    return "embeddings" if isinstance(layer, keras.layers.Embedding) else "kernel"
