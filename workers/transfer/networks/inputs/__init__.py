"""Raw inputs to tensors: one file a kind of data, each with the same functions.

- `first(columns, train, options)`: the preprocessing part, its state learnt from the train rows.
- `blocks(part, inputs)`: what the part makes of rows, some at a time, in a compact type.
- `settled(part)`: the options that were left to the data, as the part has them.
- `unread(part, inputs)`: the shares of rows that it leaves out, such as what is beyond its length.
- `carried(source, data)`: the source's part on the target's rows, see `schema_map`.

A kind is the name of its file and of its one input; `tabular` data has many.
"""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType
from typing import Any

from workers.transfer.data import Signature

_GEOMETRY = ("image_size", "channels", "length", "split")


def geometry(options: Mapping[str, Any]) -> dict[str, Any]:
    """Of a built network's options, those that were left to the data and now are settled."""
    return {name: options[name] for name in _GEOMETRY if options.get(name) is not None}


def module_of(signature: Signature) -> ModuleType:
    """The file of the signature's kind of data."""
    return import_module(f"workers.transfer.networks.inputs.{signature.kind}")
