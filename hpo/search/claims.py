"""Gets a trial for what the scheduler has decided, and holds its lease."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import TrialState

from hpo.search.records import TrialReader
from hpo.search.runner import Job
from studies.cost import epoch_cost
from studies.domains import Value
from studies.leases import Leases, gate_of
from studies.optuna_private import id_of_number, read_trial, study_id, trial_id
from studies.portfolio import Step, trial_of
from studies.record import CONFIG_KEY, CONTINUES_KEY, FIGURES_KEY, LABEL_KEY, STEP_KEY, read_config
from studies.scheduler import (
    LEAST_EPOCHS,
    Done,
    Prune,
    Resume,
    Scheduler,
    Start,
    TrialRecord,
    Wait,
    seconds_a_unit,
)
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
        continues: The trial whose last checkpoint it begins with; None if it begins anew.
        reported: Epochs whose objective is in the study.
        deaths: Workers that ended over it since its last epoch.
        pruned: Whether the scheduler has ended it, so that nobody trains it.
        expected_s: About how many seconds it takes in all; None before anything was trained here.
    """

    trial: optuna.Trial
    config: TrialConfig
    label: str | None
    continues: Job | None = None
    reported: int = 0
    deaths: int = 0
    pruned: bool = False
    expected_s: float | None = None

    @property
    def number(self) -> int:
        """The trial's number in its study."""
        return self.trial.number

    @property
    def job(self) -> Job:
        """What a worker is told of it."""
        return Job(self.number, self.config, self.continues)

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
        catalogue = self.space.table.catalogue
        self._reader = TrialReader(self.study, self.leases, self.facts.train_images, catalogue)

    def trials(self) -> list[TrialRecord]:
        """Returns all trials of the study as the scheduler sees them."""
        return self._reader.read({claim.trial_id for claim in self._returned.values()})

    def figures(self, number: int) -> Mapping[str, float]:
        """Returns the figures of a trial that has ended."""
        trial = self.study.get_trials(deepcopy=False)[number]
        figures: Mapping[str, float] = trial.user_attrs.get(FIGURES_KEY, {})
        return figures

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
            trials = self.trials()
            decision = self.scheduler.next(trials, remaining_s)
            if isinstance(decision, Wait | Done):
                return decision
            if isinstance(decision, Start):
                if decision.step:
                    self._enqueue(decision)
                elif decision.quick:
                    self._enqueue_quick(decision)
                trial = self.study.ask()
                self.leases.take(trial_id(trial))
                return self._foretold(
                    self._claim(
                        trial, trials, math.inf if decision.work is None else decision.work
                    ),
                    trials,
                )
            if claim := self._resume(decision, trials):
                return self._foretold(claim, trials)

    def _foretold(self, claim: Claim, trials: Sequence[TrialRecord]) -> Claim:
        """Tells how long a trial takes if its work takes as long as that before it."""
        if rate := seconds_a_unit(trials):
            claim.expected_s = rate * claim.config.epochs * self._epoch_cost(claim.config)
        return claim

    def _epoch_cost(self, config: TrialConfig) -> float:
        return epoch_cost(config, self.facts.train_images, self.space.table.catalogue)

    def _enqueue(self, start: Start) -> None:
        """Makes a step of the opening the next trial that Optuna hands out.

        After a kill in between it waits in the study, and the next call hands it out.
        """
        step = next(step for step in self.opening if step.name == start.step)
        like = None
        if start.like is not None:
            like = read_config(self.study.get_trials(deepcopy=False)[start.like])
        params, _ = trial_of(step, self.space, self.facts, like)
        self.study.enqueue_trial(params, user_attrs={STEP_KEY: step.name})

    def _enqueue_quick(self, start: Start) -> None:
        """Fixes what decides how long the next proposal takes; the sampler draws the rest."""
        assert start.like is not None
        like = read_config(self.study.get_trials(deepcopy=False)[start.like])
        wanted: dict[str, Value] = {
            "backbone": like.model.backbone,
            "image_size_px": like.model.image_size_px,
            "pretrained": True,
            "trainable_stages": 0,
            "solved_head": False,
            "augmentation": "none",
        }
        fixed: dict[str, Value] = {}
        for name, value in wanted.items():
            if name in self.space.searched and self.space[name].contains(value):
                fixed |= self.space[name].params(name, value)
        self.study.enqueue_trial(fixed)

    def _resume(self, decision: Resume | Prune, trials: Sequence[TrialRecord]) -> Claim | None:
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
        claim = self._claim(optuna.Trial(self.study, key), trials)
        claim.reported = max(now.intermediate_values, default=0)
        claim.pruned = isinstance(decision, Prune)
        return claim

    def _claim(
        self, trial: optuna.Trial, trials: Sequence[TrialRecord], work: float = math.inf
    ) -> Claim:
        """Draws the trial's settings, which is repeatable if a kill came in between.

        Args:
            trial: The trial.
            trials: All trials.
            work: Multiply-adds that fit before a deadline.
        """
        attributes = trial.user_attrs
        continues = self._continued(attributes)
        if CONFIG_KEY in attributes:
            config = TrialConfig.model_validate(attributes[CONFIG_KEY])
        else:
            config = suggest(trial, self.space, self.facts)
            if continues:
                asked = attributes[CONTINUES_KEY]
                config = continues.config.continued(asked["after"], asked["epochs"])
            elif LABEL_KEY not in attributes:
                proposed = STEP_KEY not in attributes
                most = self.scheduler.most_work(trials) if proposed else math.inf
                config = self._fitted(config, min(work, most))
            trial.set_user_attr(CONFIG_KEY, config.model_dump(mode="json"))
        label = attributes.get(LABEL_KEY) or attributes.get(STEP_KEY)
        return Claim(trial, config, label, continues)

    def _continued(self, attributes: Mapping[str, Any]) -> Job | None:
        """Returns the trial that one with these attributes continues, which may do so itself."""
        if CONTINUES_KEY not in attributes:
            return None
        number = attributes[CONTINUES_KEY]["number"]
        before = self.study.get_trials(deepcopy=False)[number]
        return Job(number, read_config(before), self._continued(before.user_attrs))

    def _fitted(self, config: TrialConfig, work: float) -> TrialConfig:
        """Returns a trial with as many of its epochs as fit, but with enough to be worth it.

        Its schedule ends with them.
        """
        if config.is_solved or work == math.inf:
            return config
        fitting = max(LEAST_EPOCHS, int(work / self._epoch_cost(config)))
        epochs = min(config.training.epochs, fitting)
        training = config.training.model_copy(update={"epochs": epochs})
        return config.model_copy(update={"training": training})
