"""What tells rows apart, whatever is in them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from workers.transfer.data import Array


@dataclass(frozen=True, eq=False)
class KnownRows:
    """What tells rows apart, and nothing of what is in them.

    keys: (n, k) uint64, k keys a row. signatures: (n, s), for `near`, or None. columns: of a table, by what
    each column is called, keys of its cells, (n,) uint32, 0 where they are missing; none of other kinds. They
    are asked for one after the other, and may be made or read then. identifiers: columns that may only number
    the rows, so that the same row may have another cell in another table.
    """

    keys: Array
    signatures: Array | None = None
    columns: Mapping[str, Array] = field(default_factory=dict)
    identifiers: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self.keys)

    def of(self, rows: Array) -> "KnownRows":
        """Some of the rows, by a mask or by numbers; columns are taken from when they are asked for."""
        signatures = None if self.signatures is None else self.signatures[rows]
        return KnownRows(self.keys[rows], signatures, _Some(self.columns, rows), self.identifiers)


class _Some(Mapping[str, Array]):
    """Some rows of columns."""

    def __init__(self, columns: Mapping[str, Array], rows: Array) -> None:
        self._columns, self._rows = columns, rows

    def __getitem__(self, name: str) -> Array:
        cells: Array = self._columns[name][self._rows]
        return cells

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)
