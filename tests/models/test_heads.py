"""Pooling, dense layers, dropout."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from models.config import ModelConfig
from models.heads import VariableDropout, classify, pool
from models.network import dtype_policy


def rate(value: float) -> keras.Variable:
    """A variable that holds a dropout rate."""
    return keras.Variable(value, dtype="float32", trainable=False, autocast=False)


class TestVariableDropout:
    """Dropout whose rate can change after tracing."""

    def test_rate_can_change_after_tracing(self) -> None:
        """The share of zeros follows the variable, and the mean stays."""
        variable = rate(0.0)
        drop = VariableDropout(variable, "drop")
        step = tf.function(lambda x: drop(x, training=True))
        ones = np.ones((400, 500), "float32")
        for value in (0.0, 0.25, 0.8):
            variable.assign(value)
            kept = step(ones).numpy()
            # 200,000 draws: one deviation of the share is at most 0.0012.
            assert (kept == 0).mean() == pytest.approx(value, abs=0.006)
            np.testing.assert_allclose(kept[kept > 0], 1 / (1 - value), rtol=1e-6)
        assert step.experimental_get_tracing_count() == 1

    def test_does_nothing_when_not_training(self) -> None:
        """Inference passes the inputs on."""
        ones = np.ones((3, 4), "float32")
        np.testing.assert_array_equal(VariableDropout(rate(0.9), "drop")(ones), ones)

    def test_each_call_draws_anew(self) -> None:
        """Two steps drop different units."""
        drop = VariableDropout(rate(0.5), "drop")
        ones = np.ones((8, 64), "float32")
        assert not np.array_equal(drop(ones, training=True), drop(ones, training=True))

    def test_rate_is_no_weight(self) -> None:
        """Neither the rate nor the random state is among what gets exported."""
        assert VariableDropout(rate(0.5), "drop").weights == []

    def test_keeps_bfloat16(self) -> None:
        """In bfloat16 a rate between two bfloat16 numbers is still met."""
        with dtype_policy("mixed_bfloat16"):
            drop = VariableDropout(rate(0.0019), "drop")
        kept = drop(tf.ones((1000, 1000), tf.bfloat16), training=True)
        assert kept.dtype == tf.bfloat16
        # A million draws: one deviation is 0.00004.
        assert float((tf.cast(kept, tf.float32).numpy() == 0).mean()) == pytest.approx(
            0.0019, abs=0.0003
        )


@pytest.mark.parametrize(
    ("pooling", "expected"), [("avg", [2.5]), ("max", [4.0]), ("flatten", [1.0, 2.0, 3.0, 4.0])]
)
def test_pooling(pooling: str, expected: list[float]) -> None:
    """A feature map becomes its mean, its maximum or all of its values."""
    features = keras.Input((2, 2, 1))
    pooled = keras.Model(features, pool(features, pooling))
    map_bhwc = np.array([1.0, 2.0, 3.0, 4.0], "float32").reshape(1, 2, 2, 1)
    np.testing.assert_array_equal(pooled(map_bhwc), [expected])


@pytest.mark.parametrize(
    ("settings", "kinds", "units"),
    [
        ({}, ["Dropout", "Dense"], 2),
        ({"head_widths": (8, 4)}, ["Dense", "Dropout", "Dense", "Dropout", "Dense"], 2),
        ({"output": "sigmoid"}, ["Dropout", "Dense"], 1),
    ],
)
def test_layers_of_the_head(settings: dict[str, object], kinds: list[str], units: int) -> None:
    """Dropout follows each dense layer, or the pooling where there is none."""
    config = ModelConfig(backbone="cnn", image_size_px=8, classes=2, **settings)
    vector = keras.Input((16,))
    head = keras.Model(
        vector, classify(vector, config, lambda name: keras.layers.Dropout(0.1, name=name))
    )
    assert [type(layer).__name__ for layer in head.layers[1:]] == kinds
    assert head.output.shape == (None, units)
    assert head.layers[-1].activation is keras.activations.linear
