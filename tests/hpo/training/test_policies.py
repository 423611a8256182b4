"""The policies against the Keras callbacks whose arithmetic they are."""

from __future__ import annotations

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hpo.training.phases import Phase, phase_of
from hpo.training.policies import (
    MIN_DELTA,
    PolicyState,
    advance,
    is_over,
    learning_rates,
    stopped_early,
)
from models.config import STRENGTHS, ModelConfig, OptimizerConfig
from studies.trial_config import TrainingConfig, TrialConfig

RATE = 2.0**-3
SCRATCH = ModelConfig(backbone="cnn", image_size_px=8, classes=3)
FINE_TUNED = ModelConfig(
    backbone="vgg16", pretrained=True, trainable_stages=1, image_size_px=32, classes=3
)
CURVES = st.lists(st.integers(0, 12).map(lambda n: n / 12), min_size=1, max_size=30)


def config_of(training: TrainingConfig, model: ModelConfig = SCRATCH) -> TrialConfig:
    """A trial that is trained so."""
    optimizer = OptimizerConfig(learning_rate=RATE)
    return TrialConfig(model=model, optimizer=optimizer, training=training)


def only_phase(training: TrainingConfig) -> Phase:
    """The phase of a trial that has one."""
    return phase_of(config_of(training), 1)


def play(config: TrialConfig, curve: list[float]) -> list[PolicyState]:
    """The states after the epochs of a trial, as far as it goes."""
    states = [PolicyState()]
    for epoch, value in enumerate(curve, start=1):
        states.append(
            advance(
                states[-1],
                epoch,
                value,
                maximize=True,
                training=config.training,
                phase=phase_of(config, epoch),
            )
        )
        if is_over(states[-1], epoch, config, perfect=1.0):
            break
    return states[1:]


def rates(config: TrialConfig, curve: list[float]) -> list[float]:
    """The learning rate of each epoch of a trial, as far as it goes."""
    states = [PolicyState(), *play(config, curve)]
    return [
        learning_rates(config, phase_of(config, epoch), state, epoch, steps=1)[0]
        for epoch, state in enumerate(states[:-1], start=1)
    ]


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
    model, state, phase = Model(RATE), PolicyState(), only_phase(training)
    callback.set_model(model)
    callback.on_train_begin()
    for epoch, value in enumerate(curve, start=1):
        callback.on_epoch_end(epoch - 1, {"val": value})
        state = advance(state, epoch, value, maximize=maximize, training=training, phase=phase)
        (ours,) = learning_rates(config_of(training), phase, state, epoch + 1, steps=1)
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
        state = advance(
            state, epoch, value, maximize=maximize, training=training, phase=only_phase(training)
        )
        assert (
            stopped_early(state, config_of(training), perfect=float("inf")) == model.stop_training
        )
        if model.stop_training:
            break
    assert state.best_epoch == 1 + (np.argmax if maximize else np.argmin)(curve[:epoch])
    assert state.best_value == curve[state.best_epoch - 1]


def test_constant_schedule() -> None:
    """Without a schedule the learning rate stays."""
    state, training = PolicyState(), TrainingConfig(schedule="constant", plateau_patience=1)
    for epoch in range(1, 9):
        state = advance(
            state, epoch, 0.5, maximize=True, training=training, phase=only_phase(training)
        )
    assert state.schedule_factor == 1.0
    assert state.stalled == 7


@pytest.mark.parametrize("warmup", [0.0, 0.25])
def test_cosine_schedule(warmup: float) -> None:
    """The learning rate follows Keras's `CosineDecay` step by step, whatever validation says."""
    steps, epochs = 5, 8
    training = TrainingConfig(
        schedule="cosine", epochs=epochs, warmup=warmup, min_learning_rate=0.0
    )
    config = config_of(training)
    found = [
        rate
        for epoch in range(1, epochs + 1)
        for rate in learning_rates(config, only_phase(training), PolicyState(), epoch, steps)
    ]
    rising = int(warmup * steps * epochs)
    decay = keras.optimizers.schedules.CosineDecay(RATE, decay_steps=steps * epochs - rising)
    expected = [RATE * (step + 1) / (rising + 1) for step in range(rising)]
    expected += [float(decay(step)) for step in range(steps * epochs - rising)]
    assert found == pytest.approx(expected, abs=1e-7)


def test_the_path_of_a_solved_head_ends_when_it_falls() -> None:
    """Two strengths without improvement end it, whatever the patience of gradient steps is."""
    model = FINE_TUNED.model_copy(update={"trainable_stages": 0})
    training = TrainingConfig(solved_head=True, early_stopping_patience=0)
    config = config_of(training, model)
    assert len(play(config, [0.5, 0.7, 0.6, 0.6, 0.9])) == 4
    assert config.epochs == phase_of(config, 1).last == len(STRENGTHS)


@pytest.mark.parametrize(("maximize", "perfect"), [(True, 1.0), (False, 0.0)])
def test_ends_where_nothing_can_improve(maximize: bool, perfect: float) -> None:
    """A perfect value ends a trial, unless it is never to end early."""
    for patience, over in ((5, True), (0, False)):
        training = TrainingConfig(early_stopping_patience=patience, epochs=9)
        state = advance(
            PolicyState(),
            1,
            perfect,
            maximize=maximize,
            training=training,
            phase=only_phase(training),
        )
        assert is_over(state, 1, config_of(training), perfect) is over
        assert is_over(state, 9, config_of(training), perfect)


def test_ends_after_its_epochs() -> None:
    """The last epoch is the last, and none before it is."""
    training = TrainingConfig(epochs=3)
    states = [
        advance(PolicyState(), 1, 0.5, maximize=True, training=training, phase=only_phase(training))
    ] * 3
    over = [
        is_over(state, done, config_of(training), 1.0) for done, state in enumerate(states, start=1)
    ]
    assert over == [False, False, True]


def test_small_improvements_are_best_but_do_not_count() -> None:
    """The best epoch is the best one; patience waits for more than a rounding error."""
    training = TrainingConfig(early_stopping_patience=2)
    state = PolicyState()
    for epoch, value in enumerate([0.5, 0.5 + MIN_DELTA / 2, 0.5 + MIN_DELTA * 0.9], start=1):
        state = advance(
            state, epoch, value, maximize=True, training=training, phase=only_phase(training)
        )
    assert state.best_epoch == 3
    assert stopped_early(state, config_of(training), perfect=1.0)


HEAD_FIRST = TrainingConfig(epochs=20, head_epochs=3, fine_tune_factor=0.25)


def test_a_phase_begins_with_its_own_rate_and_patience() -> None:
    """A head that was best in its first epoch does not lower the rate of the fine-tuning.

    The default plateau lowers a rate after three epochs that are no better; here they would be
    epochs 2 to 4, the last of which is the first that is fine-tuned.
    """
    curve = [0.9, 0.8, 0.8, 0.7, 0.71, 0.7, 0.7, 0.7]
    found = rates(config_of(HEAD_FIRST, FINE_TUNED), curve)
    assert found == [RATE] * 3 + [0.25 * RATE] * 5
    last = play(config_of(HEAD_FIRST, FINE_TUNED), curve)[-1]
    assert last.schedule_factor == 0.3, "three epochs that are no better than 0.71"
    assert (last.best_epoch, last.best_value) == (1, 0.9), "of all phases"


@pytest.mark.parametrize("patience", [1, 5, 12])
def test_the_head_alone_never_ends_a_trial(patience: int) -> None:
    """More head epochs than patience are trained all the same, and then the backbone is."""
    training = TrainingConfig(epochs=40, head_epochs=12, early_stopping_patience=patience)
    states = play(config_of(training, FINE_TUNED), [0.5] * 40)
    assert len(states) == 12 + 1 + patience
    assert [state.stalled for state in states] == [0] * 13 + list(range(1, patience + 1))


def test_a_perfect_head_ends_a_trial() -> None:
    """Fine-tuning cannot improve what is perfect."""
    assert len(play(config_of(HEAD_FIRST, FINE_TUNED), [0.5, 1.0, 1.0])) == 2


def test_the_head_alone_can_be_all() -> None:
    """Where the epochs end with the head's, patience counts as in any last phase."""
    training = TrainingConfig(epochs=9, head_epochs=9, early_stopping_patience=2)
    assert len(play(config_of(training, FINE_TUNED), [0.5] * 9)) == 3


def test_each_phase_has_its_own_cosine() -> None:
    """The rate falls to nothing over the head's epochs, and again over those of the fine-tuning."""
    training = TrainingConfig(
        epochs=10, head_epochs=4, fine_tune_factor=0.5, schedule="cosine", min_learning_rate=0.0
    )
    found = rates(config_of(training, FINE_TUNED), [0.1] * 10)
    for begin, length, peak in ((0, 4, RATE), (4, 6, RATE / 2)):
        decay = keras.optimizers.schedules.CosineDecay(peak, decay_steps=length)
        expected = [float(decay(epoch)) for epoch in range(length)]
        assert found[begin : begin + length] == pytest.approx(expected, rel=1e-5)


def test_phases() -> None:
    """Each epoch belongs to one phase; networks from random weights have only one."""
    config = config_of(HEAD_FIRST, FINE_TUNED)
    found = [phase_of(config, epoch) for epoch in range(1, 21)]
    assert [phase.model.trainable_stages for phase in found] == [0] * 3 + [1] * 17
    assert [(phase.first, phase.last) for phase in found] == [(1, 3)] * 3 + [(4, 20)] * 17
    assert [phase.followed for phase in found] == [True] * 3 + [False] * 17
    assert {phase_of(config_of(HEAD_FIRST), epoch) for epoch in range(1, 21)} == {
        Phase(SCRATCH, 1.0, 1, 20)
    }
