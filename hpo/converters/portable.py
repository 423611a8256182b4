"""A model's forward pass in operations that other runtimes know."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from data_pipeline.reading import Resize
from hpo.converters.resizing import to_squares

INPUT, OUTPUT = "images", "probabilities"


@dataclass(frozen=True)
class Halves:
    """A model in two traced functions.

    Attributes:
        resizing: From uint8 images (b, h, w, 3) to float32 squares.
        network: From those to float32 (b, classes).
    """

    resizing: Any
    network: Any


def forward(model: keras.Model) -> Any:
    """Returns a traced function from uint8 images (b, h, w, 3) to float32 (b, classes).

    The images may have any size where the model takes any. Of a sigmoid unit it returns the
    probabilities of both classes.
    """
    portable = keras.models.clone_model(model, clone_function=_replaced, recursive=True)
    images = tf.TensorSpec(model.input_shape, tf.uint8, name=INPUT)
    return _traced(lambda pixels: portable(tf.cast(pixels, tf.float32), training=False), images)


def split(model: keras.Model) -> Halves | None:
    """Returns a model's resizing and the rest; None where it does not begin with just one."""
    resizings = [layer for layer in model.layers if isinstance(layer, keras.layers.Resizing)]
    if len(resizings) != 1 or resizings[0] is not model.layers[1]:
        return None
    first = resizings[0]
    squares = _replaced(first)
    network = keras.Model(first.output, model.output)
    return Halves(
        resizing=tf.function(
            lambda pixels: {OUTPUT: squares(tf.cast(pixels, tf.float32))},
            input_signature=[tf.TensorSpec(model.input_shape, tf.uint8, name=INPUT)],
        ),
        network=_traced(
            lambda pixels: network(pixels, training=False),
            tf.TensorSpec(network.input_shape, tf.float32, name=INPUT),
        ),
    )


def _traced(network: Any, images: tf.TensorSpec) -> Any:
    def shares(pixels: Any) -> dict[str, Any]:
        found = network(pixels)
        if found.shape[1] == 1:
            found = tf.concat([1.0 - found, found], axis=1)
        return {OUTPUT: found}

    return tf.function(shares, input_signature=[images])


class _Squares(keras.layers.Layer):
    """Stands in for Keras's `Resizing`."""

    def __init__(self, size_px: int, how: Resize, name: str) -> None:
        super().__init__(name=name, dtype="float32")
        self.size_px, self.how = size_px, how

    def call(self, images: Any) -> Any:
        """Resizes."""
        return to_squares(images, self.size_px, self.how)

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Says how large they are then."""
        return (input_shape[0], self.size_px, self.size_px, 3)


def _replaced(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns the layer itself, so that no weight is copied, or what stands in for it."""
    if not isinstance(layer, keras.layers.Resizing):
        return layer
    how: Resize = "stretch"
    if layer.pad_to_aspect_ratio:
        how = "pad"
    elif layer.crop_to_aspect_ratio:
        how = "crop"
    return _Squares(layer.height, how, layer.name)
