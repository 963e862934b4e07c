"""A preset that was found, read: its backbone, and the pieces its texts are cut into.

The files that read weights are imported where they are used: their libraries are of an optional extra.
"""

import keras

from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.presets.errors import as_preset_error
from workers.transfer.networks.presets.lookup import Preset
from workers.transfer.networks.presets.sentences import recipe_of
from workers.transfer.networks.presets.wordpiece import Vocabulary


def backbone(input_spec: InputSpec, seed: int, preset: Preset, *, with_weights: bool) -> keras.Model:
    """Its layers, with its weights or with drawn ones, which depend on `seed` and the layers' names alone.

    Raises:
        PresetError: its files are broken, it cannot be made of Keras' own layers, or does not fit what it is
            to read.
    """
    with as_preset_error(preset.name):
        return _backbone(input_spec, seed, preset, with_weights=with_weights)


def _backbone(input_spec: InputSpec, seed: int, preset: Preset, *, with_weights: bool) -> keras.Model:
    match preset.layout:
        case "hugging_face":
            from workers.transfer.networks.presets.bert import bert

            return bert(input_spec, seed, preset.path, with_weights=with_weights)
        case "kerashub_text":
            from workers.transfer.networks.presets.kerashub_texts import kerashub_text

            return kerashub_text(input_spec, seed, preset.path, with_weights=with_weights)
        case "kerashub_image":
            from workers.transfer.networks.presets.kerashub_images import kerashub_image

            return kerashub_image(input_spec, seed, preset.path, with_weights=with_weights)
        case "lite0":
            from workers.transfer.networks.presets.lite0 import lite0

            return lite0(input_spec, seed, preset.path if with_weights else None)


def longest(preset: Preset) -> int:
    """How many tokens a preset for texts can read.

    Raises:
        PresetError: its files are broken.
    """
    with as_preset_error(preset.name):
        if preset.layout == "kerashub_text":
            from workers.transfer.networks.presets import kerashub_texts

            return kerashub_texts.shape_of(preset.path).positions
        from workers.transfer.networks.presets import bert

        return bert.shape_of(preset.path).positions


def usual_length(preset: Preset) -> int:
    """How many tokens a preset for texts was made to read, as far as its files say.

    Raises:
        PresetError: its files are broken, or say what is not done here.
    """
    if preset.layout != "hugging_face":
        return longest(preset)
    with as_preset_error(preset.name):
        return min(recipe_of(preset.path).length or longest(preset), longest(preset))


def vocabulary(preset: Preset) -> Vocabulary:
    """The pieces of a preset for texts.

    Raises:
        PresetError: its files are broken, or it cuts texts in another way than WordPiece.
    """
    with as_preset_error(preset.name):
        if preset.layout == "kerashub_text":
            from workers.transfer.networks.presets import kerashub_texts

            return kerashub_texts.vocabulary(preset.path)
        from workers.transfer.networks.presets import bert

        return bert.vocabulary(preset.path)
