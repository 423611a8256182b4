"""Whole studies in seconds: the product's scheduler, opening and sampler on recorded curves.

`Claims`, `TrialReader`, `Scheduler`, the steps of the opening and the sampler are those of a real
study. Only training, storage and leases are played.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import optuna
from optuna.trial import TrialState

from hpo.search.claims import Claim, Claims
from studies.learning import Learned
from studies.portfolio import Step, planned
from studies.record import CONFIG_KEY, Outcome, Reason
from studies.samplers import SamplerSettings
from studies.scheduler import Done, Rule, Scheduler, Wait
from studies.stateless_sampler import StatelessSampler
from tests.lab.cost import BasePass
from tests.lab.curves import Run
from tests.lab.world import Spent, World

STATES: Mapping[Reason, TrialState] = {
    "complete": TrialState.COMPLETE,
    "stopped early": TrialState.COMPLETE,
    "duplicate": TrialState.COMPLETE,
}
"""All others are pruned: a recorded run does not fail."""


@dataclass(frozen=True)
class Method:
    """A way to search.

    Attributes:
        name: Its name in tables.
        sampler: What proposes.
        rule: What ends trials early.
        opens: Whether the opening comes first.
        learns: Whether the sampler begins with the runs of other sets.
    """

    name: str
    sampler: SamplerSettings
    rule: Rule
    opens: bool = False
    learns: bool = False


@dataclass(frozen=True)
class Point:
    """The best accuracy after an epoch.

    Attributes:
        spent: All that was spent until then.
        accuracy: The best so far.
        trial: Number of the trial that it is of.
    """

    spent: Spent
    accuracy: float
    trial: int


@dataclass
class NoLeases:
    """Stands for `studies.leases.Leases`, where one process has the study for itself.

    Attributes:
        held: Ids of the trials that are trained.
    """

    held: set[int] = field(default_factory=set)

    def take(self, key: int) -> bool:
        """Takes a lease, which is always free."""
        self.held.add(key)
        return True

    renew = take

    def release(self, key: int) -> None:
        """Gives it back."""
        self.held.discard(key)

    def holders(self) -> Mapping[int, str]:
        """Returns who holds a lease."""
        return dict.fromkeys(self.held, "us")


@dataclass
class Simulation:
    """One study.

    Attributes:
        world: The set.
        method: How it is searched.
        seed: The study's.
        trials: How many it has in the end.
        budget: It ends when more than both parts of it are spent.
        steps: What comes first.
        learned: What other sets teach the sampler.
    """

    world: World
    method: Method
    seed: int
    trials: int
    budget: Spent
    steps: Sequence[Step] = ()
    learned: Learned | None = None
    points: list[Point] = field(default_factory=list)
    _spent: Spent = field(default_factory=Spent)
    _made: set[BasePass] = field(default_factory=set)

    def run(self) -> list[Point]:
        """Searches, and returns the best accuracy after each epoch."""
        claims = self._claims()
        while not self._is_over():
            claim = claims.next()
            if isinstance(claim, Wait | Done):
                break
            self._train(claims, claim)
        return self.points

    def _claims(self) -> Claims:
        sampler = StatelessSampler(self.method.sampler, self.seed, self.learned)
        study = optuna.create_study(direction="maximize", sampler=sampler)
        steps = tuple(self.steps) if self.method.opens else ()
        scheduler = Scheduler(
            rule=self.method.rule,
            total=self.trials,
            opening=planned(steps, self.world.space, self.world.curves.facts),
            perfect=1.0,
        )
        leases: Any = NoLeases()
        return Claims(study, self.world.space, self.world.curves.facts, leases, scheduler, steps)

    def _train(self, claims: Claims, claim: Claim) -> None:
        run = self.world.nearest(claim.config)
        claim.trial.set_user_attr(CONFIG_KEY, run.config.model_dump(mode="json"))
        if claim.pruned:
            self._end(claims, claim, run, "pruned")
            return
        records = claims.trials()
        if same := claims.scheduler.duplicate_of(records[claim.number], records):
            complete = same.value is not None
            self._end(claims, claim, run, "duplicate" if complete else "pruned", same.value)
            return
        for epoch in range(claim.reported + 1, len(run.accuracy) + 1):
            self._spent += self.world.next_cost(run, epoch, self._made)
            claim.trial.report(run.accuracy[epoch - 1], epoch)
            claim.reported = epoch
            self._note(claim.number, run.accuracy[epoch - 1])
            if self._is_over():
                return
            records = claims.trials()
            judgement = claims.scheduler.judge(records[claim.number], records)
            over = epoch == len(run.accuracy)
            if judgement == "prune" and not over:
                self._end(claims, claim, run, "pruned")
                return
            if judgement == "pause":
                self._write(claim, run, "interrupted", max(run.accuracy[:epoch]))
                claims.leases.release(claim.trial_id)
                return
        self._end(claims, claim, run, "complete", max(run.accuracy))

    def _end(
        self, claims: Claims, claim: Claim, run: Run, reason: Reason, value: float | None = None
    ) -> None:
        self._write(claim, run, reason, value)
        state = STATES.get(reason, TrialState.PRUNED)
        values = value if state is TrialState.COMPLETE else None
        claims.study.tell(claim.trial, values=values, state=state)
        claims.leases.release(claim.trial_id)

    def _write(self, claim: Claim, run: Run, reason: Reason, value: float | None) -> None:
        done = claim.reported
        outcome = Outcome(
            reason=reason,
            value=value,
            best_epoch=_best_epoch(run, done) if done else None,
            history={"val_accuracy": list(run.accuracy[:done]), "val_loss": list(run.loss[:done])},
            seconds={"training": sum(run.seconds[:done]), "total": sum(run.seconds[:done])},
        )
        for name, attribute in outcome.attributes().items():
            claim.trial.set_user_attr(name, attribute)

    def _note(self, number: int, accuracy: float) -> None:
        best, trial = accuracy, number
        if self.points and self.points[-1].accuracy >= accuracy:
            best, trial = self.points[-1].accuracy, self.points[-1].trial
        self.points.append(Point(self._spent, best, trial))

    def _is_over(self) -> bool:
        """Whether the budget is spent, or nothing better is recorded."""
        if self.points and self.points[-1].accuracy >= self.world.best:
            return True
        spent, budget = self._spent, self.budget
        return spent.multiply_adds > budget.multiply_adds and spent.seconds > budget.seconds


def _best_epoch(run: Run, done: int) -> int:
    """Returns the best of the first epochs, from 1."""
    accuracy = run.accuracy[:done]
    return accuracy.index(max(accuracy)) + 1
