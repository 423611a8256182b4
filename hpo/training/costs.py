"""What a trial's model costs its users: measured once a network, as it would be exported."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from models.catalogue import Catalogue
from models.config import ModelConfig
from models.export import whole_model

WARM_UP, REPEATS = 3, 20
"""Images before the clock starts, and images of which the median counts."""


def measure(config: ModelConfig, catalogue: Catalogue) -> dict[str, float]:
    """Returns every cost of a network, by its row in `studies.metrics.COSTS`.

    Neither depends on the weights, so they are random.

    Args:
        config: The network.
        catalogue: Where its backbone is looked up.
    """
    names = [str(number) for number in range(config.classes)]
    model = whole_model(config, class_names=names, catalogue=catalogue)
    return measure_model(model, config.image_size_px)


def measure_model(model: keras.Model, size_px: int) -> dict[str, float]:
    """Returns every cost of a model.

    - `latency`: milliseconds from one raw image of the network's own size to its probabilities, in
      float32, on this device. Other work on the machine adds to it.
    - `size`: megabytes (a million bytes) of the `.keras` file.

    Args:
        model: From raw images to probabilities.
        size_px: Height and width of the image that it is given.
    """
    forward = tf.function(
        lambda images: model(images, training=False), [tf.TensorSpec((1, size_px, size_px, 3))]
    )
    image = tf.zeros((1, size_px, size_px, 3))
    times_s = []
    for _ in range(WARM_UP + REPEATS):
        began_s = time.perf_counter()
        np.asarray(forward(image))
        times_s.append(time.perf_counter() - began_s)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.keras"
        model.save(path)
        size_bytes = path.stat().st_size
    return {
        "latency": round(1000 * statistics.median(times_s[WARM_UP:]), 3),
        "size": round(size_bytes / 1e6, 3),
    }
