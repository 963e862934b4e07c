"""Which kept features does a training need, who computed them, and what did that take?"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Computed:
    """How an array of features came to be: stands behind the array in its file.

    owner: the training that computed it, so that one that is resumed knows what it has paid for.
    cpu_seconds: what that took, less what it took to make those it was made of.
    made_of: by key, other arrays of the store that went into it.
    """

    owner: str
    rows: int
    cpu_seconds: float
    made_of: dict[str, "Computed"] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON."""
        made_of = {key: of.to_dict() for key, of in self.made_of.items()}
        return {
            "owner": self.owner,
            "rows": self.rows,
            "cpu_seconds": self.cpu_seconds,
            "made_of": made_of,
        }

    @staticmethod
    def from_dict(values: dict[str, Any]) -> "Computed":
        """What `to_dict` made."""
        made_of = {key: Computed.from_dict(of) for key, of in values["made_of"].items()}
        return Computed(values["owner"], values["rows"], values["cpu_seconds"], made_of)


@dataclass
class FeatureUses:
    """The features that one training, `owner`, has needed so far; each counts once, however often it is read.

    computed_seconds: CPU seconds that this process spent on computing some of them.
    """

    owner: str = ""
    needed: dict[str, Computed] = field(default_factory=dict)
    computed_seconds: float = 0.0

    def note(self, key: str, computed: Computed) -> None:
        """Count an array, and what it was made of: without the store all of it would be computed."""
        for of, made in computed.made_of.items():
            self.note(of, made)
        self.needed[key] = computed

    def stopwatch(self) -> Callable[[], float]:
        """Tells the CPU seconds from now on, less those of features that are computed and kept meanwhile."""
        begun, before = time.process_time(), self.computed_seconds
        return lambda: time.process_time() - begun - (self.computed_seconds - before)

    def measured(self, compute: Callable[[], None]) -> float:
        """CPU seconds of computing features, less those of others that they are made of."""
        seconds = self.stopwatch()
        compute()
        taken = seconds()
        self.computed_seconds += taken
        return taken

    @property
    def paid_seconds(self) -> float:
        """CPU seconds of those that this training computed, in this attempt or in an earlier one."""
        return sum(made.cpu_seconds for made in self.needed.values() if made.owner == self.owner)
