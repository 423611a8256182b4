"""A sampler without a state of its own, so that a study goes on the same after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler

from studies.samplers import make_sampler

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial, TrialState

    from studies.learning import Learned
    from studies.samplers import SamplerSettings


class StatelessSampler(BaseSampler):
    """Makes a sampler anew for each trial, and for each parameter drawn on its own.

    A trial whose settings were drawn in part when its process was killed is then drawn again to
    the same settings: what was drawn already does not shift the random numbers of the rest.
    """

    def __init__(
        self, settings: SamplerSettings, seed: int, learned: Learned | None = None
    ) -> None:
        self._settings, self._seed, self._learned = settings, seed, learned
        self._trial: tuple[int, BaseSampler] | None = None

    def infer_relative_search_space(
        self, study: Study, trial: FrozenTrial
    ) -> dict[str, BaseDistribution]:
        """Returns the parameters that are drawn together."""
        self._trial = trial.number, self._make(trial)
        return self._trial[1].infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Draws the parameters that are drawn together."""
        assert self._trial is not None
        assert self._trial[0] == trial.number
        return self._trial[1].sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: Study,
        trial: FrozenTrial,
        param_name: str,
        param_distribution: BaseDistribution,
    ) -> Any:
        """Draws one parameter."""
        sampler = self._make(trial, param_name)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def after_trial(
        self,
        study: Study,
        trial: FrozenTrial,
        state: TrialState,
        values: Sequence[float] | None,
    ) -> None:
        """Lets the sampler note how a trial ended."""
        self._make(trial).after_trial(study, trial, state, values)

    def _make(self, trial: FrozenTrial, parameter: str = "") -> BaseSampler:
        return make_sampler(self._settings, self._seed, trial.number, parameter, self._learned)
