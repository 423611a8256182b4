"""What an exported model says about images, whole data sets or single files."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_pipeline.store import Examples
from hpo.runtimes.model import BATCH, to_probabilities
from models.export import class_names


def forward_pass(model: keras.Model) -> Any:
    """Returns a model's traced forward pass, from float32 images (b, h, w, 3) to its outputs.

    It is one trace for images of all sizes; Keras's `predict` would trace again for each.
    """
    images = tf.TensorSpec((None, None, None, 3), tf.float32)
    return tf.function(
        lambda images_bhwc: model(images_bhwc, training=False), input_signature=[images]
    )


class Classifier:
    """An exported model and its traced forward pass.

    Attributes:
        class_names: Names of the classes, in the order of the probabilities.
    """

    def __init__(self, model: keras.Model) -> None:
        self.class_names = class_names(model)
        self._forward = forward_pass(model)

    def split(self, split: Examples) -> np.ndarray:
        """Returns the probabilities (n, classes), float64, of the decoded images of a split."""
        batches = (split.rows[i : i + BATCH] for i in range(0, len(split), BATCH))
        parts = [self._probabilities(split.images_bhwc[rows]) for rows in batches]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.class_names)))

    def image(self, image_hwc: np.ndarray) -> np.ndarray:
        """Returns the probabilities (classes,), float64, of one RGB image of any size, 0..255.

        One at a time, as images of different sizes make no batch: 257 a second with a MobileNet at
        96 px on two cores, where decoding 640 x 480 JPEGs allows for about as many.
        """
        return np.asarray(self._probabilities(image_hwc[np.newaxis])[0])

    def _probabilities(self, images_bhwc: np.ndarray) -> np.ndarray:
        return to_probabilities(self._forward(images_bhwc.astype(np.float32)).numpy())
