"""Convolutional bodies that are trained from random weights, as functions of their input.

Every layer has a name of its own, as Keras's automatic ones count on through the whole process:
TensorFlow would keep a little memory for each new name, and a body is built once a trial.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import keras
from keras import layers

# Only where a trial is evaluated by moving averages (`training.batch_norm`) does this matter: those
# of Keras's 0.99 lag hundreds of steps behind. The hand-tuned networks and those of
# `keras.applications` keep the momentum that they were published with.
_BN_MOMENTUM = 0.9
_STEM_FROM_PX = 64


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
    stem_width: int | None = None,
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
        stem_width: Filters of the convolution that makes large images smaller first, see `_stem`;
            None has none.

    Returns:
        Symbolic feature map, (b, h', w', widths[-1][-1]).
    """
    if stem_width is not None and x.shape[1] >= _STEM_FROM_PX:
        x = _stem(x, stem_width)
    convolutions = sum(len(stage) for stage in widths)
    paddings = [padding] * (convolutions - 1) + [last_padding or padding]
    kernels_px = [first_kernel_px] + [3] * (convolutions - 1)
    for stage, filters in enumerate(widths, start=1):
        for number, width in enumerate(filters, start=1):
            name = f"stage{stage}_{number}"
            x = _conv(x, width, kernels_px.pop(0), paddings.pop(0), batch_norm, name)
        if last_pool or stage < len(widths):
            x = layers.MaxPooling2D(name=f"stage{stage}_pool")(x)
            if dropout:
                x = layers.Dropout(dropout, name=f"stage{stage}_dropout")(x)
    return x


def _stem(x: keras.KerasTensor, width: int) -> keras.KerasTensor:
    """Brings images of 64 px and more below that, by a convolution in steps of two and pooling.

    As the ImageNet networks of He et al. (2016) begin: what follows sees the sizes that it was made
    for, and costs a fourth. On 2,000 cats and dogs at 96 px that was not only sooner but better.
    """
    x = layers.ReLU(name="stem_relu")(_conv_bn(x, width, 3, "same", "stem", strides=2))
    while x.shape[1] >= _STEM_FROM_PX:
        x = layers.MaxPooling2D(padding="same", name=f"stem_pool{x.shape[1]}")(x)
    return x


def _conv(
    x: keras.KerasTensor, width: int, kernel_px: int, padding: str, batch_norm: str, name: str
) -> keras.KerasTensor:
    """One convolution with its ReLU and normalisation."""
    if batch_norm == "before_relu":
        return layers.ReLU(name=f"{name}_relu")(_conv_bn(x, width, kernel_px, padding, name))
    conv = layers.Conv2D(width, kernel_px, padding=padding, activation="relu", name=f"{name}_conv")
    x = conv(x)
    return layers.BatchNormalization(name=f"{name}_bn")(x) if batch_norm == "after_relu" else x


def _conv_bn(
    x: keras.KerasTensor, width: int, kernel_px: int, padding: str, name: str, strides: int = 1
) -> keras.KerasTensor:
    """One normalised convolution, without a bias as the normalisation has one."""
    conv = layers.Conv2D(width, kernel_px, strides, padding, use_bias=False, name=f"{name}_conv")
    return layers.BatchNormalization(momentum=_BN_MOMENTUM, name=f"{name}_bn")(conv(x))


def residual(x: keras.KerasTensor, *, widths: Sequence[int], blocks: int) -> keras.KerasTensor:
    """The CIFAR residual network (He et al. 2016, section 4.2) with projection shortcuts.

    Images of 64 px and more are brought below that first, see `_stem`.

    Args:
        x: Symbolic images, (b, h, w, c).
        widths: Filters of each stage; each stage but the first halves the image.
        blocks: Residual blocks a stage, two 3 x 3 convolutions each.

    Returns:
        Symbolic feature map, (b, h', w', widths[-1]).
    """
    if x.shape[1] >= _STEM_FROM_PX:
        x = _stem(x, widths[0])
    else:
        x = _conv(x, widths[0], 3, "same", "before_relu", "stem")
    for stage, width in enumerate(widths, start=1):
        for block in range(1, blocks + 1):
            strides = 2 if stage > 1 and block == 1 else 1
            x = _residual_block(x, width, strides, f"stage{stage}_block{block}")
    return x


def _residual_block(x: keras.KerasTensor, width: int, strides: int, name: str) -> keras.KerasTensor:
    """Two convolutions beside a shortcut, which is projected where the shape changes."""
    y = _conv_bn(x, width, 3, "same", f"{name}_1", strides)
    y = layers.ReLU(name=f"{name}_1_relu")(y)
    y = _conv_bn(y, width, 3, "same", f"{name}_2")
    if strides > 1 or x.shape[-1] != width:
        x = _conv_bn(x, width, 1, "same", f"{name}_shortcut", strides)
    return layers.ReLU(name=f"{name}_relu")(layers.Add(name=f"{name}_add")([x, y]))
