"""One network shape with its traced steps, shared by all trials of that shape.

Tracing a step costs as much as several epochs of a small network. What differs between trials of
one shape (learning rate, weight decay, L2, dropout rate, weights, optimizer state) lives in
variables; `reset` sets them all, so that a trial's result does not depend on the trials before it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from data_pipeline.batches import EvalBatch
from models import variables
from models.catalogue import BUILT_IN, Catalogue
from models.config import ModelConfig
from models.heads import Head
from models.network import (
    build_network,
    count_parameters,
    l2_kernels,
    rate_factors,
    reset,
    set_dropout,
    shape_key,
)
from models.normalization import PopulationStatistics
from models.optimizers import build_optimizer
from studies.trial_config import TrialConfig

CALL_S = 0.25
"""Steps are run in calls of about this length, after each of which a worker can be stopped."""


@dataclass(frozen=True)
class EpochSums:
    """What a training epoch adds up to.

    Attributes:
        loss: Mean cross-entropy over the images, of smoothed labels and weighted classes where
            those are asked for, without the L2 penalty.
        accuracy: Share of images classified as their label while training, in [0, 1].
        finite: Whether every step's loss was finite; training ended with the call that had one
            that was not.
        complete: Whether all steps were run.
    """

    loss: float
    accuracy: float
    finite: bool
    complete: bool


def program_key(config: TrialConfig, precision: str, on_features: bool) -> Hashable:
    """Returns what trials must have in common to share a program."""
    training = config.training
    kinds = config.augment.mixup_alpha > 0, training.weight_average > 0, training.stage_decay < 1
    return shape_key(config.model), config.optimizer.name, precision, on_features, kinds


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
        config: TrialConfig,
        *,
        precision: str,
        on_features: bool,
        jit_compile: bool,
        base: keras.Model | None = None,
        catalogue: Catalogue = BUILT_IN,
    ) -> None:
        """Takes the trial whose network this is; `reset` makes it that of another like it."""
        super().__init__(
            config.model,
            precision=precision,
            on_features=on_features,
            base=base,
            catalogue=catalogue,
        )
        self.optimizer = build_optimizer(config.optimizer)
        self._mixup = config.augment.mixup_alpha > 0
        self._kernels = l2_kernels(self.network)
        self._l2 = tf.Variable(0.0, trainable=False)
        self._smoothing = tf.Variable(0.0, trainable=False)
        self._class_weights = tf.Variable(tf.ones(config.model.classes), trainable=False)
        self._scaled = precision == "mixed_float16"
        if self._scaled:
            self.optimizer = keras.optimizers.LossScaleOptimizer(self.optimizer, name="scaled")
        self.optimizer.build(self.network.head.trainable_variables)
        self._fresh_optimizer = [np.array(v) for v in self.optimizer.variables]
        self._average: list[keras.Variable] = []
        if config.training.weight_average:
            self._average = [
                keras.Variable(variable, trainable=False, name=f"average_{index}")
                for index, variable in enumerate(self.network.head.trainable_variables)
            ]
        self._decay = tf.Variable(0.0, trainable=False)
        trained = len(self.network.head.trainable_variables)
        self._by_stage = config.training.stage_decay < 1
        self._rate_factors = tf.Variable(tf.ones(trained), trainable=False)
        signature = [self._inputs, tf.TensorSpec([None], tf.int32), tf.TensorSpec([None])]
        self._step = tf.function(self._train_step, signature, jit_compile=jit_compile)
        head = self.network.head
        self._statistics = None
        if isinstance(head, Head) and not head.inference_trunk:
            self._statistics = PopulationStatistics(head.trunk)
            self._batch_statistics = tf.function(
                lambda images: self._statistics.of_batch(self._base(images)), [self._inputs]
            )

    def reset(
        self, config: TrialConfig, seed: int, class_weights: np.ndarray | None = None
    ) -> None:
        """Makes this the program of a new trial: fresh weights, optimizer and rates.

        Args:
            config: The trial.
            seed: Of its random weights and its dropout.
            class_weights: How much an image of each class counts, (classes,); None for alike.
        """
        reset(self.network, seed=seed)
        set_dropout(self.network, config.model.dropout)
        classes = config.model.classes
        self._class_weights.assign(np.ones(classes) if class_weights is None else class_weights)
        self._smoothing.assign(config.training.label_smoothing)
        self._decay.assign(config.training.weight_average)
        self._rate_factors.assign(rate_factors(self.network, config.training.stage_decay))
        for variable, value in zip(self.optimizer.variables, self._fresh_optimizer, strict=True):
            variable.assign(value)
        self._l2.assign(config.model.l2)
        inner = self.optimizer.inner_optimizer if self._scaled else self.optimizer
        if inner.weight_decay is not None:
            inner.weight_decay.assign(config.optimizer.weight_decay)
        self.restart_average()

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

    def restart_average(self) -> None:
        """Lets the average of the weights begin with the weights as they are."""
        trained = self.network.head.trainable_variables if self._average else []
        for average, variable in zip(self._average, trained, strict=True):
            average.assign(variable)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Puts the average of the weights, if one is kept, in their place inside the `with`."""
        trained = self.network.head.trainable_variables if self._average else []
        kept = [np.array(variable) for variable in trained]
        for variable, average in zip(trained, self._average, strict=True):
            variable.assign(average)
        try:
            yield
        finally:
            for variable, value in zip(trained, kept, strict=True):
                variable.assign(value)

    def state(self) -> dict[str, np.ndarray]:
        """Returns every array that training changes: weights, random states, optimizer."""
        return variables.read(self._variables())

    def set_state(self, arrays: Mapping[str, np.ndarray]) -> None:
        """Restores what `state` returned."""
        variables.assign(self._variables(), arrays)

    def train(
        self, batches: Iterator[Any], rates: Sequence[float], on_call: Callable[[int], bool]
    ) -> EpochSums:
        """Trains one epoch.

        Args:
            batches: Of `(inputs, labels int32 (b,), mix_b float32 (b,))`; a data set's iterator.
            rates: Learning rate of each step; as many batches are taken.
            on_call: Called with the steps done after every call of about `CALL_S`; False stops.
        """
        rate = (self.optimizer.inner_optimizer if self._scaled else self.optimizer).learning_rate
        steps, done, finite, called = len(rates), 0, True, []
        for count in _call_sizes(steps):
            sums = []
            for step in range(done, done + count):
                if step == 0 or rates[step] != rates[step - 1]:
                    rate.assign(rates[step])
                sums.append(self._step(*next(batches)))
            called.append(tf.stack(sums).numpy())
            done, finite = done + count, bool(np.isfinite(called[-1][:, 3]).all())
            if not (finite and (on_call(done) or done == steps)):
                break
        # Added up at the end: the rounding must not depend on how long the calls took.
        loss, correct, images, _ = np.concatenate(called).sum(axis=0, dtype=np.float64)
        return EpochSums(float(loss / images), float(correct / images), finite, done == steps)

    def _variables(self) -> list[Any]:
        return [*self.network.head.variables, *self.optimizer.variables, *self._average]

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
            losses = self._losses(labels, logits)
            if self._mixup:
                losses = mix_b * losses + (1.0 - mix_b) * self._losses(partners, logits)
            loss = tf.reduce_mean(losses) + self._penalty()
            scaled = self.optimizer.scale_loss(loss) if self._scaled else loss
        before = [tf.identity(variable) for variable in trained] if self._by_stage else []
        self.optimizer.apply(tape.gradient(scaled, trained), trained)
        # Keras knows one learning rate for all variables. A share of the step is a share of it.
        for index, (value, variable) in enumerate(zip(before, trained, strict=False)):
            variable.assign(value + self._rate_factors[index] * (variable - value))
        if self._average:
            # The first steps count more, or the average would hang on to where it began.
            step = tf.cast(self.optimizer.iterations, tf.float32)
            decay = tf.minimum(self._decay, (1.0 + step) / (10.0 + step))
            for average, variable in zip(self._average, trained, strict=True):
                average.assign(decay * average + (1.0 - decay) * variable)
        correct = tf.reduce_sum(tf.cast(tf.equal(predicted(logits), labels), tf.float32))
        return tf.stack(
            [tf.reduce_sum(losses), correct, tf.cast(tf.size(labels), tf.float32), loss]
        )

    def _losses(self, labels: Any, logits: Any) -> Any:
        """Returns the loss of each image, (b,), of labels (b,) that are smoothed and weighted."""
        smoothing, units = self._smoothing, logits.shape[-1]
        if units == 1:
            targets = tf.cast(labels[:, None], logits.dtype) * (1.0 - smoothing) + smoothing / 2.0
            losses = tf.nn.sigmoid_cross_entropy_with_logits(targets, logits)[:, 0]
        else:
            targets = tf.one_hot(labels, units) * (1.0 - smoothing) + smoothing / units
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        return losses * tf.gather(self._class_weights, labels)

    def _penalty(self) -> Any:
        squares = [tf.reduce_sum(tf.square(tf.convert_to_tensor(k))) for k in self._kernels]
        return self._l2 * tf.add_n(squares) if squares else tf.constant(0.0)


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
