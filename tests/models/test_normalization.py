"""The fused batch normalisation against Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from models.bodies import build_body
from models.catalogue import BUILT_IN
from models.config import ModelConfig
from models.network import build_network
from models.normalization import (
    FusedBatchNormalization,
    Offset,
    PopulationStatistics,
    fold,
    fuse,
)
from tests.models.random_weights import randomise

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


@pytest.mark.parametrize(
    ("backbone", "size_px", "left"),
    [
        ("mobilenet_0.25", 32, 0),
        ("mobilenet_v2_0.35", 32, 0),
        ("efficientnet_b0", 32, 0),
        ("resnet50", 32, 0),
        ("resnet50_v2", 32, 17),  # those before convolutions
    ],
)
def test_folded_networks_compute_the_same(backbone: str, size_px: int, left: int) -> None:
    """Up to rounding, with all normalisations gone that follow a convolution and nothing else."""
    body = build_body(BUILT_IN.find(backbone), keras.Input((size_px, size_px, 3)))
    randomise(body)
    fuse(body)
    images = np.random.default_rng(0).uniform(0, 255, (4, size_px, size_px, 3)).astype("float32")
    before = np.asarray(body(images, training=False))
    fold(body)
    after = np.asarray(body(images, training=False))
    np.testing.assert_allclose(after, before, rtol=1e-3, atol=1e-4 * np.abs(before).max())
    kinds = [type(layer) for layer in body.layers]
    assert kinds.count(FusedBatchNormalization) == left
    assert kinds.count(Offset) > 10


@pytest.mark.parametrize("use_bias", [True, False])
def test_a_convolution_is_folded_with_its_bias(use_bias: bool) -> None:
    """A bias is scaled too; one that another layer reads, or that is no longer linear, stays."""
    x = keras.Input((5, 4, 3))
    linear = layers.Conv2D(4, 3, use_bias=use_bias, bias_initializer="random_normal")
    y = layers.BatchNormalization()(linear(x))
    curved = layers.BatchNormalization()(layers.Conv2D(4, 1, activation="relu")(y))
    shared = layers.Conv2D(4, 1)(curved)
    model = keras.Model(x, layers.BatchNormalization()(shared) + shared)
    randomise(model)
    fuse(model)
    before = np.asarray(model(IMAGES, training=False))
    fold(model)
    np.testing.assert_allclose(np.asarray(model(IMAGES, training=False)), before, rtol=1e-4)
    kinds = [type(layer) for layer in model.layers if isinstance(layer, layers.BatchNormalization)]
    assert kinds == [Offset, FusedBatchNormalization, FusedBatchNormalization]


def _of_images(*parts: slice) -> tuple[keras.Model, list[np.ndarray]]:
    """A model whose statistics were taken from parts of the images, and its weights before."""
    x = keras.Input((5, 4, 3))
    y = layers.BatchNormalization(momentum=0.99)(layers.Conv2D(4, 3)(x))
    y = layers.GlobalAveragePooling2D()(layers.Dropout(0.9)(y))
    model = keras.Model(x, layers.BatchNormalization(momentum=0.99)(y))
    randomise(model)
    fuse(model)
    before = model.get_weights()
    statistics = PopulationStatistics(model)
    measure = tf.function(statistics.of_batch)
    statistics.update((len(IMAGES[p]), measure(tf.constant(IMAGES[p])).numpy()) for p in parts)
    return model, before


def test_population_statistics_are_those_of_all_images() -> None:
    """In one batch, mean and variance are what NumPy says, of maps and of vectors."""
    model, before = _of_images(slice(None))
    convolved = np.asarray(keras.Model(model.input, model.layers[1].output)(IMAGES))
    first, second = (x for x in model.layers if isinstance(x, layers.BatchNormalization))
    np.testing.assert_allclose(first.moving_mean, convolved.mean(axis=(0, 1, 2)), rtol=1e-4)
    np.testing.assert_allclose(first.moving_variance, convolved.var(axis=(0, 1, 2)), rtol=1e-4)
    pooled = np.asarray(keras.Model(model.input, second.input)(IMAGES, training=False))
    np.testing.assert_allclose(second.moving_mean, pooled.mean(axis=0), rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(second.moving_variance, pooled.var(axis=0), rtol=1e-3)
    assert (first.momentum, second.momentum) == (0.99, 0.99)
    trained = [np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True)]
    assert trained == [True, True, True, True, False, False, True, True, False, False]


def test_population_statistics_of_unequal_batches() -> None:
    """Batches count by their images, and the spread of their means belongs to the variance."""
    whole = _of_images(slice(None))[0].get_weights()
    parts = _of_images(slice(0, 4), slice(4, 6))[0].get_weights()
    # Only of the first layer: those after it see batches normalised each by its own statistics.
    np.testing.assert_allclose(parts[4], whole[4], rtol=1e-5)
    np.testing.assert_allclose(parts[5], whole[5], rtol=1e-5)


def test_population_statistics_draw_no_dropout() -> None:
    """They are used without dropout, and the random state that training goes on with stays."""
    model, _ = _of_images(slice(None))
    (state,) = (v for v in model.variables if "seed" in v.path)
    other, _ = _of_images(slice(None))
    (untouched,) = (v for v in other.variables if "seed" in v.path)
    assert np.asarray(state)[1] == np.asarray(untouched)[1] == 0
    assert [x.rate for x in model.layers if isinstance(x, layers.Dropout)] == [0.9]
    for a, b in zip(model.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_array_equal(a, b)
