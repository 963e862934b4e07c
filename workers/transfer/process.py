"""Settings TensorFlow takes once a process, before its first operation."""

import tensorflow as tf


def prepare_process(threads: int | None = None) -> None:
    """Make equal runs give equal bits, and keep XLA off (on a CPU it compiles longer than it saves).

    `threads` bounds the threads inside an operation and the operations at a time; None leaves it to
    TensorFlow.

    Raises:
        RuntimeError: `threads` is given after TensorFlow has run an operation in this process.
    """
    if threads is not None:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(threads)
    tf.config.experimental.enable_op_determinism()
    tf.config.optimizer.set_jit(False)
