"""TPE whose time does not grow with the study.

Every proposal goes over all trials, once for each branch of the space: 2 s at 10,000 trials. What
is left out here weighs next to nothing there: the good ones are the 25 best, whatever their age,
and among the others a trial counts the less the older it is (`optuna.samplers.TPESampler`'s
`gamma` and `weights`).
"""

from __future__ import annotations

import heapq
from collections.abc import Container, Sequence
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution
from optuna.samplers import TPESampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

NEWEST = 1_000
"""Finished trials that are looked at, the newest ones."""
BEST = 25
"""Complete trials before these that are looked at too, the best ones: as many as TPE takes for
good at most."""


class RecentTPESampler(TPESampler):
    """TPE that looks at the `NEWEST` trials and the `BEST` before them, read once a proposal."""

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that are drawn together."""
        self._recent = _Recent(study)
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
        return super().sample_independent(_Recent(study), trial, param_name, param_distribution)


class _Recent(Study):
    """A study as it was a moment ago, with its recent and best trials only."""

    def __init__(self, study: Study) -> None:
        # `HyperbandPruner` hands over a study that denies having this and most other attributes.
        self.__dict__.update(object.__getattribute__(study, "__dict__"))
        trials = study.get_trials(deepcopy=False)
        self._trials = recent(trials, study.direction is StudyDirection.MAXIMIZE)

    def _get_trials(
        self,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
        use_cache: bool = False,
    ) -> list[FrozenTrial]:
        """Returns its trials; what `TPESampler` reads a study with."""
        return [trial for trial in self._trials if states is None or trial.state in states]


def recent(trials: Sequence[FrozenTrial], maximize: bool) -> list[FrozenTrial]:
    """Returns the trials that the next proposal depends on, in the order of their numbers.

    Args:
        trials: All trials of a study, in the order of their numbers.
        maximize: Whether larger values are better.
    """
    judged = (TrialState.COMPLETE, TrialState.PRUNED)
    finished = [trial for trial in trials if trial.state in judged]
    if len(finished) <= NEWEST:
        return list(trials)
    older = [trial for trial in finished[:-NEWEST] if trial.state is TrialState.COMPLETE]
    pick = heapq.nlargest if maximize else heapq.nsmallest
    best = pick(BEST, older, key=lambda trial: trial.value or 0.0)
    running = [trial for trial in trials if trial.state is TrialState.RUNNING]
    chosen = [*best, *finished[-NEWEST:], *running]
    return sorted(chosen, key=lambda trial: trial.number)
