"""The note that the dashboard shows with each trial."""

from __future__ import annotations

import optuna

from studies import optuna_private
from studies.record import Confusion, Outcome
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
    if outcome.confusion:
        lines.append(_table(outcome.confusion))
    if outcome.message:
        lines.append(f"```text\n{outcome.message[-LONGEST:].strip()}\n```")
    return "\n\n".join(lines)


def _table(confusion: Confusion) -> str:
    """Returns a confusion matrix as a table of Markdown."""
    names = [_name(name) for name in confusion.classes]
    rows = [
        ["true class, given class →", *names],
        ["---", *(["---:"] * len(names))],
        *([name, *map(str, row)] for name, row in zip(names, confusion.counts, strict=True)),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _name(name: str) -> str:
    """Returns a class's name as code, which no renderer reads as anything else."""
    return "`" + name.replace("`", "'").replace("|", "¦").replace("\n", " ") + "`"


def write_note(trial: optuna.Trial, text: str) -> None:
    """Shows `text` with one of the first trials in the dashboard, in place of what stood there."""
    if trial.number < NOTED:
        optuna_private.write_note(trial, text)
