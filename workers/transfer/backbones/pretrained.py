"""A pretrained backbone by the name of its preset."""

from pathlib import Path
from typing import Literal

import keras

from workers.transfer.form import Form
from workers.transfer.presets.places import find_preset


def pretrained(
    form: Form,
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
    kind = "image" if len(form.shape) == 3 else "text"
    if found.kind != kind:
        raise ValueError(
            f"Expected a preset for {kind}s. Received: {preset}, which is for {found.kind}s. Choose another."
        )
    # The libraries that read weights are of an optional extra.
    if kind == "text":
        from workers.transfer.presets.bert import bert

        return bert(form, seed, found.path, with_weights=weights == "pretrained")
    if found.is_kerashub:
        from workers.transfer.presets.kerashub import kerashub

        return kerashub(form, seed, found.path, with_weights=weights == "pretrained")
    from workers.transfer.presets.lite0 import lite0

    return lite0(form, seed, found.path if weights == "pretrained" else None)
