"""What can go wrong while a trial is trained through nobody's fault here, told by its exception."""

from __future__ import annotations

import tensorflow as tf

from data_pipeline.errors import DataError
from hpo.disk import disk_problem

_ONEDNN_STARVED = "Operation received an exception:Status: 1,"
"""What TensorFlow makes of oneDNN's `dnnl_out_of_memory`."""


def starvation(error: Exception) -> str | None:
    """Returns what an error says that means want of memory; None of any other error."""
    starved = isinstance(error, MemoryError | tf.errors.ResourceExhaustedError)
    text = str(error)
    if _ONEDNN_STARVED in text:
        return "oneDNN got no more memory."
    return (text.splitlines() or ["No more memory."])[0][:300] if starved else None


def hindrance(error: Exception) -> str | None:
    """Returns what keeps this and every other trial from going on; None where nothing does."""
    if isinstance(error, DataError):  # the cache or the data, not this trial
        return str(error)
    return disk_problem(error) if isinstance(error, OSError) else None
