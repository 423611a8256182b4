"""Tests of Grad-CAM."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from PIL import Image

from hpo.results.heat import heat_maps, overlay
from models.catalogue import BUILT_IN
from models.config import ModelConfig
from models.export import whole_model


def linear_model(output: str = "softmax") -> keras.Model:
    """A network of one convolution that does nothing, a mean and a dense layer."""
    inputs = keras.Input((8, 8, 3))
    same = keras.layers.Conv2D(3, 1, use_bias=False, name="same")(inputs)
    mean = keras.layers.GlobalAveragePooling2D()(same)
    units = 1 if output == "sigmoid" else 2
    logits = keras.layers.Dense(units, use_bias=False, name="logits")(mean)
    model = keras.Model(inputs, keras.layers.Activation(output)(logits))
    model.get_layer("same").set_weights([np.eye(3, dtype=np.float32)[None, None]])
    red_or_green = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]], np.float32)
    weights = red_or_green[:, 1:] - red_or_green[:, :1] if units == 1 else red_or_green
    model.get_layer("logits").set_weights([weights])
    return model


def two_spots() -> np.ndarray:
    """A black image, red at the top left and green at the bottom right."""
    image = np.zeros((8, 8, 3), np.uint8)
    image[:2, :2, 0] = 255
    image[6:, 6:, 1] = 255
    return image


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
def test_the_map_shows_what_speaks_for_the_class(output: str) -> None:
    """Of a linear network it is known: where its channel is."""
    red, green = heat_maps(linear_model(output), [two_spots()] * 2, [0, 1])
    assert red.shape == (8, 8)
    assert (red[:2, :2] == 1).all()
    assert red.sum() == 4
    assert (green[6:, 6:] == 1).all()
    assert green.sum() == 4


def test_a_network_of_tokens_has_a_map() -> None:
    """A class token before a square of others has no place in it."""
    inputs = keras.Input((8, 8, 3))
    patches = keras.layers.Conv2D(3, 2, strides=2)(inputs)
    tokens = keras.layers.Reshape((16, 3))(patches)
    tokens = keras.layers.ZeroPadding1D((1, 0))(tokens)
    logits = keras.layers.Dense(2, name="logits")(keras.layers.GlobalMaxPooling1D()(tokens))
    model = keras.Model(inputs, logits)
    (heat,) = heat_maps(model, [two_spots()], [1])
    assert heat.shape == (4, 4)


SMALL = ("cnn", "resnet_small")


@pytest.mark.parametrize(
    "name",
    [
        *SMALL,
        *(pytest.param(n, marks=pytest.mark.slow) for n in BUILT_IN if n not in SMALL),
    ],
)
def test_every_backbone_has_a_map(name: str) -> None:
    """Its last feature map is found by its shape."""
    size_px = max(32, BUILT_IN.find(name).min_size_px)
    config = ModelConfig(backbone=name, image_size_px=size_px, classes=3)
    model = whole_model(config, class_names=["a", "b", "c"])
    image = np.random.default_rng(0).integers(0, 256, (size_px, size_px, 3), np.uint8)
    (heat,) = heat_maps(model, [image], [2])
    assert heat.size > 1
    assert 0 <= heat.min() <= heat.max() <= 1


def test_the_picture_is_brighter_where_it_is_hot() -> None:
    """The image is still to be seen below."""
    grey = Image.new("RGB", (40, 20), (128, 128, 128))
    heat = np.zeros((2, 2), np.float32)
    heat[0, 1] = 1
    found = np.asarray(overlay(grey, heat)).astype(int).sum(axis=2)
    assert found.shape == (20, 40)
    assert found[2, 37] > found[17, 2] + 100
