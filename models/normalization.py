"""Batch normalisation: in one operation or in none, and with the statistics of the weights."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers


class FusedBatchNormalization(layers.BatchNormalization):
    """Keras's batch normalisation of (b, h, w, c), computed by TensorFlow's fused kernel.

    Keras converts a half-precision feature map to float32 and goes over it once for each of mean,
    variance, scale and offset; that took a third of the training step of a residual network on two
    cores. The kernel reads and writes half precision and keeps the statistics in float32. Never
    part of an exported model, as `fuse` is for networks that are trained.
    """

    def call(
        self, inputs: keras.KerasTensor, training: bool = False, mask: None = None
    ) -> keras.KerasTensor:
        """Normalises by the batch while training, and by the moving statistics otherwise."""
        batch = bool(training and self.trainable)
        nothing = tf.zeros([0])
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma if self.scale else tf.ones_like(self.moving_mean),
            offset=self.beta if self.center else tf.zeros_like(self.moving_mean),
            mean=nothing if batch else self.moving_mean,
            variance=nothing if batch else self.moving_variance,
            epsilon=self.epsilon,
            is_training=batch,
        )
        if batch:
            # The kernel's variance is that of a sample; Keras keeps that of the batch itself.
            count = tf.cast(tf.size(inputs) / inputs.shape[-1], tf.float32)
            self._follow(self.moving_mean, mean)
            self._follow(self.moving_variance, variance * (count - 1.0) / count)
        return outputs

    def _follow(self, moving: keras.Variable, latest: tf.Tensor) -> None:
        moving.assign(moving * self.momentum + latest * (1.0 - self.momentum))


def fuse(model: keras.Model) -> None:
    """Makes every batch normalisation of a model's feature maps the fused one.

    The layers stay the same objects with another class: a copy would draw new weights and seeds.
    """
    for layer in model.layers:
        fits = type(layer) is layers.BatchNormalization and layer.input_spec.ndim == 4
        if fits and layer.axis in (-1, 3) and not (layer.renorm or layer.synchronized):
            layer.__class__ = FusedBatchNormalization


class PopulationStatistics:
    """Batch normalisation's statistics for the weights as they are.

    Keras evaluates by moving averages over the steps gone by, and so by statistics of weights that
    are no more: after a few large steps a network can be at chance by them that is not. The
    "precise" batch normalisation of Wu & Johnson (2021, section 3) takes them anew instead: it
    normalises batches as in training and aggregates their means and variances to those of all
    images together.

    Attributes:
        layers: The batch normalisations that training changes.
    """

    def __init__(self, trunk: keras.Model) -> None:
        """Takes a model that is trained with batch statistics."""
        found = list(_flat(trunk))
        self.layers: Sequence[layers.BatchNormalization] = [
            layer
            for layer in found
            if isinstance(layer, layers.BatchNormalization) and layer.trainable
        ]
        self._trunk = trunk
        self._dropouts = [layer for layer in found if isinstance(layer, _DROPOUTS)]

    def of_batch(self, inputs: Any) -> Any:
        """Returns means and variances of one batch, (2, channels of all layers), in a graph.

        The layers' moving statistics are changed by it.
        """
        with (
            # By a momentum of 0 a layer takes the batch's own statistics for the moving ones.
            _replaced(self.layers, "momentum", 0.0),
            # The statistics are used without dropout, under which variances are larger.
            _replaced(self._dropouts, "rate", 0.0),
        ):
            self._trunk(inputs, training=True)
        return tf.stack(
            [
                tf.concat([tf.convert_to_tensor(layer.moving_mean) for layer in self.layers], 0),
                tf.concat(
                    [tf.convert_to_tensor(layer.moving_variance) for layer in self.layers], 0
                ),
            ]
        )

    def update(self, batches: Iterable[tuple[int, np.ndarray]]) -> None:
        """Sets the layers' statistics to those of all batches together.

        Args:
            batches: Size of each batch and what `of_batch` returned for it.
        """
        images, mean, square = 0, np.zeros(1), np.zeros(1)
        for size, (batch_mean, batch_variance) in batches:
            # In float64, as the variance is a small difference of large sums.
            batch_mean = batch_mean.astype(np.float64)
            mean = mean + size * batch_mean
            square = square + size * (batch_variance + batch_mean**2)
            images += size
        mean, square = mean / images, square / images
        variance = np.maximum(square - mean**2, 0.0)
        begin = 0
        for layer in self.layers:
            channels = slice(begin, begin + layer.moving_mean.shape[0])
            layer.moving_mean.assign(mean[channels])
            layer.moving_variance.assign(variance[channels])
            begin = channels.stop


_DROPOUTS = (layers.Dropout, layers.GaussianDropout, layers.AlphaDropout)


def _flat(model: keras.Model) -> Iterator[layers.Layer]:
    """Yields a model's layers, those of models within it instead of these."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from _flat(layer)
        else:
            yield layer


@contextmanager
def _replaced(of: Sequence[layers.Layer], attribute: str, value: float) -> Iterator[None]:
    """Sets an attribute of layers for what is traced inside."""
    before = [getattr(layer, attribute) for layer in of]
    for layer in of:
        setattr(layer, attribute, value)
    try:
        yield
    finally:
        for layer, own in zip(of, before, strict=True):
            setattr(layer, attribute, own)


class Offset(layers.BatchNormalization):
    """What is left of a batch normalisation once `fold` has scaled the convolution before it."""

    def call(
        self, inputs: keras.KerasTensor, training: bool = False, mask: None = None
    ) -> keras.KerasTensor:
        """Adds the offset of each channel, which TensorFlow fuses with the convolution."""
        return tf.nn.bias_add(inputs, tf.cast(self.moving_mean, inputs.dtype))


def fold(model: keras.Model) -> None:
    """Makes the batch normalisations of a model that never changes part of its convolutions.

    Normalising by fixed statistics is a scale and an offset of each channel (Jacob et al. 2018,
    section 3.2). The convolution takes the scale into its kernel, and TensorFlow runs it, the
    offset and the activation as one operation. The model computes the same up to rounding; its
    weights are others, so it is good for nothing but computing.
    """
    for layer in model.layers:
        below = _only_input_of(layer) if isinstance(layer, FusedBatchNormalization) else None
        if below is not None and _is_linear_convolution(below):
            _fold(below, layer)


def _only_input_of(layer: layers.Layer) -> layers.Layer | None:
    """Returns the layer that feeds this one and no other."""
    below = layer.input._keras_history.operation
    return below if len(below._outbound_nodes) == 1 else None


def _is_linear_convolution(layer: layers.Layer) -> bool:
    kinds = (layers.Conv2D, layers.DepthwiseConv2D)
    return type(layer) in kinds and layer.activation is keras.activations.linear


def _fold(convolution: layers.Layer, normalization: FusedBatchNormalization) -> None:
    spread = np.sqrt(_values(normalization.moving_variance) + normalization.epsilon)
    scale = (_values(normalization.gamma) if normalization.scale else 1.0) / spread
    offset = _values(normalization.beta) if normalization.center else 0.0
    offset = offset - _values(normalization.moving_mean) * scale
    kernel = _values(convolution.kernel)
    per_output = kernel.shape[2:] if isinstance(convolution, layers.DepthwiseConv2D) else (-1,)
    convolution.kernel.assign(kernel * scale.reshape(per_output))
    if convolution.use_bias:
        convolution.bias.assign(_values(convolution.bias) * scale)
    normalization.moving_mean.assign(offset)
    normalization.__class__ = Offset


def _values(variable: keras.Variable) -> np.ndarray:
    return np.asarray(keras.ops.convert_to_numpy(variable))
