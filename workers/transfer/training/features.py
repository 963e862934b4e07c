"""What the frozen parts of a network make of rows: computed once, kept in files that are mapped into memory.

A file's name is the hash of what went into it: the parts' layers, weights and vocabularies, the rows, the
versions. So every later training, arm, trial and job finds it, and none finds another's.
"""

import fcntl
import hashlib
import json
import logging
import os
import uuid
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from workers.transfer.data import Array
from workers.transfer.networks.forwarding import forward
from workers.transfer.networks.inputs import module_of
from workers.transfer.networks.network import Network, Part, function_of
from workers.transfer.training.feature_uses import Computed, FeatureUses

log = logging.getLogger(__name__)

_DIGESTS: dict[int, tuple[weakref.ref[Array], str]] = {}
_STRUCTURES: "weakref.WeakKeyDictionary[keras.Model, bytes]" = weakref.WeakKeyDictionary()
_UNCHANGING: "weakref.WeakKeyDictionary[keras.Model, bytes]" = weakref.WeakKeyDictionary()


@dataclass(frozen=True)
class FeatureStore:
    """A folder of arrays, of which the longest unused go when there are more than `max_bytes`.

    Behind each array its file says what computing it took; `uses` are told of all that is read and computed.
    `of` says whose arrays they are: who has another one finds none of them.
    """

    folder: Path
    max_bytes: int
    uses: FeatureUses = field(default_factory=FeatureUses, compare=False)
    of: str = ""

    def told_to(self, uses: FeatureUses) -> "FeatureStore":
        """The same store for one training, whose uses are noted apart."""
        return FeatureStore(self.folder, self.max_bytes, uses, self.of)

    def load(self, key: str) -> Array | None:
        """The array kept under the key, mapped into memory."""
        path = self._path(key)
        try:
            os.utime(path)
            kept: np.memmap[Any, Any] = np.load(path, mmap_mode="r", allow_pickle=False)
        except (OSError, ValueError):
            return None
        computed = _read_computed(path, kept)
        if computed is not None:
            self.uses.note(key, computed)
        return kept

    def save(self, key: str, rows: int, blocks: Iterable[Array], made_of: Sequence[str] = ()) -> Array:
        """Write the blocks one by one, so that they never are in memory together; the whole, mapped.

        `made_of` are keys of arrays that the blocks are computed from.
        """
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path, part = self._path(key), self.folder / f"{uuid.uuid4().hex}.part"
        try:
            with part.open("xb") as held:
                with suppress(OSError):  # not every file system knows locks
                    fcntl.flock(held, fcntl.LOCK_SH)  # until it is closed, or the process is gone
                seconds = self.uses.measured(lambda: self._write(part, rows, blocks))
                of = {of: self.uses.needed[of] for of in made_of if of in self.uses.needed}
                computed = Computed(self.uses.owner, rows, seconds, of)
                held.seek(0, os.SEEK_END)
                held.write(json.dumps(computed.to_dict()).encode())
                held.flush()
                os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)
        self.uses.note(key, computed)
        self._make_room(path)
        kept: Array = np.load(path, mmap_mode="r", allow_pickle=False)
        return kept

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(f"{self.of} {key}".encode()).hexdigest() if self.of else key
        return self.folder / f"{name}.npy"

    @staticmethod
    def _write(path: Path, rows: int, blocks: Iterable[Array]) -> None:
        whole: Any = None
        start = 0
        for block in blocks:
            if whole is None:
                shape = (rows, *block.shape[1:])
                whole = np.lib.format.open_memmap(path, "w+", dtype=block.dtype, shape=shape)
            whole[start : start + len(block)] = block
            start += len(block)
        whole.flush()

    def _make_room(self, newest: Path) -> None:
        """Delete by last use. What is mapped by another process stays until it lets go."""
        for part in self.folder.glob("*.part"):
            _delete_if_left(part)
        files = []
        for path in self.folder.glob("*.npy"):
            try:
                about = path.stat()
            except OSError:
                continue
            files.append((path == newest, about.st_mtime, about.st_size, path))
        total = sum(size for _, _, size, _ in files)
        for is_newest, _, size, path in sorted(files, key=lambda file: file[:2]):
            if total <= self.max_bytes or is_newest:
                return
            path.unlink(missing_ok=True)
            total -= size


def _read_computed(path: Path, kept: "np.memmap[Any, Any]") -> Computed | None:
    """What stands behind the array."""
    with suppress(OSError, ValueError, KeyError, TypeError), path.open("rb") as file:
        file.seek(kept.offset + kept.nbytes)
        return Computed.from_dict(json.loads(file.read()))
    return None


def _delete_if_left(part: Path) -> None:
    """Delete a file that a process left unfinished when it was killed."""
    try:
        with part.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            part.unlink()
    except OSError:  # another writes it, or has just moved it
        return


def stopwatch(store: FeatureStore | None) -> Callable[[], float]:
    """Tells the CPU seconds from now on, less those of features that the store is told of: see its `uses`."""
    return (FeatureUses() if store is None else store.uses).stopwatch()


def outputs(
    network: Network,
    parts: Sequence[Part],
    inputs: Mapping[str, Array],
    store: FeatureStore | None = None,
) -> Array:
    """What the parts, from the preprocessing on, make of rows of raw inputs, in inference mode.

    Pixels and token ids come in a compact type. With a store, what is worth keeping is looked up and kept.
    """
    columns = [inputs[column.name] for column in network.signature.columns]
    rows = len(columns[0])
    if store is None or (network.signature.kind == "tabular" and len(parts) == 1) or not rows:
        return _computed(network, parts, columns, store)
    key = _key(network, parts, columns)
    known = store.load(key)
    if known is not None and len(known) == rows:
        return known
    first = [_key(network, parts[:1], columns)] if _keeps_first(network, parts) else []
    try:
        return store.save(key, rows, _blocks(network, parts, columns, store), made_of=first)
    except OSError as error:  # such as a full disk: a cache may fail, a training need not
        log.warning("features could not be kept in %s, they are held in memory: %s", store.folder, error)
        return _computed(network, parts, columns, None)


def predict(
    network: Network,
    inputs: Mapping[str, Array],
    store: FeatureStore | None = None,
    *,
    frozen_backbone: bool = False,
) -> Array:
    """The network's predictions for rows of raw inputs. A frozen backbone's outputs are kept in the store."""
    if network.signature.kind == "tabular" and not (store and frozen_backbone):
        return forward(network.model, {key: inputs[name] for name, key in network.signature.keys.items()})
    if frozen_backbone:
        return forward(network.head, outputs(network, ["preprocessing", "backbone"], inputs, store))
    x = outputs(network, ["preprocessing"], inputs, store)
    return forward(network.head, forward(network.backbone, x))


def _computed(
    network: Network, parts: Sequence[Part], columns: Sequence[Array], store: FeatureStore | None
) -> Array:
    return np.concatenate(list(_blocks(network, parts, columns, store)))


def _blocks(
    network: Network, parts: Sequence[Part], columns: Sequence[Array], store: FeatureStore | None
) -> Iterator[Array]:
    module = module_of(network.signature)
    if store is not None and _keeps_first(network, parts):
        # What the preprocessing makes is of use to trainings that are not frozen too.
        named = dict(zip((column.name for column in network.signature.columns), columns, strict=True))
        whole = outputs(network, parts[:1], named, store)
        first: Iterable[Array] = (whole[start : start + 1024] for start in range(0, len(whole), 1024))
    else:
        first = module.blocks(network.part(parts[0]), columns)
    for block in first:
        for part in parts[1:]:
            block = forward(network.part(part), np.ascontiguousarray(block))
        yield block


def _keeps_first(network: Network, parts: Sequence[Part]) -> bool:
    """Whether what the first part makes is kept beside the whole."""
    return len(parts) > 1 and network.signature.kind != "tabular"


def _key(network: Network, parts: Sequence[Part], columns: Sequence[Array]) -> str:
    digest = hashlib.sha256(f"{keras.__version__} {tf.__version__} {network.signature.kind}".encode())
    for part in parts:
        digest.update(_model_digest(network.part(part)))
    for column, described in zip(columns, network.signature.columns, strict=True):
        digest.update(f"{described.name} {described.type} {_digest(column)}".encode())
    return digest.hexdigest()


def mark_unchanging(model: keras.Model) -> None:
    """From now on nobody changes the model's weights: they are hashed once."""
    _UNCHANGING[model] = _model_digest(model)


def _model_digest(model: keras.Model) -> bytes:
    known = _UNCHANGING.get(model)
    if known is not None:
        return known
    digest = hashlib.sha256()
    if model not in _STRUCTURES:  # a model that is built keeps its layers
        about = function_of(model)
        _STRUCTURES[model] = json.dumps(about, sort_keys=True, default=str).encode()
    digest.update(_STRUCTURES[model])
    for layer in model._flatten_layers():
        if hasattr(layer, "get_vocabulary"):
            digest.update("\0".join(map(str, layer.get_vocabulary())).encode())
    for weight in model.weights:
        digest.update(np.ascontiguousarray(weight.numpy()).tobytes())
    return digest.digest()


def _digest(values: Array) -> str:
    """Of an array's contents, looked up for one that was asked about before."""
    known = _DIGESTS.get(id(values))
    if known is not None and known[0]() is values:
        return known[1]
    digest = hashlib.blake2b(f"{values.shape} {values.dtype.str}".encode(), digest_size=32)
    if values.dtype == object:
        for value in values:
            data = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
    else:
        digest.update(np.ascontiguousarray(values).tobytes())
    place = id(values)
    _DIGESTS[place] = (weakref.ref(values, lambda _: _DIGESTS.pop(place, None)), digest.hexdigest())
    return digest.hexdigest()
