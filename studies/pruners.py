"""What ends a hopeless trial early: one row a pruner, every default written out.

A pruner is a pure function of learning curves, a `studies.scheduler.Rule`. Epochs count from 1.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from studies.freeze_thaw import FreezeThaw
from studies.scheduler import COMPLETE, Judgement, Prune, Resume, Start, TrialRecord


class _Pruner(BaseModel):
    """What all pruners have in common: they pause nothing, and resume whatever is paused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    def choose(
        self,
        paused: Sequence[TrialRecord],
        trials: Sequence[TrialRecord],
        *,
        may_start: bool,
        maximize: bool,
    ) -> Start | Resume | Prune:
        """Resumes the earliest of the paused trials before any other is started."""
        return Resume(min(trial.number for trial in paused))


class NoPruner(_Pruner):
    """Every trial runs to its end."""

    name: Literal["none"] = "none"

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Lets every trial go on."""
        return "continue"


class Percentile(_Pruner):
    """A trial whose best epoch so far is below a percentile of the complete ones' at this epoch.

    The same as `optuna.pruners.PercentilePruner`, within a `PatientPruner` where there is patience.
    The complete ones are the better ones already, which makes the median rule (50) harsh: over 120
    simulated studies of 50 trials made of 240 recorded learning curves, 75 needs 43 % of the epochs
    and misses the best trial in 17 % of the studies, 50 needs 31 % and misses it in 42 %.
    """

    name: Literal["percentile"] = "percentile"
    percentile: float = Field(
        default=75.0,
        ge=0.0,
        le=100.0,
        description="Percent of the trials that go on, the best ones.",
    )
    n_startup_trials: int = Field(
        default=4, ge=0, description="Complete trials before anything is pruned."
    )
    n_warmup_epochs: int = Field(
        default=3, ge=0, description="Epochs before which no trial is pruned."
    )
    n_min_trials: int = Field(
        default=3,
        ge=1,
        description="Complete trials that must have reached the epoch to be compared with.",
    )
    patience: int | None = Field(
        default=None,
        ge=0,
        description="If set, prune only trials that have not improved for this many epochs.",
    )

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Prunes a trial that is worse than most complete ones were at its epoch."""
        import numpy as np  # here: `hpo --help` reads these settings too

        epoch, best = len(trial.curve), max if maximize else min
        complete = [t for t in trials if t.reason in COMPLETE]
        if epoch < self.n_warmup_epochs or len(complete) < max(1, self.n_startup_trials):
            return "continue"
        if self.patience is not None:
            before, lately = trial.curve[: -self.patience - 1], trial.curve[-self.patience - 1 :]
            if not before or best(lately) == best(trial.curve):
                return "continue"  # the best epoch, or one as good, is among the latest
        reached = [t.curve[epoch - 1] for t in complete if len(t.curve) >= epoch]
        if len(reached) < self.n_min_trials:
            return "continue"
        share = 100 - self.percentile if maximize else self.percentile
        bar, value = float(np.percentile(reached, share)), best(trial.curve)
        return "prune" if (value < bar if maximize else value > bar) else "continue"


class Halving(_Pruner):
    """Asynchronous successive halving (Li et al. 2020).

    The same as `optuna.pruners.SuccessiveHalvingPruner`, but that a baseline, which is never
    pruned, is among those that the others are compared with.
    """

    name: Literal["halving"] = "halving"
    min_epochs: int = Field(default=3, ge=1, description="Epochs of the first rung.")
    reduction_factor: int = Field(
        default=3,
        ge=2,
        description="One trial in this many goes on to the next rung, which is this many times as "
        "long.",
    )

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Prunes a trial at a rung that too many others have passed better."""
        return _halve(trial, trials, self.min_epochs, self.reduction_factor, maximize=maximize)


class Hyperband(_Pruner):
    """Successive halving from several first rungs (Li et al. 2018); wants hundreds of trials.

    The same brackets as `optuna.pruners.HyperbandPruner`, in the same proportions. A trial's
    bracket follows from its number alone; Optuna takes the study's name as well, and a study that
    was renamed would then halve otherwise.
    """

    name: Literal["hyperband"] = "hyperband"
    min_epochs: int = Field(
        default=3, ge=1, description="Epochs of the first rung of the harshest bracket."
    )
    max_epochs: int = Field(default=100, ge=1, description="Epochs of the longest trial.")
    reduction_factor: int = Field(
        default=3,
        ge=2,
        description="One trial in this many goes on to the next rung, which is this many times as "
        "long.",
    )

    def judge(
        self, trial: TrialRecord, trials: Sequence[TrialRecord], *, maximize: bool
    ) -> Judgement:
        """Prunes a trial at a rung that too many others of its bracket have passed better."""
        bracket, factor = self.bracket(trial.number), self.reduction_factor
        among = [t for t in trials if t.curve and self.bracket(t.number) == bracket]
        first = self.min_epochs * factor**bracket
        return _halve(trial, among, first, factor, maximize=maximize)

    def bracket(self, number: int) -> int:
        """Returns the bracket of a trial: 0 is the harshest, whose first rung is the earliest."""
        last, factor = 0, self.reduction_factor
        while self.min_epochs * factor ** (last + 1) <= self.max_epochs:
            last += 1
        # So many trials a bracket that all brackets cost about the same.
        shares = [-(-(last + 1) * factor**s // (s + 1)) for s in range(last, -1, -1)]
        place = zlib.crc32(str(number).encode()) % sum(shares)
        bracket = 0
        while place >= shares[bracket]:
            place -= shares[bracket]
            bracket += 1
        return bracket


def _halve(
    trial: TrialRecord, trials: Sequence[TrialRecord], first: int, factor: int, *, maximize: bool
) -> Judgement:
    """Judges a trial at the rungs `first`, `first * factor`, `first * factor**2` and so on."""
    epoch, rung = len(trial.curve), first
    while rung < epoch:
        rung *= factor
    if rung != epoch:
        return "continue"
    value = trial.curve[-1]
    others = [t for t in trials if len(t.curve) >= epoch and t.number != trial.number]
    reached = sorted([*(t.curve[epoch - 1] for t in others), value], reverse=maximize)
    # One in `factor` goes on, but the best always: nobody could be resumed in its place.
    bar = reached[max(1, len(reached) // factor) - 1]
    return "continue" if (value >= bar if maximize else value <= bar) else "prune"


PrunerSettings = Annotated[
    NoPruner | Percentile | Halving | Hyperband | FreezeThaw, Field(discriminator="name")
]


@dataclass(frozen=True)
class Pruner:
    """One row.

    Attributes:
        settings: Its options with their defaults; they are the pruner.
        help: What it is good for.
    """

    settings: type[PrunerSettings]
    help: str


PRUNERS: Mapping[str, Pruner] = MappingProxyType(
    {
        "percentile": Pruner(
            Percentile, "Ends what is worse than most complete trials at its epoch."
        ),
        "halving": Pruner(Halving, "Keeps one trial in three at ever later epochs."),
        "hyperband": Pruner(
            Hyperband, "Halving from several first epochs; for hundreds of trials."
        ),
        "freeze-thaw": Pruner(
            FreezeThaw, "Pauses trials and continues those that promise most for their cost."
        ),
        "none": Pruner(NoPruner, "Every trial runs to its end."),
    }
)
