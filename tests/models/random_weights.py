"""Weights with which every layer matters: initial ones leave normalisation near the identity."""

import h5py
import keras
import numpy as np
from keras.src.legacy.saving.legacy_h5_format import save_weights_to_hdf5_group

from models.bodies import build_body
from models.catalogue import BUILT_IN


def randomise(model: keras.Model, seed: int = 0) -> None:
    """Gives every weight a random value that keeps activations of ordinary size."""
    rng = np.random.default_rng(seed)
    for variable in model.weights:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            fan_in = np.prod(shape[:2] if shape[-1] == 1 else shape[:-1])
            variable.assign(rng.normal(0, np.sqrt(2 / fan_in), shape))
        elif "variance" in variable.name or "gamma" in variable.name:
            variable.assign(rng.uniform(0.5, 1.5, shape))
        elif len(shape) == 1:
            variable.assign(rng.normal(0, 0.1, shape))


def write_weights(backbone: str, image_size_px: int, seed: int = 1) -> None:
    """Writes a file where Keras would put a backbone's weights, with random ones of a seed."""
    row = BUILT_IN.find(backbone)
    assert row.weights is not None
    body = build_body(row, keras.Input((image_size_px, image_size_px, 3)))
    randomise(body, seed)
    row.weights.folder.mkdir(parents=True, exist_ok=True)
    with h5py.File(row.weights.folder / row.weights.file_name, "w") as file:
        save_weights_to_hdf5_group(file, body)
