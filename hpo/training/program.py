"""One network shape with its traced steps, shared by all trials of that shape.

Tracing a step costs as much as several epochs of a small network. What differs between trials of
one shape (learning rate, weight decay, L2, dropout rate, weights, optimizer state) lives in
variables; `reset` sets them all, so that a trial's result does not depend on the trials before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_pipeline.batches import EvalBatch
from models import variables
from models.catalogue import BUILT_IN, Catalogue
from models.config import ModelConfig, OptimizerConfig
from models.heads import Head
from models.network import (
    build_network,
    count_parameters,
    l2_kernels,
    reset,
    set_dropout,
    shape_key,
)
from models.normalization import PopulationStatistics
from models.optimizers import build_optimizer

CALL_S = 0.25
"""Steps are run in calls of about this length, after each of which a worker can be stopped."""


@dataclass(frozen=True)
class EpochSums:
    """What a training epoch adds up to.

    Attributes:
        loss: Mean cross-entropy over the images, without the L2 penalty.
        accuracy: Share of images classified as their label while training, in [0, 1].
        finite: Whether every step's loss was finite; training ended with the call that had one
            that was not.
        complete: Whether all steps were run.
    """

    loss: float
    accuracy: float
    finite: bool
    complete: bool


def program_key(
    model: ModelConfig, optimizer: OptimizerConfig, precision: str, on_features: bool, mixup: bool
) -> Hashable:
    """Returns what trials must have in common to share a program."""
    return shape_key(model), optimizer.name, precision, on_features, mixup


class Predictor:
    """A network and its traced forward pass.

    Attributes:
        network: The network; its `head` is trained.
        on_features: Whether inputs are activations of the frozen base instead of images.
    """

    def __init__(
        self,
        model: ModelConfig,
        *,
        precision: str,
        on_features: bool,
        base: keras.Model | None = None,
        catalogue: Catalogue = BUILT_IN,
    ) -> None:
        """Takes the frozen base whose activations it is fed, where that is there already."""
        self.network = build_network(
            model, seed=0, precision=precision, base=base, catalogue=catalogue
        )
        self.on_features = on_features
        self._logits = tf.function(self._forward, [self._inputs])

    @property
    def parameters(self) -> int:
        """Number of weights of the whole network."""
        return count_parameters(self.network)

    def logits(self, batches: Iterable[EvalBatch]) -> tuple[np.ndarray, np.ndarray]:
        """Returns float32 logits (n, units) and int32 labels (n,) of batches, in their order."""
        pairs = [
            (self._logits(tf.cast(inputs, tf.float32)).numpy(), labels)
            for inputs, labels in batches
        ]
        logits, labels = zip(*pairs, strict=True)
        return np.concatenate(logits), np.concatenate(labels)

    def trace(self) -> None:
        """Traces the forward pass, before its first use."""
        self._logits.get_concrete_function()

    @property
    def _inputs(self) -> tf.TensorSpec:
        """A batch of any number of inputs, so that each function is traced once."""
        size_px = self.network.config.image_size_px
        if self.on_features and self.network.base is not None:
            return tf.TensorSpec(self.network.base.output_shape)
        return tf.TensorSpec((None, size_px, size_px, 3))

    def _forward(self, inputs: Any) -> Any:
        return self.network.head(self._base(inputs), training=False)

    def _base(self, inputs: Any) -> Any:
        base = self.network.base
        return inputs if self.on_features or base is None else base(inputs, training=False)


class Program(Predictor):
    """A predictor with an optimizer and the traced steps that train its head.

    Attributes:
        optimizer: The Keras optimizer.
    """

    def __init__(
        self,
        model: ModelConfig,
        optimizer: OptimizerConfig,
        *,
        precision: str,
        on_features: bool,
        mixup: bool,
        jit_compile: bool,
        base: keras.Model | None = None,
        catalogue: Catalogue = BUILT_IN,
    ) -> None:
        super().__init__(
            model, precision=precision, on_features=on_features, base=base, catalogue=catalogue
        )
        self.optimizer = build_optimizer(optimizer)
        self._mixup = mixup
        self._kernels = l2_kernels(self.network)
        self._l2 = tf.Variable(0.0, trainable=False)
        self._scaled = precision == "mixed_float16"
        if self._scaled:
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer, name="scaled")
        self.optimizer.build(self.network.head.trainable_variables)
        self._fresh_optimizer = [np.array(v) for v in self.optimizer.variables]
        signature = [self._inputs, tf.TensorSpec([None], tf.int32), tf.TensorSpec([None])]
        self._step = tf.function(self._train_step, signature, jit_compile=jit_compile)
        head = self.network.head
        self._statistics = None
        if isinstance(head, Head) and not head.inference_trunk:
            self._statistics = PopulationStatistics(head.trunk)
            self._batch_statistics = tf.function(
                lambda images: self._statistics.of_batch(self._base(images)), [self._inputs]
            )

    def reset(self, model: ModelConfig, optimizer: OptimizerConfig, seed: int) -> None:
        """Makes this the program of a new trial: fresh weights, optimizer and rates."""
        reset(self.network, seed=seed)
        set_dropout(self.network, model.dropout)
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        self._l2.assign(model.l2)
        inner = self.optimizer.inner_optimizer if self._scaled else self.optimizer
        if inner.weight_decay is not None:
            inner.weight_decay.assign(optimizer.weight_decay)
        self.set_learning_rate(optimizer.learning_rate)

    def trace(self) -> None:
        """Traces the forward pass and the training step, before their first use."""
        super().trace()
        self._step.get_concrete_function()
        if self.follows_statistics:
            self._batch_statistics.get_concrete_function()

    @property
    def follows_statistics(self) -> bool:
        """Whether it has batch normalisation whose statistics change in training.

        A pretrained trunk has none: its batch normalisation keeps ImageNet's statistics.
        """
        return self._statistics is not None and bool(self._statistics.layers)

    def refresh_statistics(self, batches: Iterable[EvalBatch]) -> None:
        """Sets batch normalisation's statistics to those of the weights as they are.

        Training does not depend on them, so neither does it on whether this is called.
        """
        assert self._statistics is not None
        self._statistics.update(
            (len(labels), self._batch_statistics(tf.cast(inputs, tf.float32)).numpy())
            for inputs, labels in batches
        )

    def set_learning_rate(self, rate: float) -> None:
        """Sets the step size of the steps to come."""
        inner = self.optimizer.inner_optimizer if self._scaled else self.optimizer
        inner.learning_rate.assign(rate)

    def state(self) -> dict[str, np.ndarray]:
        """Returns every array that training changes: weights, random states, optimizer."""
        return variables.read(self._variables())

    def set_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restores what `state` returned."""
        variables.assign(self._variables(), arrays)

    def train(
        self, batches: Iterator[Any], steps: int, on_call: Callable[[int], bool]
    ) -> EpochSums:
        """Trains one epoch.

        Args:
            batches: Of `(inputs, labels int32 (b,), mix_b float32 (b,))`; a data set's iterator.
            steps: How many batches to take.
            on_call: Called with the steps done after every call of about `CALL_S`; False stops.
        """
        done, finite, called = 0, True, []
        for count in _call_sizes(steps):
            called.append(tf.stack([self._step(*next(batches)) for _ in range(count)]).numpy())
            done, finite = done + count, bool(np.isfinite(called[-1][:, 3]).all())
            if not (finite and (on_call(done) or done == steps)):
                break
        # Added up at the end: the rounding must not depend on how long the calls took.
        loss, correct, images, _ = np.concatenate(called).sum(axis=0, dtype=np.float64)
        return EpochSums(float(loss / images), float(correct / images), finite, done == steps)

    def _variables(self) -> list[Any]:
        return [*self.network.head.variables, *self.optimizer.variables]

    def _train_step(self, inputs: Any, labels: Any, mix_b: Any) -> Any:
        partners = tf.roll(labels, 1, axis=0)
        inputs = self._base(inputs)
        if self._mixup:
            # After the frozen base, if there is one, whether its activations are kept or computed
            # here: what mixup means depends on the settings and not on the size of the data.
            inputs = tf.cast(inputs, tf.float32)
            share = tf.reshape(mix_b, [-1] + [1] * (len(inputs.shape) - 1))
            inputs = share * inputs + (1.0 - share) * tf.roll(inputs, 1, axis=0)
        trained = self.network.head.trainable_variables
        with tf.GradientTape() as tape:
            logits = self.network.head(inputs, training=True)
            losses = cross_entropy(labels, logits)
            if self._mixup:
                losses = mix_b * losses + (1.0 - mix_b) * cross_entropy(partners, logits)
            loss = tf.reduce_mean(losses) + self._penalty()
            scaled = self.optimizer.scale_loss(loss) if self._scaled else loss
        self.optimizer.apply(tape.gradient(scaled, trained), trained)
        correct = tf.reduce_sum(tf.cast(tf.equal(predicted(logits), labels), tf.float32))
        return tf.stack(
            [tf.reduce_sum(losses), correct, tf.cast(tf.size(labels), tf.float32), loss]
        )

    def _penalty(self) -> Any:
        squares = [tf.reduce_sum(tf.square(tf.convert_to_tensor(k))) for k in self._kernels]
        return self._l2 * tf.add_n(squares) if squares else tf.constant(0.0)


def cross_entropy(labels: Any, logits: Any) -> Any:
    """Returns the loss of each image: softmax over many units, sigmoid over one."""
    if logits.shape[-1] == 1:
        targets = tf.cast(labels[:, None], logits.dtype)
        return tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)[:, 0]
    return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)


def predicted(logits: Any) -> Any:
    """Returns the class of each image, int32 (b,)."""
    if logits.shape[-1] == 1:
        return tf.cast(logits[:, 0] > 0.0, tf.int32)
    return tf.argmax(logits, axis=-1, output_type=tf.int32)


def _call_sizes(steps: int) -> Iterator[int]:
    """Yields how many steps each call runs, growing until a call takes `CALL_S`."""
    size, done = 1, 0
    while done < steps:
        count = min(size, steps - done)
        began = time.perf_counter()
        yield count
        done += count
        if time.perf_counter() - began < CALL_S / 2:
            size *= 2
