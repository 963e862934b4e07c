"""What a job's journal keeps of a training, in memory and a folder."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from workers.transfer.training.features import FeatureStore
from workers.transfer.training.options import Hooks


class Durable:
    """Values and files by key; `asked` counts questions whether to stop, one before each fit of a head."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.values: dict[str, dict[str, Any]] = {}
        self.files: dict[str, Path] = {}
        self.asked = 0

    def hooks(self, run: str = "", stop_at: int | None = None, features: FeatureStore | None = None) -> Hooks:
        """Hooks that keep what is made durable, and ask for a stop at a question, counted from 1."""
        self.asked = 0

        def should_stop() -> str | None:
            self.asked += 1
            return "cancelled" if self.asked == stop_at else None

        def save_result(key: str, path: Path) -> None:
            self.files[key] = self.folder / f"{len(self.files)}.npz"
            self.files[key].write_bytes(path.read_bytes())

        save_value: Callable[[str, dict[str, Any]], None] = self.values.__setitem__
        return Hooks(
            run=run,
            should_stop=should_stop,
            save_result=save_result,
            load_result=self.files.get,
            save_value=save_value,
            load_value=self.values.get,
            features=features,
        )
