"""The policies against the Keras callbacks whose arithmetic they are."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.training.policies import MIN_DELTA, PolicyState, advance, is_over, stopped_early
from studies.trial_config import TrainingConfig

RATE = 2.0**-3
CURVES = st.lists(st.integers(0, 12).map(lambda n: n / 12), min_size=1, max_size=30)


class Optimizer:
    """What the callback of the schedule needs of an optimizer."""

    def __init__(self, rate: float) -> None:
        self.learning_rate = keras.Variable(rate, dtype="float32")


class Model:
    """What the callbacks need of a model."""

    def __init__(self, rate: float) -> None:
        self.optimizer, self.stop_training = Optimizer(rate), False


@given(
    curve=CURVES,
    maximize=st.booleans(),
    factor=st.sampled_from([0.25, 0.5]),
    patience=st.integers(1, 4),
    cooldown=st.integers(0, 3),
    floor=st.sampled_from([0.0, RATE / 8]),
)
def test_schedule_is_that_of_keras(
    curve: list[float],
    maximize: bool,
    factor: float,
    patience: int,
    cooldown: int,
    floor: float,
) -> None:
    """The learning rate after every epoch is what ReduceLROnPlateau makes of it."""
    training = TrainingConfig(
        schedule="plateau",
        plateau_factor=factor,
        plateau_patience=patience,
        plateau_cooldown=cooldown,
        min_learning_rate=floor,
    )
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val",
        factor=factor,
        patience=patience,
        cooldown=cooldown,
        min_lr=floor,
        mode="max" if maximize else "min",
        min_delta=MIN_DELTA,
    )
    model, state = Model(RATE), PolicyState()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(curve, start=1):
        callback.on_epoch_end(epoch - 1, {"val": value})
        state = advance(state, epoch, value, maximize=maximize, training=training)
        ours = max(RATE * state.rate_scale, floor)
        assert ours == float(keras.ops.convert_to_numpy(model.optimizer.learning_rate))


@given(curve=CURVES, maximize=st.booleans(), patience=st.integers(1, 5))
def test_stopping_is_that_of_keras(curve: list[float], maximize: bool, patience: int) -> None:
    """Training ends in the same epoch, with the same best one, as under EarlyStopping."""
    training = TrainingConfig(early_stopping_patience=patience, epochs=100)
    callback = keras.callbacks.EarlyStopping(
        monitor="val", patience=patience, min_delta=MIN_DELTA, mode="max" if maximize else "min"
    )
    model, state = Model(RATE), PolicyState()
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(curve, start=1):
        callback.on_epoch_end(epoch - 1, {"val": value})
        state = advance(state, epoch, value, maximize=maximize, training=training)
        assert stopped_early(state, training, perfect=float("inf")) == model.stop_training
        if model.stop_training:
            break
    assert state.best_epoch == 1 + (np.argmax if maximize else np.argmin)(curve[:epoch])
    assert state.best_value == curve[state.best_epoch - 1]


def test_constant_schedule() -> None:
    """Without a schedule the learning rate stays."""
    state, training = PolicyState(), TrainingConfig(schedule="constant", plateau_patience=1)
    for epoch in range(1, 9):
        state = advance(state, epoch, 0.5, maximize=True, training=training)
    assert state.rate_scale == 1.0
    assert state.stalled == 7


def test_cosine_schedule() -> None:
    """The learning rate falls as Keras's `CosineDecay` does, whatever validation says."""
    state, training = PolicyState(), TrainingConfig(schedule="cosine", epochs=8)
    decay = keras.optimizers.schedules.CosineDecay(1.0, decay_steps=8)
    for epoch in range(1, 9):
        state = advance(state, epoch, epoch % 3, maximize=True, training=training)
        assert state.rate_scale == pytest.approx(float(decay(epoch)), abs=1e-6)
    assert state.rate_scale == 0.0


@pytest.mark.parametrize(("maximize", "perfect"), [(True, 1.0), (False, 0.0)])
def test_ends_where_nothing_can_improve(maximize: bool, perfect: float) -> None:
    """A perfect value ends a trial, unless it is never to end early."""
    for patience, over in ((5, True), (0, False)):
        training = TrainingConfig(early_stopping_patience=patience, epochs=9)
        state = advance(PolicyState(), 1, perfect, maximize=maximize, training=training)
        assert is_over(state, 1, training, perfect) is over
        assert is_over(state, 9, training, perfect)


def test_ends_after_its_epochs() -> None:
    """The last epoch is the last, and none before it is."""
    training = TrainingConfig(epochs=3)
    states = [advance(PolicyState(), 1, 0.5, maximize=True, training=training)] * 3
    over = [is_over(state, done, training, 1.0) for done, state in enumerate(states, start=1)]
    assert over == [False, False, True]


def test_small_improvements_are_best_but_do_not_count() -> None:
    """The best epoch is the best one; patience waits for more than a rounding error."""
    training = TrainingConfig(early_stopping_patience=2)
    state = PolicyState()
    for epoch, value in enumerate([0.5, 0.5 + MIN_DELTA / 2, 0.5 + MIN_DELTA * 0.9], start=1):
        state = advance(state, epoch, value, maximize=True, training=training)
    assert state.best_epoch == 3
    assert stopped_early(state, training, perfect=1.0)
