"""The note that the dashboard shows with each trial."""

from __future__ import annotations

import optuna

from studies import optuna_private
from studies.record import Outcome
from studies.trial_config import TrialConfig

LONGEST = 2_000
"""Characters of a traceback that a note quotes, from its end."""
NOTED = 500
"""Trials that get a note, the first ones: the dashboard takes time in the square of their number,
and all that a note says is in the trial's attributes too."""


def describe(label: str | None, config: TrialConfig, outcome: Outcome) -> str:
    """Returns what a trial was and how it ended, as Markdown."""
    model, training = config.model, config.training
    kind = "pretrained" if model.pretrained else "from random weights"
    lines = [
        f"**{outcome.reason}** after {outcome.epochs} of {training.epochs} epochs"
        + (f", best at {outcome.best_epoch}" if outcome.best_epoch else ""),
        f"{model.backbone}, {kind}, {model.image_size_px} px; {config.optimizer.name}, "
        f"learning rate {config.optimizer.learning_rate:.3g}, batch {training.batch_size}",
    ]
    if label:
        lines.insert(0, f"Baseline: {label}")
    if outcome.message:
        lines.append(f"```text\n{outcome.message[-LONGEST:].strip()}\n```")
    return "\n\n".join(lines)


def write_note(trial: optuna.Trial, text: str) -> None:
    """Shows `text` with one of the first trials in the dashboard, in place of what stood there."""
    if trial.number < NOTED:
        optuna_private.write_note(trial, text)
