"""Reads `.tflite` files, with LiteRT and without TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_pipeline.system import processors
from hpo.runtimes.archive import read_from_archive
from hpo.runtimes.metadata import Metadata
from hpo.runtimes.model import Images, Model
from models.errors import ModelError


class TfliteModel(Model):
    """An interpreter of LiteRT on the CPU."""

    def __init__(self, interpreter: Any, metadata: Metadata) -> None:
        super().__init__(metadata)
        self._interpreter = interpreter
        self._input = interpreter.get_input_details()[0]["index"]
        self._output = interpreter.get_output_details()[0]["index"]
        self._shape: tuple[int, ...] = ()

    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        if images_bhwc.shape != self._shape:  # all of its tensors are laid out anew
            self._interpreter.resize_tensor_input(self._input, images_bhwc.shape)
            self._interpreter.allocate_tensors()
            self._shape = images_bhwc.shape
        self._interpreter.set_tensor(self._input, images_bhwc)
        self._interpreter.invoke()
        return np.asarray(self._interpreter.get_tensor(self._output))


def load(path: Path, threads: int = 0) -> TfliteModel:
    """Loads a file.

    Raises:
        ModelError: It is no complete LiteRT model, or another tool's.
    """
    metadata = read_from_archive(path)

    from ai_edge_litert.interpreter import Interpreter

    try:
        interpreter = Interpreter(str(path), num_threads=threads or processors())
    except ValueError as error:
        raise ModelError(
            f"A model must be a complete .tflite file. Received: {path} "
            f"({str(error).splitlines()[0]}). Export it again."
        ) from error
    return TfliteModel(interpreter, metadata)
