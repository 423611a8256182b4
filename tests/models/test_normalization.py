"""The fused batch normalisation against Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models.config import ModelConfig
from models.network import build_network
from models.normalization import FusedBatchNormalization, fuse

IMAGES = np.random.default_rng(0).normal(2.0, 3.0, (6, 5, 4, 3)).astype("float32")


def _pair(**kwargs: bool) -> tuple[keras.Model, keras.Model]:
    """The same layer twice, fused in the second."""
    models = []
    for _ in range(2):
        x = keras.Input((5, 4, 3))
        models.append(keras.Model(x, layers.BatchNormalization(momentum=0.9, **kwargs)(x)))
    fuse(models[1])
    weights = [np.random.default_rng(1).uniform(0.5, 2.0, w.shape) for w in models[0].weights]
    for model in models:
        model.set_weights(weights)
    return models[0], models[1]


@pytest.mark.parametrize("kwargs", [{}, {"scale": False}, {"center": False}], ids=str)
@pytest.mark.parametrize("training", [True, False])
def test_outputs_gradients_and_statistics_are_those_of_keras(
    kwargs: dict[str, bool], training: bool
) -> None:
    """Whether it normalises by the batch or by the moving statistics."""
    found = []
    for model in _pair(**kwargs):
        images = tf.constant(IMAGES)
        with tf.GradientTape() as tape:
            tape.watch(images)
            loss = tf.reduce_sum(tf.sin(model(images, training=training)))
        gradients = tape.gradient(loss, [images, *model.trainable_variables])
        found.append([*map(np.asarray, gradients), *model.get_weights(), np.asarray(loss)])
    for keras_value, ours in zip(*found, strict=True):
        np.testing.assert_allclose(ours, keras_value, rtol=1e-4, atol=1e-5)


def test_a_frozen_layer_keeps_its_statistics() -> None:
    """A layer that is not trainable normalises by them even while the rest is trained."""
    _, fused = _pair()
    fused.trainable = False
    before = fused.get_weights()
    fused(IMAGES, training=True)
    for value, after in zip(before, fused.get_weights(), strict=True):
        np.testing.assert_array_equal(after, value)


def test_half_precision_in_and_out_with_statistics_in_float32() -> None:
    """A large mean would be lost in bfloat16's eight bits."""
    x = keras.Input((5, 4, 3))
    model = keras.Model(x, layers.BatchNormalization(momentum=0.0, dtype="mixed_bfloat16")(x))
    fuse(model)
    images = np.float32(IMAGES.astype(tf.bfloat16.as_numpy_dtype))
    assert model(images, training=True).dtype == tf.bfloat16
    moving_mean, moving_variance = model.get_weights()[2:]
    np.testing.assert_allclose(moving_mean, images.mean(axis=(0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(moving_variance, images.var(axis=(0, 1, 2)), rtol=1e-4)


def test_every_trained_network_is_fused() -> None:
    """And the normalisation of vectors, which the kernel does not take, is left alone."""
    network = build_network(
        ModelConfig(backbone="resnet_small", image_size_px=32, classes=2), seed=0
    )
    kinds = {type(layer) for layer in network.head.trunk.layers}
    assert FusedBatchNormalization in kinds
    assert layers.BatchNormalization not in kinds
    x = keras.Input((3,))
    vector = keras.Model(x, layers.BatchNormalization()(x))
    fuse(vector)
    assert type(vector.layers[1]) is layers.BatchNormalization
