"""What comes after a backbone: pooling, dense layers, dropout, logits."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from models.backbone import Output
from models.config import ModelConfig


class VariableDropout(layers.Layer):
    """Dropout (Srivastava et al. 2014) whose rate is a variable.

    Trials that differ in the rate alone can thus share one traced training step. Never part of an
    exported model.
    """

    def __init__(self, rate: keras.Variable, name: str) -> None:
        """Takes the float32 scalar that holds the rate, in [0, 1); it must not be autocast."""
        super().__init__(name=name)
        # As an attribute it would count as one of the model's weights.
        self._read_rate: Callable[[], keras.Variable] = lambda: rate
        self.seed_generator = keras.random.SeedGenerator(name=f"{name}_seed")

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Zeroes a share of the inputs while training and scales up the others."""
        if not training:
            return inputs
        rate = self._read_rate()
        # Drawn in float32, as bfloat16 knows only a few hundred different rates.
        draw = keras.random.uniform(
            keras.ops.shape(inputs), dtype="float32", seed=self.seed_generator
        )
        scale = keras.ops.cast(1.0 / (1.0 - rate), inputs.dtype)
        return keras.ops.where(draw >= rate, inputs * scale, keras.ops.zeros_like(inputs))

    def compute_output_shape(self, input_shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """The shape of the inputs."""
        return input_shape


class Head(keras.Model):
    """The trained part of a network: what is trained of the backbone, then the top.

    A pretrained trunk runs in inference mode even while it is trained: its batch normalisation
    keeps ImageNet's statistics, as Keras's guide to transfer learning advises. A functional model
    cannot say that, since its `training` argument overrides those of the layers within.
    """

    def __init__(self, trunk: keras.Model, top: keras.Model, *, inference_trunk: bool) -> None:
        """Joins two models, of which the second takes what the first returns."""
        super().__init__()
        self.trunk = trunk
        self.top = top
        self.inference_trunk = inference_trunk
        self.built = True

    def call(self, inputs: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        """Logits, (b, units), float32."""
        features = self.trunk(inputs, training=training and not self.inference_trunk)
        return self.top(features, training=training)


def pool(features_bhwc: keras.KerasTensor, pooling: str) -> keras.KerasTensor:
    """A vector an image from a feature map: its mean, its maximum, or all of it.

    What is a vector already stays as it is.
    """
    if len(features_bhwc.shape) == 2:
        return features_bhwc
    rows = {
        "avg": layers.GlobalAveragePooling2D,
        "max": layers.GlobalMaxPooling2D,
        "flatten": layers.Flatten,
    }
    return rows[pooling](name="head_pooling")(features_bhwc)


def classify(
    vector_bc: keras.KerasTensor, config: ModelConfig, dropout: Callable[[str], layers.Layer]
) -> keras.KerasTensor:
    """Dense layers with dropout, then the output layer.

    Args:
        vector_bc: Symbolic pooled features.
        config: Widths, classes and kind of output.
        dropout: Makes one dropout layer of a name.

    Returns:
        Symbolic logits, (b, classes) for softmax and (b, 1) for sigmoid, float32.
    """
    x = vector_bc
    for number, width in enumerate(config.head_widths, start=1):
        x = layers.Dense(width, activation="relu", name=f"head_dense{number}")(x)
        x = dropout(f"head_dropout{number}")(x)
    if not config.head_widths:
        x = dropout("head_dropout")(x)
    units = 1 if config.output == "sigmoid" else config.classes
    return layers.Dense(units, dtype="float32", name="logits")(x)


def to_logits(outputs: keras.KerasTensor, output: Output) -> keras.KerasTensor:
    """Symbolic logits, float32, of a network that has its own output.

    Of probabilities it is their logarithm, within the bounds that Keras's own losses keep, so that
    the cross-entropy is the same as of the probabilities themselves.
    """
    x = keras.ops.cast(outputs, "float32")
    if output == "logits":
        return x
    least = keras.config.epsilon()
    share = keras.ops.clip(x, least, 1.0 - least)
    logits = keras.ops.log(share)
    return logits if output == "softmax" else logits - keras.ops.log(1.0 - share)


def to_probabilities(outputs: keras.KerasTensor, output: Output, name: str) -> keras.KerasTensor:
    """Symbolic probabilities, float32, of a network that has its own output, in a named layer."""
    kind = "linear" if output != "logits" else "sigmoid" if outputs.shape[-1] == 1 else "softmax"
    return layers.Activation(kind, dtype="float32", name=name)(outputs)
