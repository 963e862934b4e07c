"""Several devices in one training: each takes a share of every batch, and all take the same step.

Synchronous data parallelism by `tf.distribute.MirroredStrategy`: the gradients of the shares are summed, so
that a step is that of the whole batch but for rounding. What looks at a batch as a whole (batch
normalisation, distances between examples) sees a share of it, and dropout draws alike on each.
"""

from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import tensorflow as tf

Share = Callable[[Any, Any, Any], tuple[Any, Any]]


class Replicas:
    """The devices that this process trains on, as a strategy."""

    def __init__(self, devices: int) -> None:
        """Raises ValueError if this process has fewer devices; `process.prepare_process` provides them."""
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        names = [device.name for device in tf.config.list_logical_devices(kind)[:devices]]
        if len(names) < devices:
            raise ValueError(
                f"Expected {devices} devices. Received: {len(names)} ({kind}). "
                "Call prepare_process with their number before TensorFlow's first operation."
            )
        # Sums that do not depend on who is ready first.
        together = tf.distribute.ReductionToOneDevice()
        self._strategy = tf.distribute.MirroredStrategy(names, cross_device_ops=together)
        self.count = devices

    def scope(self) -> AbstractContextManager[Any]:
        """Variables made inside have a copy on each device."""
        scope: AbstractContextManager[Any] = self._strategy.scope()
        return scope

    def step(self, share: Share, start: Any, end: Any) -> tuple[Any, Any]:
        """Each device's share of the rows from `start` to `end`; the sums of what `share` answers.

        `share` takes the bounds of its rows and their part of the batch, by which a mean over them counts. Of
        fewer rows than devices some devices see a row that does not count: a mean over none has no gradient.
        """
        rows = end - start

        def one() -> tuple[Any, Any]:
            number = tf.distribute.get_replica_context().replica_id_in_sync_group
            first, last = rows * number // self.count, rows * (number + 1) // self.count
            part = tf.cast(last - first, tf.float32) / tf.cast(rows, tf.float32)
            return share(start + first, start + tf.maximum(last, first + 1), part)

        total = tf.distribute.ReduceOp.SUM
        first, second = (self._strategy.reduce(total, value, axis=None) for value in self._strategy.run(one))
        return first, second


@cache
def replicas(devices: int) -> Replicas | None:
    """The strategy for so many devices, one a process; None for one device, which needs none."""
    return Replicas(devices) if devices > 1 else None
