"""TensorFlow without what it says while it starts."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def load_tensorflow() -> None:
    """Imports TensorFlow so that only errors reach the terminal.

    Its C++ parts write lines to the error output that no setting turns off. It then takes GPU
    memory as it needs it, not all at once, since a search may be running on the same GPU.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    sys.stderr.flush()
    kept = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import tensorflow

        # One function a model is meant: it warns of many.
        tensorflow.get_logger().setLevel("ERROR")
    finally:
        os.dup2(kept, 2)
        os.close(kept)
