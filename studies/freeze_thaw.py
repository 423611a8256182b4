"""Freeze-thaw: trials pause at rungs, and the most promising one for its cost goes on.

Swersky, Snoek & Adams 2014 model learning curves for it. Here a paused trial is promising as far as
others have shown it: what they gained after the same share of their epochs. Rungs are shares of a
trial's own epochs, not epochs, because a cosine brings most of the gain at its end.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from studies.scheduler import COMPLETE, Judgement, Prune, Resume, Start, TrialRecord

RUNGS = (0.25, 0.5)
"""Shares of a trial's epochs after which it may be paused."""


class FreezeThaw(BaseModel):
    """Pauses what is not among the best at its rung, and continues what promises most later."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Literal["freeze-thaw"] = "freeze-thaw"
    go_on: int = Field(
        default=3, ge=2, description="One trial in this many passes a rung without a pause."
    )
    n_startup_trials: int = Field(
        default=4, ge=1, description="Trials that pass a rung before any is paused at it."
    )
    most_paused: int = Field(
        default=10, ge=1, description="Paused trials whose checkpoints are kept, the best ones."
    )

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Pauses a trial at a rung that too many others have passed better."""
        rung = _rung(trial)
        return "continue" if rung is None or self._passes(trial, trials, maximize) else "pause"

    def choose(
        self,
        paused: Sequence[TrialRecord],
        trials: Sequence[TrialRecord],
        *,
        may_start: bool,
        maximize: bool,
    ) -> Start | Resume | Prune:
        """Continues what belongs to the best by now; at the end, what may still win.

        A trial that the user or a kill has paused is continued first.
        """
        for trial in sorted(paused, key=lambda t: t.number):
            if _rung(trial) is None or self._passes(trial, trials, maximize):
                return Resume(trial.number)
        sign = 1.0 if maximize else -1.0
        complete = [t for t in trials if t.reason in COMPLETE and t.value is not None]
        best = max((sign * t.value for t in complete if t.value is not None), default=-math.inf)
        promise = {t.number: self._hope(t, complete, sign) - best for t in paused}
        worst = min(paused, key=lambda t: (promise[t.number], t.number))
        if may_start:
            return Prune(worst.number) if len(paused) > self.most_paused else Start()
        if promise[worst.number] <= 0.0:
            return Prune(worst.number)
        # All of them may still win. Their promise for what it costs decides about the order.
        first = max(paused, key=lambda t: (promise[t.number] / _left(t), -t.number))
        return Resume(first.number)

    def _passes(self, trial: TrialRecord, trials: Sequence[TrialRecord], maximize: bool) -> bool:
        """Whether a trial is among the best at the rung where it is, or too few were there."""
        epoch, sign = len(trial.curve), 1.0 if maximize else -1.0
        share = epoch / trial.epochs
        mine = _best_at(trial, share, sign)
        others = [
            _best_at(t, share, sign)
            for t in trials
            if t.number != trial.number and len(t.curve) >= _epoch_of(t, share)
        ]
        if len(others) < self.n_startup_trials:
            return True
        better = sum(value > mine for value in others)
        return better < max(1, (len(others) + 1) // self.go_on)

    def _hope(self, trial: TrialRecord, complete: Sequence[TrialRecord], sign: float) -> float:
        """Returns what a trial would come to if it gained as much as any other from here on."""
        share = len(trial.curve) / trial.epochs
        gains = [
            _best_at(t, 1.0, sign) - _best_at(t, share, sign)
            for t in complete
            if t.curve and len(t.curve) >= _epoch_of(t, share)
        ]
        return _best_at(trial, share, sign) + max(gains, default=math.inf)


def _rung(trial: TrialRecord) -> float | None:
    """Returns the rung that a trial has just reached; None between rungs."""
    epoch = len(trial.curve)
    return next((s for s in RUNGS if epoch and epoch == _epoch_of(trial, s) < trial.epochs), None)


def _epoch_of(trial: TrialRecord, share: float) -> int:
    return max(1, math.ceil(share * trial.epochs))


def _best_at(trial: TrialRecord, share: float, sign: float) -> float:
    """Returns the best objective, times `sign`, within a share of a trial's epochs."""
    return max(sign * value for value in trial.curve[: _epoch_of(trial, share)])


def _left(trial: TrialRecord) -> float:
    """Returns what a trial would still cost."""
    return max(1, trial.epochs - len(trial.curve)) * trial.epoch_cost
