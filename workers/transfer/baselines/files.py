"""The file of a baseline: a Keras network where it is linear, else what `bundled_model` reads."""

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras
import numpy as np

from workers.transfer.baselines.as_network import network_of, weights_of
from workers.transfer.baselines.as_onnx import onnx_of
from workers.transfer.baselines.bundled_model import FEATURES, LINEAR, TREES
from workers.transfer.baselines.choosing import Baseline
from workers.transfer.baselines.learners import Labels, Solved
from workers.transfer.baselines.trees import Trees
from workers.transfer.data import Array, Signature
from workers.transfer.networks.inputs.pictures import decode
from workers.transfer.networks.network import Network

_ZIP_TIME = (1980, 1, 1, 0, 0, 0)
_ROWS = 1024


def as_file(baseline: Baseline, signature: Signature) -> Network | dict[str, bytes]:
    """The baseline as a network of raw inputs, or the files that `bundled_model` reads, by name."""
    reading, has_trees = baseline.reading, _has_trees(baseline.solved)
    if reading.parts is not None and not has_trees:
        return network_of(reading.parts, baseline.features, baseline.solved, signature)
    assert reading.about is not None  # each reading has one or the other
    about = _by_key(reading.about(baseline.features), signature)
    files = {FEATURES: json.dumps(about, ensure_ascii=False, allow_nan=False).encode()}
    if has_trees:
        return {**files, TREES: onnx_of(baseline.solved)}
    return {**files, LINEAR: _arrays(baseline.solved)}


def write_zip(files: Mapping[str, bytes], path: Path) -> None:
    """The files in one, the same bytes for the same files."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, _ZIP_TIME), content, zipfile.ZIP_DEFLATED)


def read_zip(path: Path) -> dict[str, bytes]:
    """What `write_zip` wrote."""
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def _has_trees(solved: Solved) -> bool:
    if isinstance(solved, Labels):
        return any(isinstance(label.known, Trees) for label in solved.each)
    return isinstance(solved.known, Trees)


def _by_key(about: dict[str, Any], signature: Signature) -> dict[str, Any]:
    """Columns under the names that a model is given them by."""
    if about["kind"] != "table":
        return about
    columns = [{**one, "input": signature.keys.get(one["input"], one["input"])} for one in about["columns"]]
    return {**about, "columns": columns}


def _arrays(solved: Solved) -> bytes:
    weights = weights_of(solved)
    known: dict[str, Any] = {"kernel": weights.kernel, "bias": weights.bias, "link": np.array(weights.link)}
    if weights.spread is not None and weights.rest is not None:
        known |= {"spread": weights.spread, "rest": weights.rest}
    with io.BytesIO() as file:
        np.savez(file, allow_pickle=False, **known)
        return file.getvalue()


def ask(model: keras.Model, signature: Signature, inputs: Mapping[str, Array]) -> Array:
    """What a Keras model answers for raw inputs, as a program that loaded its file would ask it."""
    if signature.kind == "image":
        channels = int(model.inputs[0].shape[-1])
        pixels = [decode(value, channels).astype(np.float32)[np.newaxis] for value in inputs["image"]]
        asked = [{"image": one} for one in pixels]
    else:
        rows = len(next(iter(inputs.values())))
        blocks = [slice(at, at + _ROWS) for at in range(0, max(rows, 1), _ROWS)]
        keyed = {signature.keys[name]: values for name, values in inputs.items()}
        asked = [{key: _tensor(values[some]) for key, values in keyed.items()} for some in blocks]
    # A preset may have dropout, which is in force unless a call says otherwise.
    return np.concatenate([np.asarray(model(one, training=False)) for one in asked])


def _tensor(values: Array) -> Any:
    column = values.reshape(-1, 1)
    if column.dtype.kind == "O":
        return keras.ops.convert_to_tensor(column.tolist(), dtype="string")
    return keras.ops.convert_to_tensor(column)
