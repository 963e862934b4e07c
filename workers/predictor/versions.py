"""Which versions are loaded: those asked for last, within a limit of memory."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from workers.predictor.loading import Loaded, load


class Versions:
    """Loaded bundles by the SHA-256 of their file; the least recently used goes first.

    One is loaded at a time. The one that is asked for is loaded even where it alone exceeds the limit: it
    then is the only one.
    """

    def __init__(self, path_of: Callable[[str], Path], max_bytes: int) -> None:
        self.path_of = path_of
        """Where the storage has a file, by its digest."""
        self._max_bytes = max_bytes
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._lock = threading.Lock()
        self._loading = threading.Lock()

    def get(self, digest: str) -> Loaded:
        """The version of this bundle.

        Raises:
            FileNotFoundError: the storage has no such file.
        """
        if (found := self._find(digest)) is not None:
            return found
        with self._loading:
            if (found := self._find(digest)) is not None:  # another thread has loaded it meanwhile
                return found
            made = load(self.path_of(digest))
            with self._lock:
                self._loaded[digest] = made
                while len(self._loaded) > 1 and self._bytes() > self._max_bytes:
                    self._loaded.popitem(last=False)
            return made

    def _find(self, digest: str) -> Loaded | None:
        with self._lock:
            found = self._loaded.get(digest)
            if found is not None:
                self._loaded.move_to_end(digest)
            return found

    def _bytes(self) -> int:
        return sum(loaded.bytes for loaded in self._loaded.values())

    @property
    def digests(self) -> list[str]:
        """Those that are loaded, the least recently used first."""
        with self._lock:
            return list(self._loaded)
