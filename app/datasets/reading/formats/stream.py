"""A file's bytes, unpacked if it is gzipped, and the encoding of its text."""

from __future__ import annotations

import codecs
import io
import sys
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from ..errors import DatasetError, is_text
from ..limits import Limits
from . import arrival
from .decoding import decoding

CHUNK = 1 << 20
_EVIDENCE = 32  # bytes beyond ASCII: with fewer, a statistical guess is worse than the usual Windows one
_BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HINT = "Save the file as UTF-8, or declare its `encoding`."


def find_compression(path: Path) -> Literal["gzip"] | None:
    """gzip by its magic number, whatever the file is called."""
    with path.open("rb") as file:
        return "gzip" if file.read(2) == b"\x1f\x8b" else None


def open_stream(path: Path) -> Any:
    """The unpacked bytes, from the start; a plain file's as they come, where it is still being received."""
    compression = find_compression(path)
    if compression is None and not arrival.is_whole():
        return io.BufferedReader(arrival.Arriving(path))
    arrival.wait()
    return pa.input_stream(str(path), compression=compression)


def has_byte(path: Path, byte: bytes) -> bool:
    """Whether the byte stands anywhere in the file; True unread for a packed one, where looking is slow."""
    if find_compression(path):
        return True
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            if byte in chunk:
                return True
    return False


def find_encoding(path: Path, declared: str | None, limits: Limits | None = None) -> str:
    """The encoding all of the file's bytes are valid in: declared, by its mark, UTF-8, UTF-16 or guessed.

    All of the bytes are read here first, and those of a packed file counted.

    Raises:
        DatasetError: if it is not text, not in the declared encoding, or more unpacked than it may be.
    """
    is_packed = find_compression(path) is not None
    most = (limits or Limits()).unpacked_from(path.stat().st_size) if is_packed else sys.maxsize
    with decoding("gzip file" if is_packed else "text file"):
        if declared is not None:
            encoding = known_encoding(declared)
            _check(path, encoding, most)
            return encoding
        with open_stream(path) as stream:
            head = stream.read(4096)
        encoding = next((name for mark, name in _BOMS if head.startswith(mark)), "") or _unmarked_utf16(head)
        if not encoding:
            offset = _first_undecodable(path, "utf-8", most)
            if offset is None:
                return "utf-8"
            _check_no_nul(path, offset)
        encoding = encoding or _guess(path, most)
        _check(path, encoding, most)
        return encoding


def known_encoding(declared: str) -> str:
    """Python's name of a declared encoding, or a DatasetError."""
    try:
        codecs.getincrementaldecoder(declared)
        # codecs knows more than encodings of files, such as zlib and idna, which this refuses.
        b"a\n".decode(declared, "replace")
        return codecs.lookup(declared).name
    except (LookupError, ValueError):  # ValueError: a NUL in its name, or it knows no replacement
        message = f"Expected an encoding that Python knows, such as utf-8 or cp1252. Received: {declared}."
        raise DatasetError("unknown_encoding", message, "Leave `encoding` out to have it found.") from None


def _unmarked_utf16(head: bytes) -> str:
    pairs = max(len(head) // 2, 1)
    if head[1::2].count(0) > 0.4 * pairs:
        return "utf-16-le"
    return "utf-16-be" if head[0::2].count(0) > 0.4 * pairs else ""


def _check(path: Path, encoding: str, most: int) -> None:
    offset = _first_undecodable(path, encoding, most)
    if offset is not None:
        message = f"Expected text in {encoding}. Received: bytes that are none, near byte {offset + 1}."
        raise DatasetError("not_text", message, _HINT)


def _check_no_nul(path: Path, offset: int) -> None:
    """Refuse a NUL for what it is: no other encoding of text has it."""
    line, place = 1, offset + 1
    with open_stream(path) as stream:
        while offset >= CHUNK:
            line += stream.read(CHUNK).count(b"\n")
            offset -= CHUNK
        chunk = stream.read(offset + 1)
    if chunk[offset:] == b"\0":
        line += chunk.count(b"\n")
        message = f"Expected text. Received: a NUL, a byte of zeros, on line {line}, near byte {place}."
        error = {"row": None, "line": line, "column": None, "expected": "text without NUL", "received": "NUL"}
        raise DatasetError("not_text", message, "Take the byte out, or export the file again.", [error])


def _first_undecodable(path: Path, encoding: str, most: int) -> int | None:
    """The offset of the first byte that is no text in this encoding.

    Raises:
        DatasetError: there are more bytes than `most`.
    """
    check, size = _TextCheck(encoding), 0
    with open_stream(path) as stream:
        while chunk := stream.read(CHUNK):
            size += len(chunk)
            if size > most:
                raise too_much_unpacked("gzip file", path, most)
            if (offset := check.feed(chunk)) is not None:
                return offset
    return check.feed(b"")


class _TextCheck:
    """Looks at a text's bytes as they come; NUL and halves of surrogate pairs are no text in any encoding."""

    def __init__(self, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._plain = encoding in ("utf-8", "ascii")
        self._offset = 0

    def feed(self, chunk: bytes) -> int | None:
        """The offset of the first byte so far that is no text; no bytes are the end."""
        if self._plain and chunk.isascii() and chunk and not self._decoder.getstate()[0]:
            text = "\0" if b"\0" in chunk else ""
        else:
            try:
                text = self._decoder.decode(chunk, final=not chunk)
            except UnicodeError as error:
                return self._offset + (int(getattr(error, "start", 0)) if chunk else 0)
        if "\0" in text or not (self._plain or is_text(text)):
            return self._offset + max(chunk.find(b"\0"), 0)
        self._offset += len(chunk)
        return None


def too_much_unpacked(what: str, path: Path, most: int) -> DatasetError:
    """The refusal of a file that unpacks to more than is allowed to one of its size."""
    size = path.stat().st_size
    message = f"Expected a {what} of {size} bytes to hold at most {most} unpacked. Received: more."
    hint = (
        "Upload less, or less packed; whoever runs the service can allow more with "
        "MODEL_TRANSFER_MAX_UNPACKED_RATIO and MODEL_TRANSFER_MAX_UNPACKED_BYTES."
    )
    return DatasetError("archive_too_large", message, hint)


class Misjudged(Exception):
    """The file is not what its head looked like."""


class Watched:
    """A stream that must be UTF-8 and must not have the byte `absent`, of which only the head is known."""

    def __init__(self, stream: Any, absent: bytes | None) -> None:
        self._stream = stream
        self._absent = absent
        self._check = _TextCheck("utf-8")

    def read(self, size: int, /) -> bytes:
        """The next bytes.

        Raises:
            Misjudged: they are not what was expected.
        """
        chunk: bytes = self._stream.read(size)
        if self._check.feed(chunk) is not None or (self._absent is not None and self._absent in chunk):
            raise Misjudged
        return chunk


def may_be_utf8(path: Path, declared: str | None) -> bool:
    """Whether `find_encoding` will say UTF-8, as far as a plain file's head can tell."""
    if find_compression(path) or (declared is not None and known_encoding(declared) != "utf-8"):
        return False
    with open_stream(path) as stream:
        head = stream.read(4096)
    marked = next((name for mark, name in _BOMS if head.startswith(mark)), "utf-8")
    return marked == "utf-8" and not _unmarked_utf16(head)


def _guess(path: Path, most: int) -> str:
    """By the lines that have bytes beyond ASCII; Windows-1252 where they are too few to tell."""
    sample = _lines_beyond_ascii(path)
    if sum(byte > 127 for byte in sample) < _EVIDENCE:
        return "cp1252"
    import charset_normalizer  # only here: its import takes a tenth of a small file's inspection

    best = charset_normalizer.from_bytes(sample).best()
    if best is None or _first_undecodable(path, best.encoding, most) is not None:
        return "cp1252"
    return str(best.encoding)


def _lines_beyond_ascii(path: Path, limit: int = 1 << 16) -> bytes:
    lines: list[bytes] = []
    size = 0
    with open_stream(path) as stream:
        while size < limit and (chunk := stream.read(CHUNK)):
            found = [] if chunk.isascii() else [line for line in chunk.split(b"\n") if not line.isascii()]
            for line in found:
                lines.append(line[:1024])
                size += len(lines[-1]) + 1
                if size >= limit:
                    break
    return b"\n".join(lines)
