"""Errors of decoders: the file's, the machine's, or of memory that ran out."""

from __future__ import annotations

import errno

import pyarrow as pa
import pytest

from app.datasets.reading.errors import DatasetError
from app.datasets.reading.formats.decoding import decoding

NO_THREAD = pa.ArrowException(
    "Unknown error: Failed to launch worker thread: Resource temporarily unavailable"
)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (pa.ArrowInvalid("Expected 3 columns"), DatasetError),
        (EOFError("cut off"), DatasetError),
        (OSError(errno.ENOSPC, "No space left on device"), OSError),
        (MemoryError(), MemoryError),
        (NO_THREAD, MemoryError),
    ],
)
def test_an_error_is_the_files_unless_the_machine_or_its_memory_failed(
    raised: Exception, expected: type[Exception]
) -> None:
    with pytest.raises(expected), decoding("CSV file"):
        raise raised
