"""The ways to search that are compared: one row each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from studies.freeze_thaw import FreezeThaw
from studies.pruners import Halving, Hyperband, NoPruner, Percentile
from studies.samplers import TPE, Random
from studies.scheduler import Judgement, Prune, Resume, Start, TrialRecord
from studies.settings import StudySettings
from tests.lab.simulate import Method

LONGEST = 30
"""Epochs of the longest recorded run."""


class FixedEpoch(NoPruner):
    """Every trial stops after one epoch; of each eight, the best goes on to its end.

    Measured over many data sets this is hard to beat (Egele et al. 2023, "The Unreasonable
    Effectiveness Of Early Discarding After One Epoch").
    """

    name: Literal["none"] = "none"
    epoch: int = 1
    every: int = 8

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Pauses a trial after that epoch."""
        return "pause" if len(trial.curve) == self.epoch else "continue"

    def choose(
        self,
        paused: Sequence[TrialRecord],
        trials: Sequence[TrialRecord],
        *,
        may_start: bool,
        maximize: bool,
    ) -> Start | Resume | Prune:
        """Starts trials until there are enough to choose from."""
        left = [trial for trial in paused if len(trial.curve) > self.epoch]
        if left:
            return Resume(left[0].number)
        if may_start and len(paused) < self.every:
            return Start()
        best = max(paused, key=lambda trial: trial.curve[-1])
        worse = [trial for trial in paused if trial is not best]
        return Prune(worse[0].number) if worse else Resume(best.number)


METHODS = (
    Method("ours", StudySettings().sampler, StudySettings().pruner, opens=True),
    Method("ours, learning", StudySettings().sampler, StudySettings().pruner, True, True),
    Method("ours, freeze-thaw", StudySettings().sampler, FreezeThaw(), True),
    Method("random", Random(), NoPruner()),
    Method("TPE + percentile", TPE(), Percentile()),
    Method("TPE + median", TPE(), Percentile(percentile=50)),
    Method("successive halving", Random(), Halving()),
    Method("Hyperband", Random(), Hyperband(max_epochs=LONGEST)),
    Method("one epoch", Random(), FixedEpoch()),
    Method("opening, then random", Random(), NoPruner(), opens=True),
)
"""Ours first. The last one tells what the sampler adds to the opening."""
