"""What decoders raise on bytes that are not what they say, told as the refusal of a file."""

from __future__ import annotations

import csv
import errno
import struct
import zipfile
import zlib
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from typing import TypeVar

import pyarrow as pa

from ..errors import DatasetError

Item = TypeVar("Item")

_RAISED = (
    pa.ArrowException,
    UnicodeError,
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    csv.Error,
    EOFError,
    OverflowError,
    RecursionError,
    NotImplementedError,  # zipfile's word for an archive of a later version of the format
    OSError,
)
_OF_THE_MACHINE = (
    errno.ENOENT, errno.EACCES, errno.EPERM, errno.EIO, errno.ENOSPC, errno.EMFILE, errno.ENFILE, errno.ESTALE
)  # fmt: skip

_NO_THREAD = "Failed to launch worker thread"  # Arrow's words


def is_of_the_machine(error: BaseException) -> bool:
    """Whether the machine failed, its disk or its limits, and not the file. Decoders raise OSError, too."""
    return isinstance(error, OSError) and error.errno in _OF_THE_MACHINE


@contextmanager
def decoding(what: str) -> Iterator[None]:
    """Tell what a decoder raises inside; `what` is the thing, such as `Parquet file`.

    Raises:
        DatasetError: the file is broken.
    """
    try:
        yield
    except MemoryError:  # Arrow's is an ArrowException as well; it says nothing about the file
        raise
    except _RAISED as error:
        if is_of_the_machine(error):
            raise
        if _NO_THREAD in str(error):  # there was no memory left for its stack
            raise MemoryError(str(error)) from error
        raise broken(what, error) from error


def decoded(what: str, items: Generator[Item]) -> Generator[Item]:
    """The items, what making them raises told as by `decoding`."""
    with closing(items):
        while True:
            with decoding(what):
                try:
                    item = next(items)
                except StopIteration:
                    return
            yield item


def broken(what: str, error: BaseException | str) -> DatasetError:
    """The refusal of a file that is not whole, or damaged."""
    reason = error if isinstance(error, str) else str(error)[:200] or type(error).__name__
    message = f"Expected a whole {what}. Received: one that cannot be read ({reason})."
    return DatasetError("broken_file", message, "Write the file anew and upload it again.")
