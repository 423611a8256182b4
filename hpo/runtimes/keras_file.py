"""Reads `.keras` files, with Keras on TensorFlow."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from data_pipeline.reading import read_reading
from hpo.quiet import load_tensorflow
from hpo.runtimes.archive import MEMBER, read_from_archive
from hpo.runtimes.metadata import Metadata
from hpo.runtimes.model import Images, Model
from hpo.runtimes.threads import limit_tensorflow

if TYPE_CHECKING:
    import keras


class KerasModel(Model):
    """A Keras model, with one traced forward pass for images of all sizes."""

    def __init__(self, model: keras.Model, metadata: Metadata) -> None:
        super().__init__(metadata)
        from hpo.runtimes.classifier import forward_pass

        self._traced = forward_pass(model)

    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        return np.asarray(self._traced(images_bhwc.astype(np.float32)))


def load(path: Path, threads: int = 0, layers: str = "") -> KerasModel:
    """Loads a file that holds Keras's own layers only, or those of a text that is trusted.

    Raises:
        ModelError: It is no complete model, not one of ours, or holds code.
    """
    load_tensorflow()

    from models.export import load_model

    limit_tensorflow(threads)
    model = load_model(path, layers or None)
    return KerasModel(model, _metadata(model, path))


def _metadata(model: keras.Model, path: Path) -> Metadata:
    from models.export import class_names, input_size_px, reading_text

    with zipfile.ZipFile(path) as archive:
        if MEMBER in archive.namelist():
            return read_from_archive(path)
    return Metadata(  # a file of an earlier version
        classes=tuple(class_names(model)),
        reading=read_reading(reading_text(model)),
        image_size_px=input_size_px(model),
    )
