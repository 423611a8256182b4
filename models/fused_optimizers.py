"""Optimizers of Keras whose update of a variable is one operation instead of twenty.

A residual network has sixty variables. Their updates were a third of its training step's
operations, and each operation costs time in tracing, memory in every traced step, and, for small
images, more time than its arithmetic. The formulas are those of Keras.
"""

from __future__ import annotations

import keras
import tensorflow as tf


class _AdamStep(keras.optimizers.Optimizer):
    """`update_step` of Adam and AdamW, which differ in what comes before it."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, rate: tf.Tensor) -> None:
        """Updates one float32 variable and its two moments."""
        index = self._get_variable_index(variable)
        step = tf.cast(self.iterations + 1, tf.float32)
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(self.beta_1, step),
            beta2_power=tf.pow(self.beta_2, step),
            lr=tf.cast(rate, tf.float32),
            beta1=self.beta_1,
            beta2=self.beta_2,
            epsilon=self.epsilon,
            grad=gradient,
        )


class Adam(_AdamStep, keras.optimizers.Adam):
    """Adam (Kingma & Ba 2015)."""


class AdamW(_AdamStep, keras.optimizers.AdamW):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""


class SGD(keras.optimizers.SGD):
    """Gradient descent with momentum (Sutskever et al. 2013)."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, rate: tf.Tensor) -> None:
        """Updates one float32 variable and its momentum."""
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=self.momentums[self._get_variable_index(variable)].value.handle,
            lr=tf.cast(rate, tf.float32),
            grad=gradient,
            momentum=self.momentum,
            use_nesterov=self.nesterov,
        )
