"""What all of KerasHub's presets share: how they are known, and the library itself, of an optional extra."""

from importlib.util import find_spec
from types import ModuleType
from typing import Any

from workers.transfer.networks.presets.errors import PresetError

MARK = "keras_hub>"
INSTALL = "pip install --no-deps -r locks/worker.txt"
"""With its own requirements pip would bring tensorflow-text, and so a second, full TensorFlow."""


def is_kerashub(config: Any) -> bool:
    """Whether this is the `config.json` of a KerasHub preset."""
    return isinstance(config, dict) and str(config.get("registered_name", "")).startswith(MARK)


def family_of(config: dict[str, Any]) -> str:
    """The class that a config of KerasHub's is of, such as BertBackbone."""
    return str(config["registered_name"]).removeprefix(MARK)


def image_option(config: dict[str, Any]) -> str | None:
    """What a preset for images calls the shape of an image; None of others. EfficientNet has its own word."""
    return next((name for name in ("image_shape", "input_shape") if name in config["config"]), None)


def is_installed() -> bool:
    """Whether the library is here, without importing it."""
    return find_spec("keras_hub") is not None


def keras_hub() -> ModuleType:
    """The library.

    Raises:
        PresetError: it is not installed; says how to bring it.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise PresetError(
            f"Expected the package keras-hub for this preset. Received: none. Install it with: {INSTALL}"
        ) from error
    module: ModuleType = keras_hub
    return module
