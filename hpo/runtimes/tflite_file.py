"""Reads `.tflite` files, with LiteRT and without TensorFlow."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from data_pipeline.system import processors
from hpo.quiet import silence
from hpo.runtimes.archive import read_from_archive
from hpo.runtimes.metadata import Metadata
from hpo.runtimes.model import Images, Model
from models.errors import ModelError


class TfliteModel(Model):
    """An interpreter of LiteRT on the CPU for each thread, as none may be shared."""

    def __init__(self, interpreter: Callable[[], Any], metadata: Metadata) -> None:
        super().__init__(metadata)
        self._new = interpreter
        self._own = threading.local()
        with silence():  # the first one in a process says which delegate it has
            self._interpreter()  # now, so that a damaged file is found while it is loaded

    def _interpreter(self) -> Any:
        if not hasattr(self._own, "interpreter"):
            interpreter = self._new()
            interpreter.allocate_tensors()
            self._own.interpreter = interpreter
            self._own.shape = tuple(interpreter.get_input_details()[0]["shape"])
        return self._own.interpreter

    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        interpreter = self._interpreter()
        taken = interpreter.get_input_details()[0]["index"]
        if images_bhwc.shape != self._own.shape:  # all of its tensors are laid out anew
            interpreter.resize_tensor_input(taken, images_bhwc.shape)
            interpreter.allocate_tensors()
            self._own.shape = images_bhwc.shape
        interpreter.set_tensor(taken, images_bhwc)
        interpreter.invoke()
        return np.asarray(interpreter.get_tensor(interpreter.get_output_details()[0]["index"]))


def load(path: Path, threads: int = 0) -> TfliteModel:
    """Loads a file.

    Raises:
        ModelError: It is no complete LiteRT model, or another tool's.
    """
    metadata = read_from_archive(path)

    from ai_edge_litert.interpreter import Interpreter

    count = threads or processors()
    try:
        return TfliteModel(lambda: Interpreter(str(path), num_threads=count), metadata)
    except (ValueError, RuntimeError) as error:
        raise ModelError(
            f"A model must be a complete .tflite file. Received: {path} "
            f"({str(error).splitlines()[0]}). Export it again."
        ) from error
