"""System A as a notebook would hold it: plain Keras, with the augmentation as layers in front."""

from __future__ import annotations

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
        augment: The ranges of rotation and shifts; images are mirrored.
        sigmoid: Whether two classes have one sigmoid unit instead of two softmax units.
    """
    assert augment.flip_horizontal
    shifts = augment.height_shift, augment.width_shift
    model = keras.Sequential(
        [
            keras.Input((size_px, size_px, 3)),
            layers.RandomFlip("horizontal"),
            layers.RandomRotation(augment.rotation_deg / 360, fill_mode=augment.fill),
            layers.RandomTranslation(*shifts, fill_mode=augment.fill),
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
