"""What a network looked at, by Grad-CAM.

Selvaraju et al. 2017, "Grad-CAM: Visual Explanations from Deep Networks via Gradient-based
Localization".
The last feature map of the network is weighed by how much each of its channels raises the logit of
a class. It is found by its shape, so that any backbone will do; of a transformer it is the last
sequence of tokens that form a square.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
import numpy.typing as npt
import tensorflow as tf
from PIL import Image

BATCH = 16
_COLOURS = ((13, 8, 135), (126, 3, 168), (204, 71, 120), (248, 149, 64), (240, 249, 33))
"""Of heat 0 to 1: Matplotlib's "plasma", whose brightness rises evenly, in five steps."""


def heat_maps(
    model: keras.Model, images: Sequence[npt.NDArray[np.uint8]], classes: Sequence[int]
) -> list[npt.NDArray[np.float32]]:
    """Returns where the reason for a class is in each image, (h', w') in [0, 1].

    Args:
        model: A whole model, as `models.export.whole_model` makes it.
        images: Images (h, w, 3), 0..255, all of one size.
        classes: The class that is asked about, one an image.

    Returns:
        One map an image; none where the network has no feature map.
    """
    found = _feature_map(model)
    if found is None:
        return []
    features, tokens = found
    logits = model.get_layer("logits").output
    inner = keras.Model(model.inputs, [features, logits])
    maps: list[npt.NDArray[np.float32]] = []
    for begin in range(0, len(images), BATCH):
        batch = np.stack(images[begin : begin + BATCH]).astype(np.float32)
        maps += list(_maps(inner, batch, np.asarray(classes[begin : begin + BATCH]), tokens))
    return maps


def _feature_map(model: keras.Model) -> tuple[Any, int] | None:
    """Returns the last output that has places, and how many of its tokens have none."""
    for operation in reversed(model.operations):
        shape: tuple[Any, ...] = getattr(operation.output, "shape", ())
        if len(shape) == 4 and None not in shape[1:3] and shape[1] * shape[2] > 1:
            return operation.output, 0
        if len(shape) == 3 and shape[1] and shape[1] > 3:
            for extra in (0, 1):  # a class token comes first
                if math.isqrt(shape[1] - extra) ** 2 == shape[1] - extra:
                    return operation.output, extra
    return None


def _maps(
    inner: keras.Model, batch: np.ndarray, classes: np.ndarray, tokens: int
) -> npt.NDArray[np.float32]:
    images = tf.constant(batch)
    with tf.GradientTape() as tape:
        tape.watch(images)  # and so everything that is computed from them
        features, logits = inner(images, training=False)
        if logits.shape[1] == 1:  # a sigmoid unit: the log-odds of the second class
            asked = logits[:, 0] * tf.constant(np.where(classes == 1, 1.0, -1.0), tf.float32)
        else:
            asked = tf.gather(logits, classes, axis=1, batch_dims=1)
    gradients = tape.gradient(asked, features)
    if len(features.shape) == 3:
        features, gradients = (_square(part[:, tokens:]) for part in (features, gradients))
    weights = tf.reduce_mean(gradients, axis=(1, 2), keepdims=True)
    heat = tf.nn.relu(tf.reduce_sum(weights * features, axis=-1)).numpy()
    most = heat.max(axis=(1, 2), keepdims=True)
    return np.asarray(heat / np.where(most > 0, most, 1.0), np.float32)


def _square(tokens_btc: tf.Tensor) -> tf.Tensor:
    side = math.isqrt(tokens_btc.shape[1])
    return tf.reshape(tokens_btc, (-1, side, side, tokens_btc.shape[2]))


def overlay(image: Image.Image, heat: npt.NDArray[np.float32]) -> Image.Image:
    """Returns an image with a heat map laid over it, which is stretched to its size."""
    small = Image.fromarray(np.uint8(255 * np.clip(heat, 0, 1)))
    share = np.asarray(small.resize(image.size, Image.Resampling.BICUBIC), np.float32) / 255
    steps = np.linspace(0, 1, len(_COLOURS))
    colours = np.stack(
        [np.interp(share, steps, channel) for channel in zip(*_COLOURS, strict=True)], -1
    )
    alpha = 0.25 + 0.4 * share[..., None]
    return Image.fromarray(np.uint8((1 - alpha) * np.asarray(image) + alpha * colours))
