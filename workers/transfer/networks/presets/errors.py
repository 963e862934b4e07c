"""Errors of presets whose files cannot be used: trying again would meet the same bytes."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

from workers.transfer.out_of_memory import is_out_of_memory


class PresetError(ValueError):
    """A preset's files are broken, or of another sort than can be read; says which preset, and why."""


class PresetMissing(FileNotFoundError, ValueError):
    """A preset is not where it was, as while its folder is not mounted: it may come back."""

    def __init__(self, preset: str, message: str) -> None:
        super().__init__(errno.ENOENT, message)
        self.preset = preset

    def __str__(self) -> str:
        return str(self.strerror)


@contextmanager
def as_preset_error(name: str) -> Iterator[None]:
    """What the files of this preset make any reader raise becomes a PresetError.

    A file system that fails is no matter of the files, nor is memory that runs out: these errors pass.
    """
    try:
        yield
    except PresetError as error:
        if name not in str(error):
            raise PresetError(f"{name}: {error}") from error
        raise
    except Exception as error:
        if _is_disk_error(error) or is_out_of_memory(error):
            raise
        raise PresetError(
            f"Expected the preset {name} with complete files. Received: files that cannot be read "
            f"({type(error).__name__})."
        ) from error


def _is_disk_error(error: Exception) -> bool:
    """HDF5 tells of a broken file by an error of the system, too, but by one without a number."""
    return isinstance(error, OSError) and (type(error) is not OSError or error.errno is not None)
