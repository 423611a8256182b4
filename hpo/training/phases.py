"""The phases of a trial: one, or two where the head is trained before the backbone is."""

from __future__ import annotations

from dataclasses import dataclass

from models.config import ModelConfig
from studies.trial_config import TrialConfig


@dataclass(frozen=True)
class Phase:
    """Consecutive epochs that train the same layers.

    Attributes:
        model: The network, `trainable_stages` as in this phase.
        rate_factor: What the trial's learning rate is multiplied by in this phase, besides what
            the schedule multiplies it by.
        first: Its first epoch, from 1.
        last: Its last epoch.
        followed: Whether another phase comes after it.
        solved: Whether its epochs solve the head for one strength of the penalty after the other,
            instead of training by gradient steps.
    """

    model: ModelConfig
    rate_factor: float
    first: int
    last: int
    followed: bool = False
    solved: bool = False


def phase_of(config: TrialConfig, epoch: int) -> Phase:
    """Returns the phase in which `epoch` (from 1) is trained."""
    model, training = config.model, config.training
    if config.is_solved:
        return Phase(model, 1.0, 1, config.epochs, solved=True)
    fine_tuned = model.pretrained and model.trainable_stages > 0 and training.head_epochs > 0
    factor = training.fine_tune_factor if fine_tuned else 1.0
    if epoch > training.continued_after > 0:
        return Phase(model, factor, training.continued_after + 1, training.epochs)
    if not fine_tuned:
        return Phase(model, factor, 1, training.epochs)
    if epoch <= training.head_epochs:
        last = min(training.head_epochs, training.epochs)
        head_only = model.model_copy(update={"trainable_stages": 0})
        return Phase(head_only, 1.0, 1, last, followed=last < training.epochs)
    return Phase(model, factor, training.head_epochs + 1, training.epochs)
