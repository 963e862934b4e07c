"""Settings TensorFlow takes once a process, before its first operation."""

from collections.abc import Sequence
from typing import TypeVar

import tensorflow as tf

Device = TypeVar("Device")


def prepare_process(threads: int | None = None, *, devices: int = 1, slot: int = 0) -> None:
    """Make equal runs give equal bits, and keep XLA off (on a CPU it compiles longer than it saves).

    `threads` bounds the threads inside an operation and the operations at a time; None leaves it to
    TensorFlow. The process sees `devices` GPUs and no others: processes of different slots take different
    ones, as long as there are enough. Without any GPU the CPU is split into so many logical devices, so that
    a training on several does the same arithmetic.

    Raises:
        RuntimeError: TensorFlow has run an operation in this process.
        ValueError: there are GPUs, but fewer than `devices`.
    """
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    if gpus := tf.config.list_physical_devices("GPU"):
        own = devices_of_slot(gpus, devices, slot)
        tf.config.set_visible_devices(own, "GPU")
        for gpu in own:  # else the first process takes all of a device's memory
            tf.config.experimental.set_memory_growth(gpu, True)
    elif devices > 1:
        parts = [tf.config.LogicalDeviceConfiguration() for _ in range(devices)]
        tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], parts)
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_jit(False)


def devices_of_slot(found: Sequence[Device], devices: int, slot: int) -> list[Device]:
    """The devices of one process among those found; more slots than there is room for share them in turn.

    Raises:
        ValueError: fewer were found than one process needs.
    """
    if len(found) < devices:
        raise ValueError(
            f"Expected {devices} GPUs for each job. Received: {len(found)}. "
            "Lower MODEL_TRANSFER_DEVICES_PER_JOB, or look at CUDA_VISIBLE_DEVICES."
        )
    first = slot % (len(found) // devices) * devices
    return list(found[first : first + devices])
