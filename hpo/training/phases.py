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
        rate_scale: What the learning rate is multiplied by.
        until: Its last epoch, from 1.
    """

    model: ModelConfig
    rate_scale: float
    until: int


def phase_at(config: TrialConfig, epoch: int) -> Phase:
    """Returns the phase in which the epoch after `epoch` finished ones is trained."""
    model, training = config.model, config.training
    fine_tuned = model.pretrained and model.trainable_stages > 0 and training.head_epochs > 0
    if not fine_tuned:
        return Phase(model, 1.0, training.epochs)
    if epoch < training.head_epochs:
        last = min(training.head_epochs, training.epochs)
        return Phase(model.model_copy(update={"trainable_stages": 0}), 1.0, last)
    return Phase(model, training.fine_tune_factor, training.epochs)
