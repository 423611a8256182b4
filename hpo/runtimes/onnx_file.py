"""Reads `.onnx` files, with ONNX Runtime and without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpo.runtimes.metadata import KEY, read_metadata
from hpo.runtimes.model import Images, Model
from models.errors import ModelError

_ERRORS_ONLY = 3


class OnnxModel(Model):
    """A session of ONNX Runtime on the CPU."""

    def __init__(self, session: Any, name: str) -> None:
        found = session.get_modelmeta().custom_metadata_map.get(KEY)
        super().__init__(read_metadata(found, name))
        self._session, self._input = session, session.get_inputs()[0].name

    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        return np.asarray(self._session.run(None, {self._input: images_bhwc})[0])


def load(path: Path, threads: int = 0) -> OnnxModel:
    """Loads a file.

    Raises:
        ModelError: It is no complete ONNX model, or another tool's.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = _ERRORS_ONLY
    try:
        session = onnxruntime.InferenceSession(
            str(path), options, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # its errors have no common class but this one
        raise ModelError(
            f"A model must be a complete .onnx file. Received: {path} "
            f"({str(error).splitlines()[0]}). Export it again."
        ) from error
    return OnnxModel(session, str(path))
