"""Build, save and load a network: preprocessing, backbone and head in one Keras model of raw inputs."""

import hashlib
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from inspect import signature as signature_of
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np

from workers.transfer import tasks
from workers.transfer.data import LAYERS, Array, Data, Signature
from workers.transfer.networks import inputs, spans, translation
from workers.transfer.networks.input_spec import InputSpec
from workers.transfer.networks.inputs.checks import checked

Part = Literal["preprocessing", "backbone", "head"]
BackboneOf = Callable[[Mapping[str, Any], InputSpec, int], keras.Model]
PARTS: tuple[Part, ...] = LAYERS


@dataclass(frozen=True, eq=False)
class Network:
    """One Keras model from a dict of raw inputs to predictions, made of three named parts.

    Inputs are those of `data.Rows.inputs` by the signature's `keys`, each (n,) or (n, 1); other keys are
    passed over. Images are arrays (n, height, width, channels) of pixels 0 to 255. Predictions are
    probabilities, (n, 1) of the positive class or (n, k), or values in the label's unit (n, 1); of spans
    where they begin and end, and their scores, (n, 3).
    """

    model: keras.Model
    signature: Signature
    options: Mapping[str, Any]
    is_backbone_alone: bool = False
    """Whether the head was drawn and never trained, as that of a pretrained backbone."""
    words: tuple[str, ...] = ()
    """What the ids of a sequence mean that it answers with; the model goes from ids to probabilities then."""

    def part(self, name: Part) -> keras.Model:
        """One of the three parts, a Keras model of its own."""
        return self.model.get_layer(name)

    @property
    def preprocessing(self) -> keras.Model:
        """Raw columns to features (n, d)."""
        return self.part("preprocessing")

    @property
    def backbone(self) -> keras.Model:
        """Features to representation (n, h)."""
        return self.part("backbone")

    @property
    def head(self) -> keras.Model:
        """Representation to predictions."""
        return self.part("head")

    def save(self, path: Path) -> None:
        """Write the `.keras` file; `path` must end so. Of sequences it is the model that answers texts."""
        with warnings.catch_warnings():
            # Keras 3.15 hands its variables to np.array, whose `copy` argument they do not know.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            self.as_file().save(path)

    def as_file(self) -> keras.Model:
        """The model that users get: from raw inputs to predictions, or to texts where these are answered."""
        if not self.words:
            return self.model
        (key,) = self.signature.keys.values()
        length = int(self.options["target_length"])
        return translation.unrolled(key, self.preprocessing, self.backbone, self.head, self.words, length)


def in_sequence(backbone: keras.Model) -> bool:
    """Whether its layers follow one another; else it branches, or is nested."""
    return isinstance(backbone, keras.Sequential)


def leaves(part: keras.Model) -> list[tuple[str, keras.layers.Layer]]:
    """The layers of a part but its inputs, with their paths; those of a nested model as `model/layer`."""
    found: list[tuple[str, keras.layers.Layer]] = []
    for layer in part.layers:
        if isinstance(layer, keras.Model):
            found += [(f"{layer.name}/{path}", leaf) for path, leaf in leaves(layer)]
        elif not isinstance(layer, keras.layers.InputLayer):
            found.append((layer.name, layer))
    return found


def clone(part: keras.Model) -> keras.Model:
    """A copy with layers of its own, and the same values."""
    copy = part.__class__.from_config(part.get_config())
    copy.set_weights(part.get_weights())
    return copy


def structure_of(model: keras.Model) -> Any:
    """The model's config with its layers called by number: equal for equal models.

    Keras counts operations without a name on through the life of a process, and says of a model that was
    loaded how it was built.
    """
    config = model.get_config()
    numbers: dict[str, str] = {}
    _number_names(config, numbers)
    return _renamed(config, numbers)


def function_of(model: keras.Model) -> Any:
    """Its structure without what its variables hold once it is built: how weights were drawn, and seeds."""
    return _without_draws(structure_of(model))


def _without_draws(config: Any) -> Any:
    if isinstance(config, dict):
        kept = {
            key: value
            for key, value in config.items()
            if key != "seed" and not str(key).endswith("_initializer")
        }
        return {key: _without_draws(value) for key, value in kept.items()}
    return [_without_draws(value) for value in config] if isinstance(config, list) else config


def _number_names(config: Any, numbers: dict[str, str]) -> None:
    if isinstance(config, dict):
        for layer in config.get("layers", []) if isinstance(config.get("layers"), list) else []:
            name = layer["config"].get("name") or layer.get("name")
            numbers.setdefault(str(name), f"layer {len(numbers)}")
        for value in config.values():
            _number_names(value, numbers)
    elif isinstance(config, list | tuple):
        for value in config:
            _number_names(value, numbers)


def _renamed(config: Any, numbers: Mapping[str, str]) -> Any:
    if isinstance(config, dict):
        left_out = ("vocabulary", "build_config", "registered_name", "vocabulary_size")
        return {key: _renamed(value, numbers) for key, value in config.items() if key not in left_out}
    if isinstance(config, list | tuple):
        return [_renamed(value, numbers) for value in config]
    return numbers.get(config, config) if isinstance(config, str) else config


def build(options: Mapping[str, Any], data: Data, seed: int) -> Network:
    """A new network for the data: preprocessing learnt from its train rows, initial weights from `seed`.

    Raises:
        ValueError: an unknown kind, or options that do not fit the columns.
    """
    return build_after(new_preprocessing(options, data), options, data, seed)


def new_preprocessing(options: Mapping[str, Any], data: Data) -> keras.Model:
    """The preprocessing part, learnt from the train rows."""
    module = inputs.module_of(data.signature)
    part: keras.Model = module.first(data.signature.columns, data.train.inputs, options)
    return part


def unread(network: Network, raw: Mapping[str, Array]) -> dict[str, float]:
    """Shares of rows of raw inputs that the network does not read, see `inputs`."""
    left: dict[str, float] = inputs.module_of(network.signature).unread(network.preprocessing, raw)
    return left


def build_after(
    first: keras.Model,
    options: Mapping[str, Any],
    data: Data,
    seed: int,
    backbone_of: BackboneOf | None = None,
    words: tuple[str, ...] | None = None,
) -> Network:
    """As `build`, with a given preprocessing part; `backbone_of` takes the place of `new_backbone`.

    Of sequences `words` may be given, too, which else are learnt from the train rows.
    """
    module = inputs.module_of(data.signature)
    options = {**options, **module.settled(first)}
    if data.signature.task == "seq2seq":
        words = module.words(data.train.targets, options) if words is None else words
        options["target_length"] = module.answer_length(words, data.train.targets)
    words = words or ()
    input_spec = InputSpec(tuple(first.output_shape[1:]), module.tokens(first), len(words))
    if data.signature.task == "span":
        shape = (options["context_length"],)
        input_spec = InputSpec(shape, module.tokens(first), question_length=options["question_length"])
    backbone = (backbone_of or new_backbone)(options, input_spec, seed)
    unit = tasks.label_unit(options, data)
    head = tasks.head(data.signature, backbone.output_shape[-1], seed, unit, len(words))
    return join(first, backbone, head, data.signature, options, words)


def new_backbone(options: Mapping[str, Any], input_spec: InputSpec, seed: int) -> keras.Model:
    """The backbone `backbones/<kind>.py:<kind>` with those of the options that are its keywords."""
    kind = str(options["kind"])
    name = f"workers.transfer.networks.backbones.{kind}"
    if not kind.isidentifier() or find_spec(name) is None:
        raise ValueError(f"Expected a kind of network. Received: {kind!r}. Use, for example, 'mlp'.")
    function = getattr(import_module(name), kind)
    keywords = [
        item.name for item in signature_of(function).parameters.values() if item.kind == item.KEYWORD_ONLY
    ]
    backbone: keras.Model = function(
        input_spec, seed, **{key: options[key] for key in keywords if key in options}
    )
    return backbone


def join(
    first: keras.Model,
    backbone: keras.Model,
    head: keras.Model,
    signature: Signature,
    options: Mapping[str, Any],
    words: tuple[str, ...] = (),
) -> Network:
    """Three parts to one network; the parts are shared, not copied. `words` are those of `Network`."""
    if words:
        (key,) = signature.keys.values()
        model = translation.model_of(key, first, backbone, head)
        return Network(model, signature, dict(options), words=words)
    if signature.task == "span":
        names = [column.name for column in signature.columns]
        places = names.index("question"), names.index("context")
        keys = tuple(signature.keys.values())
        model = spans.model_of(keys, places, first, backbone, head, options)
        return Network(model, signature, dict(options))
    # A list, which Keras looks up by name in a dict that it is called with: in one made of a dict it goes by
    # place, so that a key more would shift all that follow.
    raw = [
        keras.Input(tensor.shape[1:], name=key, dtype=tensor.dtype)
        for key, tensor in zip(signature.keys.values(), first.inputs, strict=True)
    ]
    x = first(raw if signature.kind == "tabular" else raw[0])
    types = [column.type for column in signature.columns]
    model = keras.Model(raw, checked(types, raw, head(backbone(x))), name="network")
    return Network(model, signature, dict(options))


def load(path: Path, signature: Signature, options: Mapping[str, Any]) -> Network:
    """The network that `Network.save` wrote; Keras' safe mode stays on."""
    model = keras.saving.load_model(path, compile=False)
    if signature.task == "seq2seq":
        first, backbone, head, words = translation.parts_of(model)
        return join(first, backbone, head, signature, options, words)
    return Network(model, signature, dict(options))


def weights_digest(network: Network) -> str:
    """sha256 over all weights in order, with names, shapes and types: same weights, same digest.

    A `.keras` file's own bytes hold the time of writing.
    """
    digest = hashlib.sha256()
    for weight in network.model.weights:
        values = np.ascontiguousarray(weight.numpy())
        digest.update(f"{weight.name} {values.shape} {values.dtype.str}\n".encode())
        digest.update(values.tobytes())
    return digest.hexdigest()
