"""Reads OpenVINO's `.xml` files and the `.bin` beside each, with its runtime."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from hpo.runtimes.metadata import KEY, read_metadata
from hpo.runtimes.model import Images, Model
from models.errors import ModelError

EXACT = {"INFERENCE_PRECISION_HINT": "f32"}
"""Else it computes in bfloat16 where the processor has that."""


class OpenVinoModel(Model):
    """A model compiled for the CPU."""

    def __init__(self, compiled: Any, text: str | None, name: str) -> None:
        super().__init__(read_metadata(text, name))
        self._compiled = compiled
        self._own = threading.local()  # a request is busy while another thread waits for it

    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        if not hasattr(self._own, "request"):
            self._own.request = self._compiled.create_infer_request()
        return np.array(self._own.request.infer(images_bhwc)[0])


def load(path: Path, threads: int = 0) -> OpenVinoModel:
    """Loads a file; its weights are in the file of the same name that ends in .bin.

    Raises:
        ModelError: It is no complete OpenVINO model, or another tool's.
    """
    import openvino

    core = openvino.Core()
    limits = {"INFERENCE_NUM_THREADS": threads} if threads else {}
    try:
        model = core.read_model(path)
        compiled = core.compile_model(model, "CPU", {**EXACT, **limits})
    except RuntimeError as error:
        raise ModelError(
            f"A model must be a complete .xml file with its .bin. Received: {path} "
            f"({str(error).strip().splitlines()[-1]}). Export it again."
        ) from error
    text = model.get_rt_info(KEY).astype(str) if model.has_rt_info(KEY) else None
    return OpenVinoModel(compiled, text, str(path))
