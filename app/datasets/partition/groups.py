"""Which groups stay together, since they share equal rows?"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from app.datasets.partition.keys import Keys

MOST = 1 / 3
"""Of the rows: more than so many in one group, joined of others, would leave too few for the other parts."""


@dataclass(frozen=True, eq=False)
class Joined:
    """The group of each row, (n,), the smallest key of those that were joined.

    `groups` tells how many share rows with another, `kept_apart` whether too many rows would have been
    joined, so that none were.
    """

    of_rows: Keys
    groups: int
    kept_apart: bool


def join(groups: Keys, units: Keys) -> Joined:
    """Groups that share a unit become one, unless one of more than `MOST` of the rows would come of it.

    Args:
        groups: the key of each row's group, (n,).
        units: what is equal for equal rows: keys or clusters, (n,).
    """
    joined, count = hang_together(groups, units)
    if not count:
        return Joined(groups, 0, False)
    largest, before = (int(np.unique(of, return_counts=True)[1].max()) for of in (joined, groups))
    if largest > max(MOST * len(groups), before):
        return Joined(groups, count, True)
    return Joined(joined, count, False)


def hang_together(groups: Keys, units: Keys) -> tuple[Keys, int]:
    """Groups that share a unit as one, however many rows that has, and how many groups share one."""
    pairs = _sharing(groups, units)
    if not len(pairs):
        return groups, 0
    names, places = np.unique(pairs, return_inverse=True)
    roots = names[_roots(len(names), places.reshape(-1, 2).tolist())]
    found = np.searchsorted(names, groups).clip(max=len(names) - 1)
    return np.where(names[found] == groups, roots[found], groups), len(names)


def _sharing(groups: Keys, units: Keys) -> Keys:
    """Pairs of groups that share a unit, (m, 2), such that all that share one hang together."""
    order = np.lexsort((groups, units))
    groups, units = groups[order], units[order]
    meet = (units[1:] == units[:-1]) & (groups[1:] != groups[:-1])
    pairs: Keys = np.unique(np.stack([groups[:-1][meet], groups[1:][meet]], axis=1), axis=0)
    return pairs


def _roots(count: int, pairs: list[list[int]]) -> list[int]:
    """The smallest place that each place hangs together with (a union of disjoint sets, paths halved)."""
    above = list(range(count))

    def root(place: int) -> int:
        while above[place] != place:
            above[place] = above[above[place]]
            place = above[place]
        return place

    for one, other in pairs:
        a, b = root(one), root(other)
        above[max(a, b)] = min(a, b)
    return [root(place) for place in range(count)]
