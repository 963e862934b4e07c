"""Which of the target's rows were among those that something in the transfer was trained or validated on?"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from workers.transfer.data import Array
from workers.transfer.proof.equal_keys import among
from workers.transfer.proof.equal_rows import equal_rows
from workers.transfer.proof.known_rows import KnownRows

MOST_NEAR = 0.2
"""Share of the target's rows that may be near a train row of its own before being near says nothing."""

Near = Callable[[Array, Array], Array]


class Overlap(NamedTuple):
    """Which of the rows that were asked for were seen, (n,) bool.

    equal, near: in full, and in all but a little. is_told_apart: False where some rows have an equal or a
    near one, but so would rows that have nothing to do with each other.
    """

    equal: Array
    near: Array
    is_told_apart: bool = True

    @property
    def seen(self) -> Array:
        """Either of both, (n,) bool."""
        either: Array = self.equal | self.near
        return either


def overlap(
    target: KnownRows,
    asked: Array,
    trained: KnownRows,
    *,
    is_same_data: bool = False,
    near: Near | None = None,
) -> Overlap:
    """Which of the target's rows `asked`, (n,) bool, are among the rows that something was trained on.

    Rows are equal by their keys; those of tables by the cells of the columns that both have and that vary in
    both, so that no row is hidden by the order of columns, by a column that one table alone has, or by one
    that tells of all rows where they come from. They are compared again without each column in turn, and
    without identifiers: a column that was drawn, counted or corrected anew hides no row, if the others tell
    rows apart.

    Equal keys are taken for the same row where keys are nearly unique in both (`NEARLY_UNIQUE`), where those
    of tables repeat only since whole rows are copied, as those of a rare class may be (`COPIED`), where the
    lineage says so (`is_same_data`: versions of one data set), or where so many of one's distinct keys are
    found in the other that chance does not bring it: one is a subset. The chance that a row is found is taken
    to be the share of rows that are not alone with their key, the Good-Turing estimate of a sample's coverage
    (Good 1953), in the table where it is larger, and at least a half. Besides, the columns compared must be
    half of those that vary in the table that has fewer, and two unless neither has more: else rows that share
    a date would be taken for one. Of all else nothing is counted, and the overlap is not told apart from
    chance.

    Where no row is equal so, columns that have no value in common are left out, which would hide each row: in
    other units, or names of files. Then keys have to be nearly unique.

    Signatures are compared by `near`. They say nothing where many rows asked for are near a row of the target
    that was not asked for, since rows that are near each other are kept in one part where that can be. Else
    rows that repeat are seen by them where keys say nothing: the control has not read these very words.
    """
    asked = np.asarray(asked, bool)
    equal, is_told_apart = _equal(target, asked, trained, is_same_data)
    none = np.zeros(len(equal), bool)
    if near is None or target.signatures is None or trained.signatures is None or not len(trained):
        return Overlap(equal, none, is_told_apart)
    alike = near(target.signatures[asked], trained.signatures)
    others = target.signatures[~asked]
    if (alike & ~equal).any() and len(others) and near(target.signatures[asked], others).mean() > MOST_NEAR:
        return Overlap(equal, none, False)
    if not is_told_apart:
        same = _any_key_among(target.keys[asked], trained.keys)
        equal, is_told_apart = same & alike, not (same & ~alike).any()
    return Overlap(equal, alike & ~equal, is_told_apart)


def _any_key_among(keys: Array, others: Array) -> Array:
    """Which rows have one of their keys among the others' in any place, (n,); 0 is a missing one.

    Two sets of pairs may share a language that one of them has as its source, the other as its target.
    """
    found: Array = (np.isin(keys, others) & (keys != 0)).any(axis=1)
    return found


def _equal(target: KnownRows, asked: Array, trained: KnownRows, is_same_data: bool) -> tuple[Array, bool]:
    if not len(trained):
        return np.zeros(int(asked.sum()), bool), True
    if target.columns:
        return equal_rows(target, asked, trained, is_same_data)
    if (
        target.keys.shape[1] > 1
    ):  # sentences and contexts: who has read one has seen the row, by chance or not
        return _any_key_among(target.keys[asked], trained.keys), True
    pairs = [(target.keys[:, place], trained.keys[:, place]) for place in range(target.keys.shape[1])]
    each = [among(ours, asked, theirs, is_same_data) for ours, theirs in pairs]
    return np.any([equal for equal, _ in each], axis=0), all(is_told for _, is_told in each)
