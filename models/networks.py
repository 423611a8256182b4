"""Convolutional bodies that are trained from random weights, as functions of their input."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras
from keras import layers

# Keras's 0.99 lags hundreds of steps behind: a trial of a few short epochs would be validated, and
# pruned, on statistics of the initial weights. The hand-tuned networks keep Keras's default.
_BN_MOMENTUM = 0.9


def conv_stack(
    x: keras.KerasTensor,
    *,
    widths: Sequence[Sequence[int]],
    padding: Literal["same", "valid"] = "same",
    last_padding: Literal["same", "valid"] | None = None,
    first_kernel_px: int = 3,
    batch_norm: Literal["none", "before_relu", "after_relu"] = "none",
    dropout: float = 0.0,
    last_pool: bool = True,
) -> keras.KerasTensor:
    """Stages of 3 x 3 convolutions with ReLU, with 2 x 2 max pooling after each stage.

    Args:
        x: Symbolic images, (b, h, w, c).
        widths: For each stage the filters of each of its convolutions.
        padding: Padding of the convolutions.
        last_padding: Padding of the very last one, if it differs.
        first_kernel_px: Height and width of the very first kernel.
        batch_norm: Where each convolution is normalised (Ioffe & Szegedy 2015: before the ReLU).
        dropout: Rate of the dropout after each pooling.
        last_pool: Whether the last stage is pooled too.

    Returns:
        Symbolic feature map, (b, h', w', widths[-1][-1]).
    """
    convolutions = sum(len(stage) for stage in widths)
    paddings = [padding] * (convolutions - 1) + [last_padding or padding]
    kernels_px = [first_kernel_px] + [3] * (convolutions - 1)
    for stage, filters in enumerate(widths):
        for width in filters:
            x = _conv(x, width, kernels_px.pop(0), paddings.pop(0), batch_norm)
        if last_pool or stage < len(widths) - 1:
            x = layers.MaxPooling2D()(x)
            if dropout:
                x = layers.Dropout(dropout)(x)
    return x


def _conv(
    x: keras.KerasTensor, width: int, kernel_px: int, padding: str, batch_norm: str
) -> keras.KerasTensor:
    """One convolution with its ReLU and normalisation."""
    if batch_norm == "before_relu":
        x = layers.Conv2D(width, kernel_px, padding=padding, use_bias=False)(x)
        return layers.ReLU()(layers.BatchNormalization(momentum=_BN_MOMENTUM)(x))
    x = layers.Conv2D(width, kernel_px, padding=padding, activation="relu")(x)
    return layers.BatchNormalization()(x) if batch_norm == "after_relu" else x


def residual(x: keras.KerasTensor, *, widths: Sequence[int], blocks: int) -> keras.KerasTensor:
    """The CIFAR residual network (He et al. 2016, section 4.2) with projection shortcuts.

    Args:
        x: Symbolic images, (b, h, w, c).
        widths: Filters of each stage; each stage but the first halves the image.
        blocks: Residual blocks a stage, two 3 x 3 convolutions each.

    Returns:
        Symbolic feature map, (b, h', w', widths[-1]).
    """
    x = _conv(x, widths[0], 3, "same", "before_relu")
    for stage, width in enumerate(widths):
        for block in range(blocks):
            x = _residual_block(x, width, strides=2 if stage > 0 and block == 0 else 1)
    return x


def _residual_block(x: keras.KerasTensor, width: int, strides: int) -> keras.KerasTensor:
    """Two convolutions beside a shortcut, which is projected where the shape changes."""
    y = layers.Conv2D(width, 3, strides=strides, padding="same", use_bias=False)(x)
    y = layers.ReLU()(layers.BatchNormalization(momentum=_BN_MOMENTUM)(y))
    y = layers.Conv2D(width, 3, padding="same", use_bias=False)(y)
    y = layers.BatchNormalization(momentum=_BN_MOMENTUM)(y)
    if strides > 1 or x.shape[-1] != width:
        x = layers.Conv2D(width, 1, strides=strides, use_bias=False)(x)
        x = layers.BatchNormalization(momentum=_BN_MOMENTUM)(x)
    return layers.ReLU()(layers.Add()([x, y]))
