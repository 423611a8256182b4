"""Antialiased resizing in operations that every runtime knows."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from data_pipeline.reading import Resize


def to_squares(images_bhwc: Any, size_px: int, how: Resize) -> Any:
    """Makes images squares as `keras.layers.Resizing(antialias=True)` does.

    Keras does it with TensorFlow's `ScaleAndTranslate`, which neither LiteRT nor ONNX has. It is
    linear in the pixels and separable, so here it is a product with one matrix a side, and the
    matrices are computed from the images' size.

    Args:
        images_bhwc: Images of one size, of any dtype.
        size_px: Height and width that come out.
        how: As in `data_pipeline.reading.Reading`, with Keras's rounding.

    Returns:
        Float32 images (b, size_px, size_px, 3).
    """
    shape = tf.shape(images_bhwc)
    batch, height, width = shape[0], shape[1], shape[2]
    rows, columns = _matrix(height, width, size_px, how), _matrix(width, height, size_px, how)
    x = tf.cast(images_bhwc, tf.float32)
    x = tf.matmul(rows, tf.reshape(x, [batch, height, width * 3]))
    x = tf.matmul(columns, tf.reshape(x, [batch * size_px, width, 3]))
    return tf.reshape(x, [batch, size_px, size_px, 3])


def _matrix(length: Any, other: Any, size_px: int, how: Resize) -> Any:
    """Returns the weights (size_px, length) of the pixels of one side.

    A weight falls linearly with the distance to the middle of the pixel that comes out, and is 0
    from `scale` pixels on, or from one pixel on where an image is enlarged.
    """
    if how == "pad":  # black pixels have weights too, though they add nothing
        before = tf.maximum(other - length, 0) // 2
        first, extent = before, length + 2 * before
    elif how == "crop":
        extent = tf.minimum(length, other)
        first = -((length - extent) // 2)
    else:
        first, extent = tf.zeros_like(length), length
    extent_f = tf.cast(extent, tf.float32)
    scale = extent_f / size_px
    middles = (tf.range(size_px, dtype=tf.float32) + 0.5) * scale
    pixels = tf.range(extent_f) + 0.5
    distances = tf.abs(middles[:, tf.newaxis] - pixels) / tf.maximum(scale, 1.0)
    weights = tf.maximum(1.0 - distances, 0.0)
    weights /= tf.reduce_sum(weights, axis=1, keepdims=True)
    if how == "pad":
        return weights[:, first : first + length]
    if how == "crop":
        return tf.pad(weights, [[0, 0], [-first, length - extent + first]])
    return weights
