"""A pretrained backbone by the name of its preset."""

from pathlib import Path
from typing import Literal

import keras

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets import loading
from workers.transfer.networks.presets.lookup import find_preset


def pretrained(
    input_spec: InputSpec,
    seed: int,
    *,
    preset: str,
    weights: Literal["pretrained", "random"] = "pretrained",
    folder: str | None = None,
) -> keras.Model:
    """A backbone from token ids (n, length) or images (n, h, w, 3) to the preset's representation.

    With random weights it is the architecture alone; they depend on `seed` and the layers' names.

    Raises:
        ValueError: the preset is not here, or is for another kind of data.
    """
    found = find_preset(preset, Path(folder) if folder else None)
    kind = "image" if len(input_spec.shape) == 3 else "text"
    if found.kind != kind:
        raise ValueError(
            f"Expected a preset for {kind}s. Received: {preset}, which is for {found.kind}s. Choose another."
        )
    return loading.backbone(input_spec, seed, found, with_weights=weights == "pretrained")
