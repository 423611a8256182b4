"""What is decided after each epoch: which epoch was best, the next learning rate, whether to stop.

The arithmetic is that of Keras's `ReduceLROnPlateau`, `CosineDecay` and `EarlyStopping`; unlike
those, the whole state is a plain value that a checkpoint can hold. Each phase of a trial is a
training of its own: schedule and patience start anew with it.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from hpo.training.phases import Phase
from studies.trial_config import TrainingConfig, TrialConfig

SOLVED_PATIENCE = 2
"""Strengths of a solved head's penalty without improvement after which no weaker one is tried."""
MIN_DELTA = 1e-4
"""An improvement smaller than this does not count for the schedule or for stopping early."""


class PolicyState(BaseModel):
    """The policies' state after a trial's last finished epoch.

    Attributes:
        best_value: Objective of the best epoch of all phases; None before the first.
        best_epoch: That epoch, from 1; 0 before the first.
        reference: Objective that the next improvement is measured against; None before the first
            epoch of a phase, as are all that follow at their defaults.
        stalled: Epochs since `reference` improved, for stopping early. Not counted in a phase that
            another follows, as that one may well improve.
        waited: The same, for the schedule, which starts anew at every reduction.
        cooldown: Epochs the schedule still waits.
        schedule_factor: What the schedule multiplies the phase's learning rate by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    best_value: float | None = None
    best_epoch: int = 0
    reference: float | None = None
    stalled: int = 0
    waited: int = 0
    cooldown: int = 0
    schedule_factor: float = 1.0


def learning_rates(
    config: TrialConfig, phase: Phase, state: PolicyState, epoch: int, steps: int
) -> list[float]:
    """Returns the learning rate of each step of an epoch.

    Along a cosine it changes with every step, and rises first if there is a warm-up, linearly
    (Goyal et al. 2017); by the other schedules it is the same in all steps.

    Args:
        config: The trial.
        phase: The phase that the epoch belongs to.
        state: The state after the epoch before.
        epoch: The epoch, from 1.
        steps: How many steps it has.
    """
    training = config.training
    rate = config.optimizer.learning_rate * phase.rate_factor
    if training.schedule != "cosine":
        return [max(rate * state.schedule_factor, training.min_learning_rate)] * steps
    total = (phase.last - phase.first + 1) * steps
    rising = training.warmup * total
    done = [(epoch - phase.first) * steps + step for step in range(steps)]
    factors = [
        (step + 1) / (rising + 1)
        if step < rising
        else (1.0 + math.cos(math.pi * (step - rising) / (total - rising))) / 2.0
        for step in done
    ]
    return [max(rate * factor, training.min_learning_rate) for factor in factors]


def advance(
    state: PolicyState,
    epoch: int,
    value: float,
    *,
    maximize: bool,
    training: TrainingConfig,
    phase: Phase,
) -> PolicyState:
    """Returns the state after `epoch` (from 1) of a phase ended with the objective `value`."""
    sign = 1.0 if maximize else -1.0
    gain = float("inf") if state.best_value is None else sign * (value - state.best_value)
    best = {"best_value": value, "best_epoch": epoch} if gain > 0 else {}
    state = state.model_copy(update=best)
    if phase.followed and epoch == phase.last:
        return PolicyState(best_value=state.best_value, best_epoch=state.best_epoch)
    improved = state.reference is None or sign * (value - state.reference) > MIN_DELTA
    changes = _schedule(state, improved, training)
    changes["stalled"] = 0 if improved or phase.followed else state.stalled + 1
    if improved:
        changes["reference"] = value
    return state.model_copy(update=changes)


def _schedule(
    state: PolicyState, improved: bool, training: TrainingConfig
) -> dict[str, float | int]:
    if training.schedule != "plateau":
        return {}
    cooldown = max(0, state.cooldown - 1)
    waited = 0 if improved or state.cooldown > 0 else state.waited
    if not improved and cooldown == 0:
        waited += 1
    if waited < training.plateau_patience:
        return {"cooldown": cooldown, "waited": waited}
    return {
        "cooldown": training.plateau_cooldown,
        "waited": 0,
        "schedule_factor": state.schedule_factor * training.plateau_factor,
    }


def is_over(state: PolicyState, epochs_done: int, config: TrialConfig, perfect: float) -> bool:
    """Whether no further epoch follows."""
    return epochs_done >= config.epochs or stopped_early(state, config, perfect)


def stopped_early(state: PolicyState, config: TrialConfig, perfect: float) -> bool:
    """Whether the objective has not improved for the trial's patience, or cannot improve.

    Args:
        state: The state after the last epoch.
        config: The trial; without patience it never stops early.
        perfect: The best value the objective can have.
    """
    # Along the path of a solved head the objective rises to one height and falls again.
    patience = SOLVED_PATIENCE if config.is_solved else config.training.early_stopping_patience
    return patience > 0 and (state.stalled >= patience or state.best_value == perfect)
