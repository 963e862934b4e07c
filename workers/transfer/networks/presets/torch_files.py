"""The tensors of PyTorch's legacy `.pth` file, without PyTorch and without running anything that is in it.

The format: five pickles (magic number, protocol, system, the state dict, the storages' keys), then each
storage as its number of elements (int64) and its elements.
"""

import collections
import pickle
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from workers.transfer.data import Array

_MAGIC = 0x1950A86A20F9469CFC6C
_TYPES = {"FloatStorage": "<f4", "LongStorage": "<i8", "DoubleStorage": "<f8", "HalfStorage": "<f2"}


class _Tensor(NamedTuple):
    """Where a tensor lies in its storage, counted in elements."""

    storage: str
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows the few names that a state dict needs, and refuses every other."""

    def __init__(self, file: Any) -> None:
        super().__init__(file)
        self.types: dict[str, str] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return collections.OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _TYPES:
            return name
        raise pickle.UnpicklingError(
            f"Expected a state dict of tensors. Received: one that asks for {module}.{name}. "
            "Use a file with only weights."
        )

    def persistent_load(self, pid: Any) -> str:
        _, kind, key, *_ = pid
        self.types[str(key)] = _TYPES[str(kind)]
        return str(key)


def _tensor(storage: str, offset: int, shape: Any, strides: Any, *_: Any) -> _Tensor:
    return _Tensor(storage, int(offset), tuple(shape), tuple(strides))


def read_tensors(path: Path) -> Mapping[str, Array]:
    """Name to array. Tensors need not lie in order: their strides are honoured.

    Raises:
        ValueError: the file is no legacy state dict, or is cut off.
        pickle.UnpicklingError: it asks for anything but tensors.
    """
    with path.open("rb") as file:
        if _Unpickler(file).load() != _MAGIC:
            raise ValueError(f"Expected a legacy .pth file. Received: {path.name}, which is none.")
        _Unpickler(file).load()
        _Unpickler(file).load()
        reader = _Unpickler(file)
        tensors, keys = reader.load(), _Unpickler(file).load()
        storages = {}
        for key in keys:
            (count,) = struct.unpack("<q", file.read(8))
            data = np.dtype(reader.types[key])
            storages[key] = np.frombuffer(file.read(count * data.itemsize), data)
            if len(storages[key]) != count:
                raise ValueError(f"Expected a complete file. Received: {path.name}, which is cut off.")
    return {name: _array(storages[one.storage], one) for name, one in tensors.items()}


def _array(storage: Array, tensor: _Tensor) -> Array:
    last = tensor.offset + sum((n - 1) * s for n, s in zip(tensor.shape, tensor.strides, strict=True))
    if min(tensor.shape, default=1) < 1 or tensor.offset < 0 or last >= len(storage):
        raise ValueError(f"Expected tensors inside their storage. Received: {tensor}.")
    bytes_apart = tuple(stride * storage.itemsize for stride in tensor.strides)
    view = np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.shape, bytes_apart)
    return np.ascontiguousarray(view)
