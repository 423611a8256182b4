"""Reads `.keras` files, with Keras on TensorFlow."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from data_pipeline.reading import read_reading
from hpo.quiet import load_tensorflow
from hpo.runtimes.metadata import KEY, Metadata, read_metadata
from hpo.runtimes.model import Images, Model

if TYPE_CHECKING:
    import keras

MEMBER = f"{KEY}.json"
"""The file within a `.keras` archive that holds the metadata; Keras passes over it."""


class KerasModel(Model):
    """A Keras model, with one traced forward pass for images of all sizes."""

    def __init__(self, model: keras.Model, metadata: Metadata) -> None:
        super().__init__(metadata)
        from hpo.runtimes.classifier import forward_pass

        self._traced = forward_pass(model)

    def _forward(self, images_bhwc: Images) -> npt.NDArray[np.float32]:
        return np.asarray(self._traced(images_bhwc.astype(np.float32)))


def load(path: Path, threads: int = 0) -> KerasModel:
    """Loads a file that holds Keras's own layers only.

    Raises:
        ModelError: It is no complete model, not one of ours, or holds code.
    """
    load_tensorflow()

    from models.export import load_model

    _set_threads(threads)
    model = load_model(path)
    return KerasModel(model, _metadata(model, path))


def _set_threads(threads: int) -> None:
    import tensorflow as tf

    if threads:  # TensorFlow refuses this once it has computed anything
        tf.config.threading.set_intra_op_parallelism_threads(threads)


def _metadata(model: keras.Model, path: Path) -> Metadata:
    from models.export import class_names, input_size_px, reading_text

    with zipfile.ZipFile(path) as archive:
        if MEMBER in archive.namelist():
            return read_metadata(archive.read(MEMBER).decode(errors="replace"), str(path))
    return Metadata(  # a file of an earlier version
        classes=tuple(class_names(model)),
        reading=read_reading(reading_text(model)),
        image_size_px=input_size_px(model),
    )
