"""The note that the dashboard shows with each trial."""

from __future__ import annotations

import optuna

from studies.record import Outcome
from studies.trial_config import TrialConfig

LONGEST = 2_000
"""Characters of a traceback that a note quotes, from its end."""
NOTED = 500
"""Trials that get a note, the first ones: the dashboard takes time in the square of their number,
and all that a note says is in the trial's attributes too."""


def describe(label: str | None, config: TrialConfig, outcome: Outcome) -> str:
    """Returns what a trial was and how it ended, as Markdown."""
    kind = "pretrained" if config.model.pretrained else "from random weights"
    lines = [
        f"**{outcome.reason}** after {outcome.epochs} of {config.epochs} epochs"
        + (f", best at {outcome.best_epoch}" if outcome.best_epoch else ""),
        f"{config.summary}, {kind}",
    ]
    if label:
        lines.insert(0, label)
    if outcome.message:
        lines.append(f"```text\n{outcome.message[-LONGEST:].strip()}\n```")
    return "\n\n".join(lines)


def write_note(trial: optuna.Trial, text: str) -> None:
    """Shows `text` with a trial in the dashboard, in place of what stood there.

    The same as `optuna_dashboard.save_note`, which reads the notes of all trials twice for each:
    measured, its time grows with the square of the number of trials.
    """
    if trial.number >= NOTED:
        return
    key = f"dashboard:{trial._trial_id}:note_"
    storage, study_id = trial.study._storage, trial.study._study_id
    storage.set_study_system_attr(study_id, f"{key}str:0", text)
    storage.set_study_system_attr(study_id, f"{key}ver", 1)
