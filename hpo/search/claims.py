"""Which trial is trained next: one left behind, or a new one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import optuna
from optuna.trial import FrozenTrial, TrialState

from studies.leases import Leases
from studies.record import CONFIG_KEY, HOPELESS_KEY, LABEL_KEY, was_trained
from studies.space import DataFacts, Space
from studies.suggest import suggest
from studies.trial_config import TrialConfig


@dataclass
class Claim:
    """A trial this process holds the lease of.

    Attributes:
        trial: The trial, running.
        config: Its settings.
        label: Name of the baseline it is, or None.
        reported: Epochs whose objective is in the study.
        deaths: Workers that ended over it since its last epoch.
        hopeless: Whether the pruner has ended it.
    """

    trial: optuna.Trial
    config: TrialConfig
    label: str | None
    reported: int = 0
    deaths: int = 0
    hopeless: bool = False

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.trial.number

    @property
    def trial_id(self) -> int:
        """The trial's id in its storage."""
        return self.trial._trial_id


@dataclass
class Claims:
    """Hands out the trials of one study.

    Attributes:
        study: The study.
        space: What its trials are drawn from.
        facts: The facts of its data.
        leases: The leases of its storage.
        total: The study's total number of trials, those imported aside; never more are created.
    """

    study: optuna.Study
    space: Space
    facts: DataFacts
    leases: Leases
    total: int
    _returned: list[Claim] = field(default_factory=list)

    def give_back(self, claim: Claim) -> None:
        """Takes back a claim whose worker died; it is the next to be handed out."""
        self._returned.append(claim)

    def renew(self) -> None:
        """Beats for the claims that wait for a worker, and forgets those that were lost."""
        self._returned = [claim for claim in self._returned if self.leases.renew(claim.trial_id)]

    def next(self) -> Claim | None:
        """Claims a trial: one that its holder left behind, else a new one; None without either.

        The whole of it happens under one lease of the study, so that two processes never create
        the last trial twice.
        """
        while self._returned:
            kept = self.leases.renew(self._returned[-1].trial_id)  # first, as it may be cut
            claim = self._returned.pop()
            if kept:
                return claim
        gate = -1 - self.study._study_id  # trials' ids begin at 0
        held = frozenset(self.leases.held)
        if not self.leases.take(gate):
            return None
        try:
            try:
                trials = self.study.get_trials(deepcopy=False)  # once: this goes through all
                return self._left_behind(trials) or self._new(trials)
            finally:
                self.leases.release(gate)
        except BaseException:
            self.leases.held &= held  # one that was taken is no claim yet: the next call finds it
            raise

    def finished(self) -> bool:
        """Whether all the study's trials are, by whatever process."""
        trials = self.study.get_trials(deepcopy=False)
        return sum(t.state.is_finished() and was_trained(t) for t in trials) >= self.total

    def _left_behind(self, trials: Sequence[FrozenTrial]) -> Claim | None:
        for trial_id in (t._trial_id for t in trials if t.state is TrialState.RUNNING):
            if trial_id in self.leases.held or not self.leases.take(trial_id):
                continue
            now = self.study._storage.get_trial(trial_id)
            if now.state is TrialState.RUNNING:
                claim = self._claim(optuna.Trial(self.study, trial_id))
                claim.reported = max(now.intermediate_values, default=0)
                claim.hopeless = HOPELESS_KEY in now.system_attrs
                return claim
            self.leases.release(trial_id)  # its holder ended it after it was read
        return None

    def _new(self, trials: Sequence[FrozenTrial]) -> Claim | None:
        begun = [trial for trial in trials if trial.state is not TrialState.WAITING]
        if len(begun) >= self.total and sum(map(was_trained, begun)) >= self.total:
            return None
        trial = self.study.ask()
        self.leases.take(trial._trial_id)
        return self._claim(trial)

    def _claim(self, trial: optuna.Trial) -> Claim:
        """Draws the trial's settings, which is repeatable where a kill came in between."""
        if CONFIG_KEY in trial.user_attrs:
            config = TrialConfig.model_validate(trial.user_attrs[CONFIG_KEY])
        else:
            config = suggest(trial, self.space, self.facts)
            trial.set_user_attr(CONFIG_KEY, config.model_dump(mode="json"))
        return Claim(trial, config, trial.user_attrs.get(LABEL_KEY))
