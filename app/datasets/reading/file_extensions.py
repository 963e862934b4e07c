"""Which format does a file's name say, and what is the name without that? Imports no pyarrow."""

from __future__ import annotations

from pathlib import PurePath

from .words import Format

ENDINGS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".zip": "zip",
    ".npz": "npz",
    **dict.fromkeys((".fa", ".fasta", ".fna", ".faa", ".ffn"), "fasta"),
}
_PACKED = ".gz"


def format_of(filename: str) -> Format | None:
    """The format that the name's ending says."""
    name = PurePath(filename.lower())
    return ENDINGS.get(name.with_suffix("").suffix if name.suffix == _PACKED else name.suffix)


def without_ending(filename: str) -> str:
    """`sales.2024` of `sales.2024.csv.gz`: what says a format is left out, and no more.

    An ending of letters alone says one even where it is not read, such as `.txt`.
    """
    name = PurePath(PurePath(filename).name)
    if name.name.lower() in ENDINGS:
        return ""
    if name.suffix.lower() == _PACKED:
        name = name.with_suffix("")
    is_ending = name.suffix.lower() in ENDINGS or name.suffix[1:].isalpha()
    return name.stem if is_ending else name.name
