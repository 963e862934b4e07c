"""Graphs that the tests of one process share.

To trace one takes a second, which is most of what a test of a tiny network takes; and a network that was
given another's graph by mistake fails its test. What two graphs do alike is tested with `Fit` itself.
"""

from workers.transfer.training.fitting import Fit
from workers.transfer.training.options import Hooks, Training
from workers.transfer.training.steps import Steps

TRACED: dict[str, Steps] = {}


def shared_fit(training: Training, hooks: Hooks | None = None) -> Fit:
    """A fit that takes a graph which was traced before, and leaves its own."""
    return Fit(training, hooks or Hooks(), TRACED)
