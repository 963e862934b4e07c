"""Low-rank adaptation (Hu et al. 2021): kernels move by thin products, merged at the end."""

import keras

from workers.transfer.data import Data
from workers.transfer.fitting import Fit, History
from workers.transfer.network import Network, clone, join, leaves
from workers.transfer.seeds import layer_seed


def low_rank(network: Network, data: Data, fit: Fit, rank: int) -> tuple[Network, History, list[str]]:
    """Train the head, and W + BA in place of each kernel W of the backbone; the network with BA merged.

    B is 0 at the start, so the function at step 0 is unchanged; A comes from the training's seed. Biases and
    all else in the backbone stay frozen (Keras' `enable_lora` leaves biases trainable). The third answer is
    the paths of the kernels that moved.

    Raises:
        ValueError: no layer of the backbone takes low-rank adaptation.
    """
    backbone = clone(network.backbone)
    rates, adapted = {}, []
    for path, layer in leaves(backbone):
        where = f"backbone/{path}"
        if not (layer.weights and hasattr(layer, "enable_lora")):
            if layer.weights:
                rates[where] = 0.0
            continue
        seed = layer_seed(fit.training.seed, f"{path}/lora")
        layer.enable_lora(rank, a_initializer=keras.initializers.HeUniform(seed=seed))
        # Keras leaves the bias trainable, which is no part of the method.
        rates |= {f"{where}/{weight.name}": 0.0 for weight in layer.weights if weight is layer.bias}
        adapted.append(f"{where}/kernel")
    if not adapted:
        raise ValueError("Expected a backbone with Dense or convolutional layers for lora. Received: none.")
    working = join(network.preprocessing, backbone, network.head, network.signature, network.options)
    history = fit(working, data, rates=rates)
    merged = clone(network.backbone)
    for (_, own), (_, other) in zip(leaves(merged), leaves(backbone), strict=True):
        if getattr(other, "lora_enabled", False):
            own.kernel.assign(other.kernel)  # the property adds the product
    result = join(network.preprocessing, merged, network.head, network.signature, network.options)
    return result, history, adapted
