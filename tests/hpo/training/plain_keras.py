"""System A as a notebook would hold it: plain Keras, with the augmentation as layers in front."""

from __future__ import annotations

import math

import keras
from keras import layers

from data_pipeline.config import AugmentConfig


def system_a(
    size_px: int, classes: int, augment: AugmentConfig, *, sigmoid: bool = False
) -> keras.Sequential:
    """Returns the network, compiled with Adam at 0.001.

    Args:
        size_px: Height and width of the images, which are RGB from 0 to 255.
        classes: Number of classes.
        augment: What is done to the training images, see `augmentation_layers`.
        sigmoid: Whether two classes have one sigmoid unit instead of two softmax units.
    """
    model = keras.Sequential(
        [
            keras.Input((size_px, size_px, 3)),
            *augmentation_layers(augment),
            layers.Rescaling(1 / 255),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(1, activation="sigmoid")
            if sigmoid
            else layers.Dense(classes, activation="softmax"),
        ]
    )
    loss = "binary_crossentropy" if sigmoid else "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(1e-3), loss, metrics=["accuracy"])
    return model


def augmentation_layers(augment: AugmentConfig) -> list[keras.layers.Layer]:
    """Returns Keras's layers for an augmentation that mirrors, turns and shifts, perhaps more."""
    assert augment.flip_horizontal
    fill = augment.fill
    chain = [
        layers.RandomFlip("horizontal"),
        layers.RandomRotation(augment.rotation_deg / 360, fill_mode=fill),
        layers.RandomTranslation(augment.height_shift, augment.width_shift, fill_mode=fill),
    ]
    if augment.zoom:
        chain.append(layers.RandomZoom(augment.zoom, fill_mode=fill))
    if augment.shear_deg:
        chain.append(layers.RandomShear(math.tan(math.radians(augment.shear_deg)), fill_mode=fill))
    low, high = augment.brightness
    if (low, high) != (1.0, 1.0):
        chain.append(layers.RandomBrightness((low - 1.0, high - 1.0)))
    return chain
