"""Did memory run out?"""

import errno
import os

import tensorflow as tf

_OTHER_RESOURCES = tuple(
    os.strerror(number) for number in (errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.EMLINK)
)
"""What TensorFlow calls exhausted as well: a disk, a quota, files that are open."""

_WORDS = ("out of memory", "oom when allocating", "failed to allocate memory", "std::bad_alloc")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether this error, or one that led to it, is that memory of the machine or of a device ran out."""
    while error is not None:
        if isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM):
            return True
        if isinstance(error, tf.errors.OpError) and _says_so(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _says_so(error: tf.errors.OpError) -> bool:
    text = str(error)
    if isinstance(error, tf.errors.ResourceExhaustedError):
        return not any(other in text for other in _OTHER_RESOURCES)
    return any(words in text.lower() for words in _WORDS)
