"""TPE whose time does not grow with the study.

Every proposal goes over all trials, once for each branch of the space: 2 s at 10,000 trials. What
is left out here weighs next to nothing there: the good ones are the 25 best, whatever their age,
and among the others a trial counts the less the older it is (`optuna.samplers.TPESampler`'s
`gamma` and `weights`).
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.trial import FrozenTrial, TrialState

from studies.learning import Learned, with_lessons
from studies.objectives import maximizes, validation_loss
from studies.optuna_private import StudyOfTrials

NEWEST = 1_000
"""Finished trials that are looked at, the newest ones."""
BEST = 25
"""Complete trials before these that are looked at too, the best ones: as many as TPE takes for
good at most."""


class RecentTPESampler(TPESampler):
    """TPE that looks at the `NEWEST` trials and the `BEST` before them, read once a proposal."""

    def __init__(self, learned: Learned | None = None, **options: Any) -> None:
        """Takes what other studies teach, and the options of `TPESampler`."""
        super().__init__(**options)
        self._learned = learned

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that are drawn together."""
        self._recent = _recent(study, self._learned)
        return super().infer_relative_search_space(self._recent, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draws the parameters that are drawn together."""
        return super().sample_relative(self._recent, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws one parameter."""
        return super().sample_independent(
            _recent(study, self._learned), trial, param_name, param_distribution
        )


def _recent(study: Study, learned: Learned | None) -> Study:
    """Returns a study as it is now, with its recent and best trials only.

    They are in the order of their validation loss: TPE sorts the complete ones by value and, as
    the sort is stable, takes of equals those with the lower loss for good. (Afterwards it sorts
    both halves by number, so that a trial's age counts as before.)
    """
    trials = recent(study.get_trials(deepcopy=False), maximize=maximizes(study))
    if len(study.directions) > 1:
        # TPE has no place for a trial of which it knows one of several objectives.
        trials = [trial for trial in trials if trial.state is not TrialState.PRUNED]
    trials.sort(key=lambda trial: (validation_loss(trial.user_attrs), trial.number))
    if learned is not None:
        trials = with_lessons(trials, learned, maximize=maximizes(study))
    return StudyOfTrials(study, trials)


def recent(trials: Sequence[FrozenTrial], *, maximize: bool) -> list[FrozenTrial]:
    """Returns the trials that the next proposal depends on, in the order of their numbers.

    Args:
        trials: All trials of a study, in the order of their numbers.
        maximize: Whether larger values of the first objective are better.
    """
    judged = (TrialState.COMPLETE, TrialState.PRUNED)
    finished = [trial for trial in trials if trial.state in judged]
    if len(finished) <= NEWEST:
        return list(trials)
    older = [trial for trial in finished[:-NEWEST] if trial.state is TrialState.COMPLETE]
    sign = -1.0 if maximize else 1.0
    best = heapq.nsmallest(
        BEST,
        older,
        key=lambda trial: (sign * trial.values[0], validation_loss(trial.user_attrs), trial.number),
    )
    running = [trial for trial in trials if trial.state is TrialState.RUNNING]
    chosen = [*best, *finished[-NEWEST:], *running]
    return sorted(chosen, key=lambda trial: trial.number)
