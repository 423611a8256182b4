"""The table of optimizers, and rates that can change after tracing."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.config import ModelConfig, OptimizerConfig
from models.errors import ModelError
from models.network import build_network
from models.optimizers import OPTIMIZERS, build_optimizer

START = np.array([1.0, -2.0, 3.0], "float32")
DECOUPLED = [name for name, row in OPTIMIZERS.items() if row.decoupled_decay]


def config(name: str, rate: float = 0.01, decay: float = 0.0) -> OptimizerConfig:
    """Settings of one optimizer."""
    return OptimizerConfig(name=name, learning_rate=rate, weight_decay=decay)


class Trained:
    """A variable with one traced step of an optimizer, against a fixed gradient."""

    def __init__(self, optimizer: keras.optimizers.Optimizer) -> None:
        self.optimizer = optimizer
        self.variable = keras.Variable(START, name="kernel")
        optimizer.build([self.variable])
        self._step = tf.function(lambda g: optimizer.apply([g], [self.variable]))

    def steps(self, count: int) -> np.ndarray:
        """The variable after some more steps."""
        for _ in range(count):
            self._step(tf.constant([0.1, 0.2, -0.3]))
        return np.asarray(self.variable).copy()


@pytest.mark.parametrize("name", OPTIMIZERS)
class TestRow:
    """What holds for every optimizer."""

    def test_follows_the_gradient(self, name: str) -> None:
        """Five steps lower the loss that the gradient belongs to."""
        moved = Trained(build_optimizer(config(name))).steps(5) - START
        assert (np.sign(moved) == [-1, -1, 1]).all()

    def test_learning_rate_can_change_after_tracing(self, name: str) -> None:
        """With a hundred times the rate a traced step goes much further."""
        trained = Trained(build_optimizer(config(name)))
        first = trained.steps(1)
        trained.optimizer.learning_rate.assign(1.0)
        second = trained.steps(1)
        assert (np.abs(second - first) > 20 * np.abs(first - START)).all()

    def test_rates_are_saved_with_the_state(self, name: str) -> None:
        """Rate and decay are among the variables that a checkpoint holds."""
        optimizer = build_optimizer(config(name))
        names = [variable.name for variable in optimizer.variables]
        assert "learning_rate" in names
        assert ("weight_decay" in names) == OPTIMIZERS[name].decoupled_decay


@pytest.mark.parametrize("name", DECOUPLED)
def test_weight_decay_can_change_after_tracing(name: str) -> None:
    """A traced step with a new decay does exactly what Keras's own optimizer does with it."""
    trained = Trained(build_optimizer(config(name)))
    trained.steps(1)
    trained.optimizer.weight_decay.assign(0.25)
    constructor = getattr(keras.optimizers, OPTIMIZERS[name].constructor)
    own = Trained(constructor(0.01, weight_decay=0.0))
    own.steps(1)
    other = Trained(constructor(0.01, weight_decay=0.25))
    other.variable.assign(own.variable)
    for ours, theirs in zip(other.optimizer.variables, own.optimizer.variables, strict=True):
        ours.assign(theirs)
    assert not np.array_equal(other.steps(3), own.steps(3))
    np.testing.assert_allclose(trained.steps(3), other.steps(0), rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_step_is_that_of_keras(name: str) -> None:
    """Fused updates, and the decay as a variable, change roundings at most."""
    row = OPTIMIZERS[name]
    decay = 0.1 if row.decoupled_decay else 0.0
    ours = Trained(build_optimizer(config(name, decay=decay)))
    constructor = getattr(keras.optimizers, row.constructor)
    own = Trained(constructor(0.01, weight_decay=decay or None, **row.kwargs))
    for _ in range(4):
        np.testing.assert_allclose(ours.steps(3), own.steps(3), rtol=1e-6)


@pytest.mark.parametrize("name", DECOUPLED)
def test_only_kernels_decay(name: str) -> None:
    """A scale, an offset and a bias without a gradient stay as they are; kernels shrink."""
    network = build_network(
        ModelConfig(backbone="resnet_small", image_size_px=8, classes=3, head_widths=(8,)), seed=0
    )
    variables = network.head.trainable_variables
    for variable in variables:
        variable.assign(keras.ops.ones_like(variable))
    optimizer = build_optimizer(config(name, rate=0.01, decay=0.5))
    optimizer.build(variables)
    step = tf.function(lambda: optimizer.apply([tf.zeros(v.shape) for v in variables], variables))
    for _ in range(10):
        step()
    found = {variable.name: set() for variable in variables}
    for variable in variables:
        found[variable.name].add(round(float(np.mean(variable)), 4))
    shrunk = round((1 - 0.01 * 0.5) ** 10, 4)
    assert found == {"kernel": {shrunk}, "gamma": {1.0}, "beta": {1.0}, "bias": {1.0}}


def test_sgd_has_nesterov_momentum() -> None:
    """SGD is used as in the literature, not bare."""
    optimizer = build_optimizer(config("sgd"))
    assert (optimizer.momentum, optimizer.nesterov) == (0.9, True)


def test_decay_is_refused_where_it_is_not_decoupled() -> None:
    """Adam with weight decay would be another optimizer under its name."""
    with pytest.raises(ModelError, match=r"adamw, lion\. Received: 0\.1 for adam"):
        build_optimizer(config("adam", decay=0.1))


def test_unknown_name() -> None:
    """The error lists what there is."""
    with pytest.raises(ModelError, match=r"adam, adamw, .*Received: 'adamm'"):
        build_optimizer(config("adamm"))
