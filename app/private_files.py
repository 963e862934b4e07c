"""How are files and folders made that this account alone can read?"""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile
from pathlib import Path

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_SHORT_NAME = "short"


def keep_private() -> None:
    """Whatever this process and its children write is theirs alone: nobody else reads or writes it."""
    os.umask(_OTHERS)


def make_folder(folder: Path) -> None:
    """Make the folder and those above it that are not there, for this account alone.

    Raises:
        OSError: it cannot be made.
    """
    for place in reversed([folder, *folder.parents]):
        if not place.is_dir():
            # Another process may make it at the same time.
            with contextlib.suppress(FileExistsError) if place != folder else contextlib.nullcontext():
                place.mkdir(mode=0o700, exist_ok=True)


def readable_by_others(path: Path) -> bool:
    """Whether other accounts than the owner's may read, write or enter it; False where it is not there."""
    try:
        return bool(path.stat().st_mode & _OTHERS)
    except OSError:
        return False


def find_short_folder(folder: Path) -> Path | None:
    """The folder of a short path that `make_short_folder` made for this one, if it still is ours alone.

    Its name is random, and known by a link in `folder`. After the system's temporary folder was emptied,
    another account may have made one of its name, which is not followed.
    """
    try:
        short = Path(os.readlink(folder / _SHORT_NAME))
        about = os.lstat(short)
    except OSError:
        return None
    is_ours = about.st_uid == os.geteuid() and not about.st_mode & _OTHERS
    return short if stat.S_ISDIR(about.st_mode) and is_ours else None


def make_short_folder(folder: Path) -> Path:
    """A folder of our own with a short path, for a socket, whose path must be short; found again.

    Raises:
        OSError: it cannot be made.
    """
    known = find_short_folder(folder)
    if known is not None:
        return known
    root = tempfile.gettempdir() if len(tempfile.gettempdir()) < 40 else "/tmp"
    made = tempfile.mkdtemp(prefix="model-transfer-", dir=root)
    part = folder / f"{_SHORT_NAME}.{os.path.basename(made)}"
    part.symlink_to(made)
    os.replace(part, folder / _SHORT_NAME)
    return Path(made)


LONGEST_SOCKET = 100
"""Bytes; the system takes the path of a socket up to 107 of them."""


def socket_path(folder: Path, name: str) -> Path:
    """Where a process has its socket; in a folder of a short path where this one's is too long.

    That is made when the process starts; until then nothing answers on what is too long.
    """
    path = folder / name
    if len(str(path).encode()) < LONGEST_SOCKET:
        return path
    return (find_short_folder(folder) or folder) / name


def prepare_socket(folder: Path, name: str) -> None:
    """Make the folder and, where the path to the socket in it is too long, one of a short path.

    Raises:
        OSError: they cannot be made.
    """
    make_folder(folder)
    if len(str(folder / name).encode()) >= LONGEST_SOCKET:
        make_short_folder(folder)
