"""How many threads TensorFlow computes with."""

from __future__ import annotations


def limit_tensorflow(threads: int) -> None:
    """Has TensorFlow compute with so many threads; 0 leaves it as it is.

    TensorFlow refuses this once it has computed anything.
    """
    if threads:
        import tensorflow as tf

        tf.config.threading.set_intra_op_parallelism_threads(threads)
