"""Which structures may a search try? Whether the network takes each value, and which are the largest."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from pydantic import ValidationError

from app.errors import ServiceError
from app.jobs.networks import Network
from app.jobs.recipes import StructureTransfer

MOST_VALUES = 64
"""Values of one option, since each is asked."""

MOST_SHAPES = 4096
"""Structures of different shape that a space may hold, since each one's size is looked at."""

_NO_MATTER_OF_SIZE = frozenset({"dropout", "activation", "weights"})
_SMALLER_IS_LARGER = frozenset({"pool_size"})


def validated(method: StructureTransfer, network: Network) -> StructureTransfer:
    """The method with the values of its space as the network's options take them.

    Raises:
        ServiceError: 422; an option that the network does not have, or a value that it would refuse.
    """
    if method.space is None:
        return method
    options = set(type(network).model_fields) - {"kind"}
    unknown = [name for name, values in method.space.items() if name not in options or not values]
    if unknown or not method.space:
        known = ", ".join(name for name in type(network).model_fields if name != "kind")
        message = (
            f"method.space: expected options of an `{network.kind}` with values: {known}. "
            f"Received: {unknown[0][:100] if unknown else 'none'}."
        )
        raise ServiceError(
            422, "option_unknown", message, hint="Correct the name, and give a list of values for it."
        )
    for name, values in method.space.items():
        if len(values) > MOST_VALUES:
            message = (
                f"method.space.{name}: expected at most {MOST_VALUES} values. Received: {len(values):,}."
            )
            raise ServiceError(422, "space_too_large", message, hint="List fewer values.")
    space = {
        name: [_taken(network, {name: value}, by_itself=True)[name] for value in values]
        for name, values in method.space.items()
    }
    together = [name for name in space if name in network.dependent]
    for chosen in product(*(space[name] for name in together)) if together else ():
        _taken(network, dict(zip(together, chosen, strict=True)), by_itself=False)
    return method.model_copy(update={"space": space})


def candidate_networks(network: Network, space: Mapping[str, Sequence[Any]]) -> Iterator[Network]:
    """The network with each value of the space in turn."""
    for name, values in space.items():
        for value in values:
            yield _changed(network, {name: value})


def largest_networks(network: Network, space: Mapping[str, Sequence[Any]] | None) -> list[Network]:
    """Structures of the space, none of whose others is larger than the largest of them.

    Without a space, those of the network's own. A number counts with its largest value, the size of a pooling
    with its smallest. Lists and words are combined, but for lists that another is larger than in each place.

    Raises:
        ServiceError: 422; there are too many to look at each.
    """
    space = network.searched if space is None else space
    matter = {
        name: _extremes(name, values) for name, values in space.items() if name not in _NO_MATTER_OF_SIZE
    }
    count = prod(len(values) for values in matter.values())
    if count > MOST_SHAPES:
        message = (
            f"method.space: expected at most {MOST_SHAPES:,} combinations of lists and words. "
            f"Received: {count:,}, of {', '.join(matter)}."
        )
        raise ServiceError(422, "space_too_large", message, hint="List fewer values.")
    return [_changed(network, dict(zip(matter, values, strict=True))) for values in product(*matter.values())]


def _changed(network: Network, options: Mapping[str, Any]) -> Network:
    """Without asking whether they fit: each was asked by itself."""
    changed: Network = network.model_copy(
        update={name: tuple(value) if name in _TUPLES and value else value for name, value in options.items()}
    )
    return changed


_TUPLES = frozenset({"image_size", "image_shape"})


def _taken(network: Network, options: dict[str, Any], *, by_itself: bool) -> dict[str, Any]:
    """The options as the network takes them, as JSON has them.

    `by_itself` an option need not go with the network's others: in the space it may have others beside it.
    """
    asked = json.dumps({**network.model_dump(mode="json"), **options})
    try:
        # Strictly, since the workers take the value as it is: "64" would be no number to them.
        taken: dict[str, Any] = type(network).model_validate_json(asked, strict=True).model_dump(mode="json")
    except ValidationError as error:
        about, name = error.errors()[0], next(iter(options))
        if by_itself and name in network.dependent and not about["loc"] and about["type"] == "value_error":
            return options
        expected = str(about["msg"]).removeprefix("Value error, expected ").removeprefix("Input should be ")
        received = ", ".join(json.dumps(value) for value in options.values())
        message = (
            f"method.space.{name}: expected values that `network.{name}` takes: {expected}. "
            f"Received: {received if len(received) <= 200 else f'{received[:200]}…'}."
        )
        hint = f"GET /v1/networks/{network.kind} says what the option takes."
        raise ServiceError(422, "space_does_not_fit", message, hint=hint) from None
    return taken


def _extremes(name: str, values: Sequence[Any]) -> list[Any]:
    numbers = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    lists = [value for value in values if isinstance(value, list | tuple)]
    others: list[Any] = list(
        dict.fromkeys(value for value in values if isinstance(value, str | bool) or value is None)
    )
    if numbers:
        others.append(min(numbers) if name in _SMALLER_IS_LARGER else max(numbers))
    unique = list(dict.fromkeys(map(tuple, lists)))
    kept = [one for one in unique if not any(_exceeds(other, one) for other in unique)]
    return [*others, *map(list, kept)]


def _exceeds(other: Sequence[int], one: Sequence[int]) -> bool:
    return (
        len(other) == len(one)
        and other != one
        and all(larger >= smaller for larger, smaller in zip(other, one, strict=True))
    )
