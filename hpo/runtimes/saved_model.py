"""Reads SavedModel folders, with TensorFlow and without Keras."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpo.quiet import load_tensorflow
from hpo.runtimes.metadata import KEY, Metadata, read_metadata
from hpo.runtimes.model import Images, Model
from hpo.runtimes.threads import limit_tensorflow
from models.errors import ModelError

EXTRA = Path("assets.extra", f"{KEY}.json")
"""TensorFlow keeps this folder for what others want to add."""
SIGNATURE = "serving_default"

_CODE = frozenset(
    {"PyFunc", "PyFuncStateless", "EagerPyFunc", "ReadFile", "WriteFile", "MatchingFiles"}
)
"""Operations that run Python or touch other files; no network of ours has them."""


class SavedModel(Model):
    """A signature of TensorFlow."""

    def __init__(self, loaded: Any, metadata: Metadata) -> None:
        super().__init__(metadata)
        self._loaded = loaded  # it owns the variables
        self._signature = loaded.signatures[SIGNATURE]

    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        import tensorflow as tf

        (found,) = self._signature(tf.constant(images_bhwc)).values()
        return np.asarray(found)


def load(path: Path, threads: int = 0) -> SavedModel:
    """Loads a folder.

    Raises:
        ModelError: It is no complete SavedModel, another tool's, or holds code.
    """
    extra = path / EXTRA
    metadata = read_metadata(extra.read_text() if extra.is_file() else None, str(path))
    load_tensorflow()

    import tensorflow as tf

    limit_tensorflow(threads)
    _refuse_code(path)
    try:
        return SavedModel(tf.saved_model.load(str(path)), metadata)
    except (OSError, ValueError, KeyError, tf.errors.OpError) as error:
        raise ModelError(
            f"A model must be a complete SavedModel. Received: {path} "
            f"({str(error).splitlines()[0]}). Export it again."
        ) from error


def _refuse_code(path: Path) -> None:
    """Raises ModelError where a graph would do more than compute."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf.saved_model_pb2 import SavedModel as Graphs

    try:
        graphs = [part.graph_def for part in Graphs.FromString(_graph(path)).meta_graphs]
    except DecodeError:
        return  # what loads it says so
    nodes = [node for graph in graphs for node in graph.node]
    nodes += [node for graph in graphs for each in graph.library.function for node in each.node_def]
    if found := sorted({node.op for node in nodes} & _CODE):
        raise ModelError(
            "A SavedModel may compute only, because other operations run code that came with it. "
            f"Received: {path} with {', '.join(found)}. Load it with TensorFlow itself if you "
            "trust its maker."
        )


def _graph(path: Path) -> bytes:
    try:
        return (path / "saved_model.pb").read_bytes()
    except OSError:
        return b""
