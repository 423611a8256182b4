"""Gets a trial for what the scheduler has decided, and holds its lease."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import optuna
from optuna.trial import TrialState

from hpo.search.records import TrialReader
from studies.leases import Leases, gate_of
from studies.optuna_private import id_of_number, read_trial, study_id, trial_id
from studies.portfolio import Step, trial_of
from studies.record import CONFIG_KEY, LABEL_KEY, STEP_KEY, read_config
from studies.scheduler import Done, Prune, Resume, Scheduler, Start, TrialRecord, Wait
from studies.space import DataFacts, Space
from studies.suggest import suggest
from studies.trial_config import TrialConfig


@dataclass
class Claim:
    """A trial this process holds the lease of.

    Attributes:
        trial: The trial, running.
        config: Its settings.
        label: Name of the baseline it is, or of the step of the opening; None of others.
        reported: Epochs whose objective is in the study.
        deaths: Workers that ended over it since its last epoch.
        pruned: Whether the scheduler has ended it, so that nobody trains it.
    """

    trial: optuna.Trial
    config: TrialConfig
    label: str | None
    reported: int = 0
    deaths: int = 0
    pruned: bool = False

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.trial.number

    @property
    def trial_id(self) -> int:
        """The trial's id in its storage."""
        return trial_id(self.trial)


@dataclass
class Claims:
    """Hands out the trials of one study.

    Attributes:
        study: The study.
        space: What its trials are drawn from.
        facts: The facts of its data.
        leases: The leases of its storage.
        scheduler: Decides which trial is next.
        opening: What comes before the sampler's proposals.
    """

    study: optuna.Study
    space: Space
    facts: DataFacts
    leases: Leases
    scheduler: Scheduler
    opening: tuple[Step, ...] = ()
    _reader: TrialReader = field(init=False)
    _returned: dict[int, Claim] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reader = TrialReader(self.study, self.leases)

    def trials(self) -> list[TrialRecord]:
        """Returns all trials of the study as the scheduler sees them."""
        return self._reader.read({claim.trial_id for claim in self._returned.values()})

    def give_back(self, claim: Claim) -> None:
        """Takes back a claim whose worker died, to be handed out again."""
        self._returned[claim.number] = claim

    def renew(self) -> None:
        """Beats for the claims that wait for a worker, and forgets those that were lost.

        Also watches the other holders' beats, so that it is known early which of them live.
        """
        for claim in list(self._returned.values()):
            if not self.leases.renew(claim.trial_id):
                del self._returned[claim.number]
        self.leases.holders()

    def next(self, remaining_s: float | None = None) -> Claim | Wait | Done:
        """Claims the trial that the scheduler says is next, or returns why there is none.

        The whole of it happens under one lease of the study, so that two processes never start the
        last trial twice.

        Args:
            remaining_s: Seconds until the search ends; None if it has no deadline.
        """
        gate = gate_of(study_id(self.study))
        held, returned = frozenset(self.leases.held), dict(self._returned)
        if not self.leases.take(gate):
            return Wait()
        try:
            try:
                return self._next(remaining_s)
            finally:
                self.leases.release(gate)
        except BaseException:
            # A connection was cut. What was taken is no claim yet: the next call finds it again.
            self.leases.held &= held
            self._returned = returned
            raise

    def _next(self, remaining_s: float | None) -> Claim | Wait | Done:
        while True:
            decision = self.scheduler.next(self.trials(), remaining_s)
            if isinstance(decision, Wait | Done):
                return decision
            if isinstance(decision, Start):
                if decision.step:
                    self._enqueue(decision)
                trial = self.study.ask()
                self.leases.take(trial_id(trial))
                return self._claim(trial)
            if claim := self._resume(decision):
                return claim

    def _enqueue(self, start: Start) -> None:
        """Makes a step of the opening the next trial that Optuna hands out.

        After a kill in between it waits in the study, and the next call hands it out.
        """
        step = next(step for step in self.opening if step.name == start.step)
        if start.epochs is not None and step.wanted.get("trainable_stages"):
            # Only what is trained through the backbone takes long.
            epochs = min(int(step.wanted["epochs"]), start.epochs)
            step = replace(step, wanted=dict(step.wanted) | {"epochs": epochs})
        like = None
        if start.like is not None:
            like = read_config(self.study.get_trials(deepcopy=False)[start.like])
        params, _ = trial_of(step, self.space, self.facts, like)
        self.study.enqueue_trial(params, user_attrs={STEP_KEY: step.name})

    def _resume(self, decision: Resume | Prune) -> Claim | None:
        """Claims a paused trial; None where another process was faster."""
        number = decision.number
        if number in self._returned:
            kept = self.leases.renew(self._returned[number].trial_id)  # first, as it may be cut
            claim = self._returned.pop(number)
            return claim if kept else None
        key = id_of_number(self.study, number)
        if not self.leases.take(key):
            return None
        now = read_trial(self.study, key)
        if now.state is not TrialState.RUNNING:
            self.leases.release(key)  # its holder ended it after it was read
            return None
        claim = self._claim(optuna.Trial(self.study, key))
        claim.reported = max(now.intermediate_values, default=0)
        claim.pruned = isinstance(decision, Prune)
        return claim

    def _claim(self, trial: optuna.Trial) -> Claim:
        """Draws the trial's settings, which is repeatable if a kill came in between."""
        if CONFIG_KEY in trial.user_attrs:
            config = TrialConfig.model_validate(trial.user_attrs[CONFIG_KEY])
        else:
            config = suggest(trial, self.space, self.facts)
            trial.set_user_attr(CONFIG_KEY, config.model_dump(mode="json"))
        attributes = trial.user_attrs
        return Claim(trial, config, attributes.get(LABEL_KEY) or attributes.get(STEP_KEY))
