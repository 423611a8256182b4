"""What an exception says of a trial: out of memory, or a fault of the machine and not its own."""

from __future__ import annotations

import tensorflow as tf

from data_pipeline.errors import DataError
from hpo.disk import disk_problem

_ONEDNN_OUT_OF_MEMORY = "Operation received an exception:Status: 1,"
"""What TensorFlow makes of oneDNN's `dnnl_out_of_memory`."""


def out_of_memory(error: Exception) -> str | None:
    """Returns in one line what an error says of too little memory; None for any other error."""
    text = str(error)
    if _ONEDNN_OUT_OF_MEMORY in text:
        return "oneDNN got no more memory."
    if isinstance(error, MemoryError | tf.errors.ResourceExhaustedError):
        return (text.splitlines() or ["No more memory."])[0][:300]
    return None


def fatal(error: Exception) -> str | None:
    """Returns what keeps this and every other trial from going on; None where nothing does."""
    if isinstance(error, DataError):  # the cache or the data, not this trial
        return str(error)
    return disk_problem(error) if isinstance(error, OSError) else None
