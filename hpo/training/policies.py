"""What is decided after each epoch: which epoch was best, the next learning rate, whether to stop.

The arithmetic is that of Keras's `ReduceLROnPlateau`, `CosineDecay` (by epochs) and
`EarlyStopping`; unlike those, the whole state is a plain value that a checkpoint can hold.
"""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict

from studies.trial_config import TrainingConfig

MIN_DELTA = 1e-4
"""An improvement smaller than this does not count for the schedule or for stopping early."""


class PolicyState(BaseModel):
    """Where a trial stands after its last finished epoch.

    Attributes:
        best_value: Objective of the best epoch; None before the first.
        best_epoch: That epoch, from 1; 0 before the first.
        reference: Objective that the next improvement is measured against.
        stalled: Epochs since `reference` improved, for stopping early.
        waited: The same, for the schedule, which starts anew at every reduction.
        cooldown: Epochs the schedule still waits.
        rate_scale: What the learning rate is multiplied by.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    best_value: float | None = None
    best_epoch: int = 0
    reference: float | None = None
    stalled: int = 0
    waited: int = 0
    cooldown: int = 0
    rate_scale: float = 1.0


def advance(
    state: PolicyState, epoch: int, value: float, *, maximize: bool, training: TrainingConfig
) -> PolicyState:
    """Returns the state after `epoch` (from 1) ended with the objective `value`."""
    sign = 1.0 if maximize else -1.0
    gain = float("inf") if state.best_value is None else sign * (value - state.best_value)
    best = {"best_value": value, "best_epoch": epoch} if gain > 0 else {}
    improved = state.reference is None or sign * (value - state.reference) > MIN_DELTA
    stalled = 0 if improved else state.stalled + 1
    reference = value if improved else state.reference
    scheduled = _schedule(state, epoch, improved, training)
    return state.model_copy(
        update={**best, "stalled": stalled, "reference": reference, **scheduled}
    )


def _schedule(
    state: PolicyState, epoch: int, improved: bool, training: TrainingConfig
) -> dict[str, float | int]:
    if training.schedule == "constant":
        return {}
    if training.schedule == "cosine":
        return {"rate_scale": (1.0 + math.cos(math.pi * epoch / training.epochs)) / 2.0}
    cooldown = max(0, state.cooldown - 1)
    waited = 0 if improved or state.cooldown > 0 else state.waited
    if not improved and cooldown == 0:
        waited += 1
    if waited < training.plateau_patience:
        return {"cooldown": cooldown, "waited": waited}
    return {
        "cooldown": training.plateau_cooldown,
        "waited": 0,
        "rate_scale": state.rate_scale * training.plateau_factor,
    }


def is_over(state: PolicyState, epochs_done: int, training: TrainingConfig, perfect: float) -> bool:
    """Whether no further epoch follows."""
    return epochs_done >= training.epochs or stopped_early(state, training, perfect)


def stopped_early(state: PolicyState, training: TrainingConfig, perfect: float) -> bool:
    """Whether the objective has not improved for the trial's patience, or cannot improve.

    Args:
        state: Where the trial stands.
        training: Its settings; without patience it never stops early.
        perfect: The best value the objective can have.
    """
    patience = training.early_stopping_patience
    return patience > 0 and (state.stalled >= patience or state.best_value == perfect)
