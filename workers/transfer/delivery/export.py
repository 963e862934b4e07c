"""Files a user takes away: the `.keras` model and the bundle around it, each reloaded and compared."""

import hashlib
import json
import platform
import tempfile
import warnings
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.transfer import arrays
from workers.transfer.data import Array, Signature
from workers.transfer.delivery import bundled_predict, bundled_saved_model
from workers.transfer.delivery.card import MISSING, Levels, model_card, written
from workers.transfer.networks.inputs import module_of, pictures
from workers.transfer.networks.network import Network, load, weights_digest
from workers.transfer.tasks import OF_TEXTS
from workers.transfer.training.features import predict

TOLERANCE = 1e-6
"""Largest difference between a file's predictions and the network's, relative as `_scale` says."""

_WEIGHTS = "model.weights.h5"
_ZIP_TIME = (1980, 1, 1, 0, 0, 0)


class ExportDiffers(Exception):
    """A written file does not hold or predict what the network does."""


def write_keras(network: Network, path: Path) -> None:
    """The whole network as one `.keras` file that plain Keras loads in its safe mode."""
    network.save(path)


@dataclass(frozen=True)
class Reader:
    """How the rows that a bundle's program predicts are read.

    files: the program's parts by their paths in the bundle, `reading/…`.
    rules: what was settled of how cells are read, as plain JSON values that these parts understand.
    versions: the packages that these parts import, with their versions.
    """

    files: Mapping[str, bytes]
    rules: Mapping[str, Any]
    versions: Mapping[str, str]


def write_bundle(
    network: Network, path: Path, card: Mapping[str, Any], reader: Reader, model: Path | None = None
) -> None:
    """A zip of the model, a model card, a program to predict with, and what is known about the model.

    `model` is the `.keras` file, if it is written already.

    `card` may hold `name`, `method`, `source`, `dataset`, `metrics`, `gain`, `verdict`, `reason`,
    `receipt`, `lineage`, `seed`, `temperature`: plain JSON values, each left out of the card if absent.
    """
    files = {"model.keras": model.read_bytes() if model else _keras_bytes(network)}
    files["to_saved_model.py"] = Path(bundled_saved_model.__file__).read_bytes()
    if network.signature.kind == "image":
        files["pictures.py"] = Path(pictures.__file__).read_bytes()
    levels, signature = _levels(network, reader.rules), network.signature
    told = model_card(signature, versions(), card, _channels(network), levels)
    about = describe(network, levels, card.get("temperature"))
    _write(path, card, reader, files, versions(), told, about)


def write_bundle_of_files(
    signature: Signature,
    path: Path,
    card: Mapping[str, Any],
    reader: Reader,
    files: Mapping[str, bytes],
    packages: Mapping[str, str],
) -> None:
    """The same around a model that is no network but these files, which need these packages.

    One of them is `baseline.py` with a `Baseline(folder)` to predict with.
    """
    made_with = {"python": platform.python_version(), **packages}
    told = model_card(signature, made_with, card, is_network=False)
    _write(path, card, reader, files, made_with, told, _described(signature, None, card.get("temperature")))


def _write(
    path: Path,
    card: Mapping[str, Any],
    reader: Reader,
    files: Mapping[str, bytes],
    packages: Mapping[str, str],
    told: str,
    about: Mapping[str, Any],
) -> None:
    with zipfile.ZipFile(path, "w") as bundle:
        for name, content in files.items():
            _add(bundle, name, content)
        _add(bundle, "README.md", told.encode())
        _add(bundle, "signature.json", _json({**about, "reading": reader.rules}))
        for part in ("metrics", "receipt", "lineage"):
            _add(bundle, f"{part}.json", _json(card.get(part, {})))
        needed = {**packages, **reader.versions}
        lines = [f"{name}=={version}\n" for name, version in needed.items() if name != "python"]
        _add(bundle, "requirements.txt", "".join(lines).encode())
        _add(bundle, "predict.py", Path(bundled_predict.__file__).read_bytes())
        _add(bundle, "arrays.py", Path(arrays.__file__).read_bytes())
        for name, content in reader.files.items():
            _add(bundle, name, content)


class Loaded:
    """The network of the last file that was loaded, for the next file that differs from it in weights alone.

    To make layers from a config takes longer than to read the weights of a small pretrained network. One of
    more than `max_bytes` is not kept.
    """

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._kept: tuple[str, Network] | None = None

    def load(self, path: Path, network: Network) -> Network:
        """The network in the file, which is to be like this one; its weights change with the next call."""
        about = _but_weights(path)
        if self._kept is not None and self._kept[0] == about:
            loaded = self._kept[1]
            for weight in loaded.model.weights:  # none may stay as it was, whatever the file holds
                weight.assign(np.zeros(weight.shape, weight.dtype))
            # Read within the zip they take twice as long. Keras warns of lists of layers that hold nothing
            # of their own; a weight that is missing shows, since it is zero.
            with (
                tempfile.TemporaryDirectory() as folder,
                zipfile.ZipFile(path) as file,
                warnings.catch_warnings(action="ignore", category=UserWarning),
            ):
                loaded.model.load_weights(file.extract(_WEIGHTS, folder))
            return loaded
        self._kept = None  # goes before the next is made
        loaded = load(path, network.signature, network.options)
        if sum(weight.numpy().nbytes for weight in loaded.model.weights) <= self._max_bytes:
            self._kept = about, loaded
        return loaded


def _but_weights(path: Path) -> str:
    """sha256 of all that a `.keras` file holds but the weights and the time of writing."""
    digest = hashlib.sha256()
    with zipfile.ZipFile(path) as file:
        for name in sorted(set(file.namelist()) - {_WEIGHTS, "metadata.json"}):
            content = file.read(name)
            digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()


def verify(
    path: Path,
    network: Network,
    digest: str,
    rows: Mapping[str, Array],
    expected: Array,
    before: Loaded | None = None,
) -> float:
    """Load the file again, compare its weights, predict the rows; the largest difference to `expected`.

    `digest` is that of the network's weights. A difference counts relative to the expected value where that
    exceeds 1; of a regression relative to the range of the values, or to eight steps of rounding. `before`
    may hold a network that is like the file's.

    Raises:
        ExportDiffers: a weight is another, or the difference is above `TOLERANCE`.
    """
    if network.signature.task in OF_TEXTS:
        return _verify_texts(path, network, digest, rows, expected)
    loaded = (before or Loaded(0)).load(path, network)
    return compare(loaded, path.name, digest, predict(loaded, rows), expected)


def compare(
    loaded: Network,
    name: str,
    digest: str | None,
    predicted: Array,
    expected: Array,
    tolerance: float = TOLERANCE,
) -> float:
    """Compare the weights of a network that was loaded, where their digest is given, and its predictions.

    Raises:
        ExportDiffers: see `verify`.
    """
    if digest is not None and (received := weights_digest(loaded)) != digest:
        raise ExportDiffers(
            f"Expected {name} to hold the weights that were trained, {digest[:12]}. Received: others, "
            f"{received[:12]}. Export again; if it persists, report it with the model."
        )
    return check(loaded.signature, name, predicted, expected, tolerance)


def _verify_texts(
    path: Path, network: Network, digest: str, rows: Mapping[str, Array], expected: Array
) -> float:
    """The file itself answers raw strings, and they are compared with what was measured."""
    loaded = load(path, network.signature, network.options)
    if network.signature.task == "span":
        answered = module_of(network.signature).answered_by_file(loaded, rows)
        return compare(loaded, path.name, digest, answered, expected)
    model = keras.saving.load_model(path, compile=False)
    (values,) = rows.values()
    raw = keras.ops.convert_to_tensor(values.reshape(-1, 1).tolist(), dtype="string")
    answers = [one.decode() for one in np.asarray(model(raw)).reshape(-1).tolist()]
    return compare(loaded, path.name, digest, np.array(answers, dtype=object), expected)


def check(
    signature: Signature, name: str, predicted: Array, expected: Array, tolerance: float = TOLERANCE
) -> float:
    """The largest difference between what a file predicts and what was measured.

    Raises:
        ExportDiffers: it is above the tolerance.
    """
    if signature.task in OF_TEXTS:
        difference = float(np.mean([one != other for one, other in zip(predicted, expected, strict=True)]))
        tolerance = 0.0
    else:
        counted = np.abs(predicted - expected) / _scale(signature, expected, tolerance)
        difference = float(np.max(counted, initial=0.0))
    if not difference <= tolerance:
        raise ExportDiffers(
            f"Expected {name} to predict what was measured, to {tolerance}. Received: a difference of "
            f"{difference}. Export again; if it persists, report it with the model."
        )
    return difference


def _scale(signature: Signature, expected: Array, tolerance: float) -> Array:
    """What a difference from each expected value is measured in."""
    if signature.task != "regression":
        return np.maximum(1, np.abs(expected))
    rounding = 8 * float(np.finfo(expected.dtype).eps) / tolerance
    scale = np.maximum(np.ptp(expected) if expected.size else 0.0, rounding * np.abs(expected))
    return np.where(scale > 0, scale, 1.0)


def describe(
    network: Network, levels: Levels | None = None, temperature: float | None = None
) -> dict[str, Any]:
    """signature.json: inputs with Keras' key, type and how they are written; outputs with classes.

    temperature: by which logits are divided to calibrate the probabilities; None where none was fitted.
    """
    described = _described(network.signature, levels, temperature)
    if network.signature.kind == "image":
        described["inputs"][0]["channels"] = _channels(network)
    return described


def _described(signature: Signature, levels: Levels | None, temperature: float | None) -> dict[str, Any]:
    inputs: list[dict[str, Any]] = [
        {
            "name": column.name,
            "key": signature.keys[column.name],
            "type": column.type,
            "written": written(column, levels),
            "missing": MISSING[column.type],
        }
        for column in signature.columns
    ]
    meaning = {
        "binary": "probability of the second class, shape (n, 1)",
        "multiclass": "probability of each class, shape (n, classes)",
        "multilabel": "probability of each label, shape (n, labels)",
        "regression": "value in the label's unit, shape (n, 1)",
        "seq2seq": "text, shape (n, 1)",
        "span": "begin and end of the answer in its context, in code points, and its score, shape (n, 3)",
    }[signature.task]
    output = {"label": signature.label, "task": signature.task, "classes": list(signature.classes)}
    return {"inputs": inputs, "output": {**output, "meaning": meaning, "temperature": temperature}}


def versions() -> dict[str, str]:
    """The exact versions the model was made with; the key `python` is no package."""
    return {
        "python": platform.python_version(),
        "keras": keras.__version__,
        "tensorflow": tf.__version__,
        "numpy": np.__version__,
    }


def _keras_bytes(network: Network) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        write_keras(network, path)
        return path.read_bytes()


def _channels(network: Network) -> int:
    return int(network.model.inputs[0].shape[-1])


def _levels(network: Network, rules: Mapping[str, Any]) -> Levels | None:
    """What became black and white of images with 16 bits, if the rules of reading say so."""
    column = network.signature.columns[0]
    exception = rules.get("exceptions", {}).get(column.name) or {}
    if column.type != "image" or not exception.get("levels"):
        return None
    low, high = exception["levels"]
    return int(low), int(high)


def _json(values: Any) -> bytes:
    return (json.dumps(values, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _add(bundle: zipfile.ZipFile, name: str, content: bytes) -> None:
    about = zipfile.ZipInfo(name, _ZIP_TIME)
    about.external_attr = 0o644 << 16
    kind = zipfile.ZIP_STORED if name.endswith(".keras") else zipfile.ZIP_DEFLATED
    bundle.writestr(about, content, compress_type=kind)
